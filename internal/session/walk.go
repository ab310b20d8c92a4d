package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Listed is a session as an operator sees it, or an access key, which is one in
// all that an operator can do.
type Listed struct {
	// Session is the reference.
	Session string `json:"session"`
	// Kind is "key" for an access key, "shared" for the account that a site shows,
	// and left out for a session.
	Kind         string    `json:"kind,omitempty"`
	Account      string    `json:"account"`
	CreatedAt    time.Time `json:"created_at"`
	AuthorizedAt time.Time `json:"authorized_at"`
	// ExpiresAt is when the session ends unless it is used before.
	ExpiresAt time.Time `json:"expires_at"`
	// ReauthorizeBy is when it ends however much it is used, as Session.ReauthorizeBy.
	ReauthorizeBy time.Time `json:"reauthorize_by"`
	Store         string    `json:"store"`
	// Site is where the session is in use. It is empty if this process has not
	// got the session in memory.
	Site string `json:"site,omitempty"`

	key string
}

// Page is a page of the sessions in the stores in use.
type Page struct {
	Sessions []Listed `json:"sessions"`
	// Total is how many there are on all pages.
	Total int `json:"total"`
	// NextCursor is the cursor of the next page, if there is one.
	NextCursor string `json:"next_cursor,omitempty"`
}

// isSession reports whether an entry is what can be listed and ended: a session, a key or
// a shared account. What else there is of an account tells its owner of those.
func isSession(e tokenstore.Entry) bool {
	return e.Kind == tokenstore.KindSession || e.Kind == tokenstore.KindKey || e.Kind == tokenstore.KindShared
}

// List returns up to limit sessions and keys in the stores in use: those after
// the cursor, in the order of their references, of one account, by either of
// its IDs, unless it is "", and that have to be authorized again within due, unless it is
// zero. A store has no order, so all of it is walked for each page, but no more than two
// pages are kept.
func List(ctx context.Context, account string, due time.Duration, cursor string, limit int) (*Page, error) {
	page, now := &Page{Sessions: []Listed{}}, clock.Get().Now()
	var of accountIDs
	if account != "" {
		var err error
		if of, err = findAccount(ctx, account); err != nil {
			return nil, err
		}
	}
	for entry, err := range walkInUse(ctx) {
		if err != nil {
			return nil, err
		}
		if !isSession(entry.Entry) || account != "" && !of.have(entry.Entry) {
			continue
		}
		by := entry.store.ends(entry.Meta)
		if due != 0 && by.Sub(now) > due {
			continue
		}
		page.Total++
		if tokenstore.Ref(entry.Key) <= cursor {
			continue
		}
		page.Sessions = append(page.Sessions, Listed{
			Session: tokenstore.Ref(entry.Key), Kind: entry.Kind, Account: entry.AccountID,
			CreatedAt: entry.CreatedAt.UTC(), AuthorizedAt: entry.AuthorizedAt.UTC(), ExpiresAt: entry.End().UTC(), ReauthorizeBy: by.UTC(),
			Store: entry.store.Name, key: entry.Key,
		})
		if len(page.Sessions) > 2*limit {
			page.sort()
			page.Sessions = page.Sessions[:limit+1]
		}
	}
	page.sort()
	if len(page.Sessions) > limit {
		page.Sessions = page.Sessions[:limit]
		page.NextCursor = page.Sessions[limit-1].Session
	}
	managers := InUse()
	for i := range page.Sessions {
		for _, m := range managers {
			if o := m.Observers.Observer(); o != nil && len(m.Held(page.Sessions[i].key)) > 0 {
				page.Sessions[i].Site = o.Metrics.Site
			}
		}
	}
	return page, nil
}

func (p *Page) sort() {
	slices.SortFunc(p.Sessions, func(a, b Listed) int { return strings.Compare(a.key, b.key) })
}

// Exists reports whether a store in use has a session or key with the reference.
func Exists(ctx context.Context, ref string) (bool, error) {
	for entry, err := range walkInUse(ctx) {
		if err != nil {
			return false, err
		}
		if tokenstore.Ref(entry.Key) == ref && isSession(entry.Entry) {
			return true, nil
		}
	}
	return false, nil
}

// EndSession ends the session or key with a reference, in the stores in use and so
// on every instance, and returns the references of what it ended. A key is struck from
// its owner's list first, so that it does not count even if its record comes back out
// of a backup.
func EndSession(ctx context.Context, ref string) (ended []string, err error) {
	ended = []string{}
	_, err = endMatching(ctx, &ended, &ending{stores: StoresInUse(), why: EndAdministrator, match: func(e tokenstore.Entry) bool {
		return tokenstore.Ref(e.Key) == ref && isSession(e)
	}})
	return ended, err
}

// EndAccount ends, in the stores in use and so on every instance, the sessions and
// keys of an account, which is named by its account_id or by the user's id. It also
// ends those that begin while it is at it: it walks the stores until nothing is
// left. It returns the references of those that it ended, in order. When it fails,
// some may have ended, and they are returned too.
func EndAccount(ctx context.Context, id string) (ended []string, err error) {
	ended = []string{}
	defer func() { slices.Sort(ended) }()
	ids, err := findAccount(ctx, id)
	if err != nil {
		return ended, err
	}
	return ended, endUntilNone(ctx, &ended, &ending{stores: StoresInUse(), why: EndAdministrator, match: ids.have})
}

// inStore is an entry and the store that it is in.
type inStore struct {
	tokenstore.Entry
	store StoreInUse
}

// walkInUse is walk for the stores in use.
func walkInUse(ctx context.Context) func(yield func(inStore, error) bool) {
	return walk(ctx, StoresInUse())
}

// walk walks stores, one after the other, up to the first error.
func walk(ctx context.Context, stores []StoreInUse) func(yield func(inStore, error) bool) {
	return func(yield func(inStore, error) bool) {
		for _, store := range stores {
			for entry, err := range store.Walk(ctx) {
				if err != nil {
					yield(inStore{}, fmt.Errorf("listing the sessions in store %s: %w", store.Name, err))
					return
				}
				switch entry.Kind {
				case tokenstore.KindProbe, tokenstore.KindNotice, tokenstore.KindDevice, tokenstore.KindMark:
					continue
				}
				if !yield(inStore{entry, store}, nil) {
					return
				}
			}
		}
	}
}

// Accounts yields the IDs of the accounts that have a session or key in the stores in
// use, some more than once. It ends where a store does not respond.
func Accounts(ctx context.Context) func(yield func(id string) bool) {
	return func(yield func(id string) bool) {
		for entry, err := range walkInUse(ctx) {
			if err != nil || isSession(entry.Entry) && !yield(entry.AccountID) {
				return
			}
		}
	}
}
