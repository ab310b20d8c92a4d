package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	Store     string    `json:"store"`
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

// List returns up to limit sessions and keys in the stores in use: those after
// the cursor, in the order of their references, and of one account, by either of
// its IDs, unless it is "". A store has no order, so all of it is walked for each page, but no more
// than two pages are kept.
func List(ctx context.Context, account, cursor string, limit int) (*Page, error) {
	page := &Page{Sessions: []Listed{}}
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
		if entry.Kind == tokenstore.KindKeyIndex || account != "" && !of.have(entry.Entry) {
			continue
		}
		page.Total++
		if tokenstore.Ref(entry.Key) <= cursor {
			continue
		}
		page.Sessions = append(page.Sessions, Listed{
			Session: tokenstore.Ref(entry.Key), Kind: entry.Kind, Account: entry.AccountID,
			CreatedAt: entry.CreatedAt.UTC(), AuthorizedAt: entry.AuthorizedAt.UTC(), ExpiresAt: entry.End().UTC(),
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
		if tokenstore.Ref(entry.Key) == ref && entry.Kind != tokenstore.KindKeyIndex {
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
	_, err = endMatching(ctx, &ended, func(e tokenstore.Entry) bool {
		return tokenstore.Ref(e.Key) == ref && e.Kind != tokenstore.KindKeyIndex
	})
	return ended, err
}

// maxEndWalks bounds how often the stores are walked for an account's sessions.
const maxEndWalks = 16

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
	for range maxEndWalks {
		found, err := endMatching(ctx, &ended, ids.have)
		if err != nil || found == 0 {
			return ended, err
		}
	}
	return ended, fmt.Errorf("after %d sessions ended: new ones keep beginning", len(ended))
}

// endMatching walks the stores in use, ends what matches, and returns how much
// that was.
func endMatching(ctx context.Context, ended *[]string, match func(tokenstore.Entry) bool) (found int, err error) {
	var lists, rest []inStore
	for entry, err := range walkInUse(ctx) {
		switch {
		case err != nil:
			return 0, err
		case !match(entry.Entry):
		case entry.Kind == tokenstore.KindKeyIndex:
			lists = append(lists, entry)
		default:
			rest = append(rest, entry)
		}
	}
	// The list of an account's keys goes first: from then on none of them counts,
	// whatever happens to its own record.
	for _, list := range lists {
		if err := list.store.Delete(ctx, list.Key); err != nil {
			return 0, fmt.Errorf("after %d sessions ended: deleting the account's list of keys in store %s: %w", len(*ended), list.store.Name, err)
		}
	}
	for _, entry := range rest {
		if len(lists) == 0 {
			if err := entry.store.strike(ctx, entry.Entry); err != nil {
				return 0, fmt.Errorf("after %d sessions ended: striking access key %s from its owner's list: %w", len(*ended), tokenstore.Ref(entry.Key), err)
			}
		}
		if err := entry.store.End(ctx, entry.Entry, EndAdministrator, nil); err != nil {
			return 0, fmt.Errorf("after %d sessions ended: ending session %s in store %s: %w", len(*ended), tokenstore.Ref(entry.Key), entry.store.Name, err)
		}
		*ended = append(*ended, tokenstore.Ref(entry.Key))
	}
	return len(lists) + len(rest), nil
}

// inStore is an entry and the store that it is in.
type inStore struct {
	tokenstore.Entry
	store StoreInUse
}

// walkInUse walks the stores in use, one after the other, up to the first error.
func walkInUse(ctx context.Context) func(yield func(inStore, error) bool) {
	return func(yield func(inStore, error) bool) {
		for _, store := range StoresInUse() {
			for entry, err := range store.Walk(ctx) {
				if err != nil {
					yield(inStore{}, fmt.Errorf("listing the sessions in store %s: %w", store.Name, err))
					return
				}
				if entry.Kind == tokenstore.KindProbe || entry.Kind == tokenstore.KindNotice || entry.Kind == tokenstore.KindDevice {
					continue
				}
				if !yield(inStore{entry, store}, nil) {
					return
				}
			}
		}
	}
}
