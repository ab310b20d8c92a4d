package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
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
	// indexLabel keeps the ids of indexes apart from any other use of the secret.
	indexLabel = "caddy-spotify session index v1\x00"
)

// errNoChange says that an index is to stay as it is.
var errNoChange = errors.New("there is nothing to change")

// newLists returns the lists of the accounts' sessions. One that lists nothing is deleted,
// so that nothing is left of who has logged out everywhere. A login of the account at that
// very moment may then be missing from the list, until its browser opens the page.
func newLists(s *site.Site, key *secret.Stored) *session.OwnerList[index] {
	return &session.OwnerList[index]{
		Store: s.Store, Clock: s.Clock, Kind: tokenstore.KindSessionIndex, Namespace: s.ClientID + "\x00session index", Of: "sessions",
		ID: func(ctx context.Context, account string) (tokenstore.SessionID, error) {
			sec, err := key.Load(ctx)
			if err != nil {
				return tokenstore.SessionID{}, err
			}
			return secret.DeriveID(sec, indexLabel, s.ClientID, account)
		},
		Empty: func(ix *index) bool { return len(ix.Sessions) == 0 },
		Until: func(ix *index, _ time.Time) time.Time {
			var until time.Time
			for _, e := range ix.Sessions {
				if e.EndsAt.After(until) {
					until = e.EndsAt
				}
			}
			return until
		},
		Replace: true, // a list that cannot be read lists nothing
	}
}

// enter lists a session, in place of the oldest one if there are too many.
func (a *Accounts) enter(ctx context.Context, account string, e entry) error {
	return a.lists.Change(ctx, account, func(ix *index) error {
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
	err := a.lists.Change(ctx, account, func(ix *index) error {
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
	ix, rec, id, err := a.lists.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	live, settling, err := a.look(ctx, ix)
	if err != nil {
		return nil, err
	}
	if n := len(live) + len(settling); n < len(ix.Sessions) {
		// If it fails, somebody else has changed it, and the next one to look does it.
		_ = a.lists.Save(ctx, account, id, &index{append(slices.Clone(live), settling...)}, rec)
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
