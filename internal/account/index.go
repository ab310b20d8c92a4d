package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// index lists the sessions of an account. Their own records are sealed under the cookies,
// which their browsers have and nobody else, so what a person can be told of their other
// sessions is kept here. It holds no token and opens no session.
//
// It is a record of its own, sealed under an id that derives from the site's secret and
// the account, so it can be found from a session of the account's. All sites with one
// app and one secret have the same.
type index struct {
	Sessions []entry `json:"sessions"`
}

// entry is what the index says of a session.
type entry struct {
	// Key is that of the session's record in the store.
	Key string `json:"key"`
	// Site is the site that the session was made at and is good for.
	Site string `json:"site"`
	// Browser and System are names of ours; see parseUserAgent.
	Browser   string    `json:"browser,omitempty"`
	System    string    `json:"system,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// EndsAt is when the session ends however much it is used.
	EndsAt time.Time `json:"ends_at"`

	// What is not stored here, but found along with the session's record.
	usedAt, expiresAt time.Time
}

func (e entry) ref() string { return tokenstore.Ref(e.Key) }

const (
	// maxSessions bounds the sessions of an account that are listed: the newest ones.
	maxSessions = 50
	// settling is how long a session that is listed may have no record, because its
	// login is only being completed.
	settling = time.Minute
	// maxConflicts bounds how often a change of the index starts over.
	maxConflicts = 8
	// indexLabel keeps the ids of indexes apart from any other use of the secret.
	indexLabel = "caddy-spotify session index v1\x00"
)

// errNoChange says that an index is to stay as it is.
var errNoChange = errors.New("there is nothing to change")

// namespace is where the ids of indexes mean something.
func (a *Accounts) namespace() string { return a.site.ClientID + "\x00session index" }

// load returns an account's index, its record, which is nil if there is none, and its id.
func (a *Accounts) load(ctx context.Context, account string) (*index, *tokenstore.Record, tokenstore.SessionID, error) {
	sec, err := a.secret.Load(ctx)
	if err != nil {
		return nil, nil, tokenstore.SessionID{}, err
	}
	id, err := secret.DeriveID(sec, indexLabel, a.site.ClientID, account)
	if err != nil {
		return nil, nil, id, err
	}
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	rec, err := a.site.Store.Load(ctx, id.Key(a.namespace()))
	if errors.Is(err, tokenstore.ErrNotFound) {
		return new(index), nil, id, nil
	}
	if err != nil {
		return nil, nil, id, fmt.Errorf("loading the list of sessions: %w", err)
	}
	ix := new(index)
	plain, err := tokenstore.Open(id, a.namespace(), rec.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, ix)
	}
	if err != nil {
		// It is damaged, and the next change replaces it.
		return new(index), rec, id, nil //nolint:nilerr // a list that cannot be read lists nothing
	}
	return ix, rec, id, nil
}

// change changes an account's index. f may be called many times, since others change it
// as well, and may refuse with an error.
func (a *Accounts) change(ctx context.Context, account string, f func(*index) error) error {
	for range maxConflicts {
		ix, rec, id, err := a.load(ctx, account)
		if err != nil {
			return err
		}
		if err := f(ix); err != nil {
			return err
		}
		err = a.save(ctx, account, id, ix, rec)
		if !errors.Is(err, tokenstore.ErrConflict) && !errors.Is(err, tokenstore.ErrExists) && !errors.Is(err, tokenstore.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("saving the list of sessions: %w", tokenstore.ErrConflict)
}

// save stores an index that was loaded from a record, if there was one. One that lists
// nothing is deleted, so that nothing is left of who has logged out everywhere. A login of
// the account at that very moment may then be missing from the list, until its browser
// opens the page.
func (a *Accounts) save(ctx context.Context, account string, id tokenstore.SessionID, ix *index, old *tokenstore.Record) error {
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	name := id.Key(a.namespace())
	if len(ix.Sessions) == 0 {
		if old == nil {
			return nil
		}
		return a.site.Store.Delete(ctx, name)
	}
	plain, err := json.Marshal(ix)
	if err != nil {
		return fmt.Errorf("encoding the list of sessions: %w", err)
	}
	sealed, err := tokenstore.Seal(id, a.namespace(), plain)
	if err != nil {
		return fmt.Errorf("sealing the list of sessions: %w", err)
	}
	now := a.site.Clock.Now().UTC().Truncate(time.Second)
	rec := &tokenstore.Record{
		Meta:   tokenstore.Meta{Kind: tokenstore.KindSessionIndex, AccountID: account, CreatedAt: now, AuthorizedAt: now},
		Sealed: sealed,
	}
	for _, e := range ix.Sessions {
		if e.EndsAt.After(rec.ExpiresAt) {
			rec.ExpiresAt = e.EndsAt
		}
	}
	if old == nil {
		err = a.site.Store.Create(ctx, name, rec)
	} else {
		rec.CreatedAt, rec.Version = old.CreatedAt, old.Version
		err = a.site.Store.Update(ctx, name, rec)
	}
	if err != nil {
		return fmt.Errorf("saving the list of sessions: %w", err)
	}
	return nil
}

// enter lists a session, in place of the oldest one if there are too many.
func (a *Accounts) enter(ctx context.Context, account string, e entry) error {
	return a.change(ctx, account, func(ix *index) error {
		if slices.ContainsFunc(ix.Sessions, func(other entry) bool { return other.Key == e.Key }) {
			return errNoChange
		}
		if len(ix.Sessions) >= maxSessions {
			live, settling, err := a.look(ctx, ix)
			if err != nil {
				return err
			}
			ix.Sessions = append(live, settling...)
			newestFirst(ix.Sessions)
			ix.Sessions = ix.Sessions[:min(len(ix.Sessions), maxSessions-1)]
		}
		ix.Sessions = append(ix.Sessions, e)
		return nil
	})
}

// strike takes a session from its account's index, if it is there.
func (a *Accounts) strike(ctx context.Context, account, key string) error {
	err := a.change(ctx, account, func(ix *index) error {
		n := len(ix.Sessions)
		ix.Sessions = slices.DeleteFunc(ix.Sessions, func(e entry) bool { return e.Key == key })
		if len(ix.Sessions) == n {
			return errNoChange
		}
		return nil
	})
	if errors.Is(err, errNoChange) {
		return nil
	}
	return err
}

// list returns the sessions of an account at this site, the newest first. What is over is
// taken from the index.
func (a *Accounts) list(ctx context.Context, account string) ([]entry, error) {
	ix, rec, id, err := a.load(ctx, account)
	if err != nil {
		return nil, err
	}
	live, settling, err := a.look(ctx, ix)
	if err != nil {
		return nil, err
	}
	if n := len(live) + len(settling); n < len(ix.Sessions) {
		// If it fails, somebody else has changed it, and the next one to look does it.
		_ = a.save(ctx, account, id, &index{append(slices.Clone(live), settling...)}, rec)
	}
	live = slices.DeleteFunc(live, func(e entry) bool { return e.Site != a.site.Base() })
	newestFirst(live)
	return live, nil
}

func newestFirst(sessions []entry) {
	slices.SortStableFunc(sessions, func(a, b entry) int { return b.CreatedAt.Compare(a.CreatedAt) })
}

// look returns those of an index's sessions that have a record, and those that may yet
// get one. The rest have ended.
func (a *Accounts) look(ctx context.Context, ix *index) (live, soon []entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	now := a.site.Clock.Now()
	for _, e := range ix.Sessions {
		rec, err := a.site.Store.Load(ctx, e.Key)
		switch {
		case err == nil:
			e.usedAt, e.expiresAt = rec.UsedAt, rec.ExpiresAt
			for _, s := range a.site.Sessions.Held(e.Key) {
				if at := time.Unix(s.LastSeen.Load(), 0); at.After(e.usedAt) {
					e.usedAt, e.expiresAt = at, time.Unix(s.ExpiresAt(), 0)
				}
			}
			live = append(live, e)
		case !errors.Is(err, tokenstore.ErrNotFound):
			return nil, nil, fmt.Errorf("looking for a session: %w", err)
		case now.Sub(e.CreatedAt) < settling:
			soon = append(soon, e)
		}
	}
	return live, soon, nil
}
