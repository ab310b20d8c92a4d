package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// maxEndWalks bounds how often the stores are walked for an account's sessions.
const maxEndWalks = 16

// errUnused says that a session's site is part of no config any more.
var errUnused = errors.New("the site's config is no longer in force")

// ending says what is to end.
type ending struct {
	stores []StoreInUse
	why    string
	match  func(tokenstore.Entry) bool
	teller *Manager // as for StoreInUse.End
	about  []zap.Field
}

// endUntilNone ends what matches, and what begins while it is at it, until nothing is
// left. It adds the references of what it ended.
func endUntilNone(ctx context.Context, ended *[]string, e *ending) error {
	for range maxEndWalks {
		found, err := endMatching(ctx, ended, e)
		if err != nil || found == 0 {
			return err
		}
	}
	return fmt.Errorf("after %d sessions ended: new ones keep beginning", len(*ended))
}

// endMatching walks the stores, ends what matches, and returns how much
// that was.
func endMatching(ctx context.Context, ended *[]string, e *ending) (found int, err error) {
	var others, sessions []inStore
	listOfKeys := false
	for entry, err := range walk(ctx, e.stores) {
		switch {
		case err != nil:
			return 0, err
		case !e.match(entry.Entry):
		case isSession(entry.Entry):
			sessions = append(sessions, entry)
		default:
			others = append(others, entry)
			listOfKeys = listOfKeys || entry.Kind == tokenstore.KindKeyIndex
		}
	}
	// The list of an account's keys goes first: from then on none of them counts,
	// whatever happens to its own record.
	for _, other := range others {
		if err := other.store.Delete(ctx, other.Key); err != nil {
			return 0, fmt.Errorf("after %d sessions ended: deleting the account's list of sessions or keys in store %s: %w", len(*ended), other.store.Name, err)
		}
	}
	for _, entry := range sessions {
		if !listOfKeys {
			if err := entry.store.strike(ctx, entry.Entry); err != nil {
				return 0, fmt.Errorf("after %d sessions ended: striking access key %s from its owner's list: %w", len(*ended), tokenstore.Ref(entry.Key), err)
			}
		}
		if err := entry.store.End(ctx, entry.Entry, e.why, e.teller, e.about...); err != nil {
			return 0, fmt.Errorf("after %d sessions ended: ending session %s in store %s: %w", len(*ended), tokenstore.Ref(entry.Key), entry.store.Name, err)
		}
		*ended = append(*ended, tokenstore.Ref(entry.Key))
	}
	return len(others) + len(sessions), nil
}

// has reports whether a record is the account's. Records from before Spotify told
// account IDs have the user's id as that of the account, and no other.
func (a *Account) has(e tokenstore.Entry) bool {
	return e.AccountID == a.ID || e.UserID == a.ID || a.UserID != "" && e.AccountID == a.UserID && e.UserID == ""
}

// EndOthers ends all sessions of a person in the store of m but the one given, here and
// on every instance, also those that begin while it is at it and those of other sites
// that have the store in common. Access keys stay. It returns how many it ended, also
// when it fails.
func (m *Manager) EndOthers(ctx context.Context, s *Session, about ...zap.Field) (int, error) {
	return m.endOwn(ctx, about, func(e tokenstore.Entry) bool {
		return e.Kind == tokenstore.KindSession && e.Key != s.Key() && s.Account.has(e)
	})
}

// EndAll ends all that the store of m has of a person, whose session is given: their
// sessions, that one last, and their access keys, on every instance, and the lists of
// them. What a site shows of their account to others stays, unless shared says that it
// ends as well. It returns how many it ended. When it fails, the session given goes on,
// so that the person can try again.
func (m *Manager) EndAll(ctx context.Context, s *Session, shared bool, about ...zap.Field) (int, error) {
	match := func(e tokenstore.Entry) bool {
		return e.Key != s.Key() && s.Account.has(e) && (shared || e.Kind != tokenstore.KindShared)
	}
	n, err := m.endOwn(ctx, about, match)
	if err != nil {
		return n, err
	}
	if err := m.end(ctx, s, EndOwner, about...); err != nil {
		return n, err
	}
	// An access key that was created before the session ended, and after the last walk.
	// One that is created later finds no session.
	late, err := m.endOwn(ctx, about, match)
	return n + 1 + late, err
}

// EndOne ends a session of a person in the store of m by the key of its record, here and
// on every instance.
func (m *Manager) EndOne(ctx context.Context, account, record string, about ...zap.Field) error {
	entry := tokenstore.Entry{Key: record, Meta: tokenstore.Meta{Kind: tokenstore.KindSession, AccountID: account}}
	for _, store := range StoresInUse() {
		if store.has(m) {
			return store.End(ctx, entry, EndOwner, m, about...)
		}
	}
	return errUnused
}

// endOwn ends what matches of the store of m.
func (m *Manager) endOwn(ctx context.Context, about []zap.Field, match func(tokenstore.Entry) bool) (int, error) {
	var ended []string
	stores := slices.DeleteFunc(StoresInUse(), func(s StoreInUse) bool { return !s.has(m) })
	err := endUntilNone(ctx, &ended, &ending{stores: stores, why: EndOwner, match: match, teller: m, about: about})
	return len(ended), err
}

func (s StoreInUse) has(m *Manager) bool { return slices.Contains(s.users, m) }
