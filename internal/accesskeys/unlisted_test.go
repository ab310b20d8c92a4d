package accesskeys

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// newKey creates a key of an account's that lasts for a day.
func (k *Keys) newKey(t *testing.T, account string) *session.Session {
	t.Helper()
	now := k.site.Clock.Now()
	s, err := k.create(t.Context(), granted(1, now), session.Account{ID: account}, &session.KeyTerms{ExpiresAt: now.Add(24 * time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counts reports whether a key can be used.
func (k *Keys) counts(t *testing.T, s *session.Session) bool {
	t.Helper()
	_, err := k.site.Sessions.GetKey(t.Context(), s.ID, k.site.Clock.Now().Unix(), k)
	if err != nil && !errors.Is(err, session.ErrNone) {
		t.Fatal(err)
	}
	return err == nil
}

// untold is a store that tells of no changes.
type untold struct{ tokenstore.Store }

// S29: a key that is not in its owner's list does not count, whatever has become of
// the list, and whatever has been put back into the store, in an instance that has
// the key in memory and in one that has not.
func TestUnlistedKeyDoesNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		// spoil changes the store behind the instances' backs, given the key and the
		// record that it had.
		spoil func(t *testing.T, k *Keys, store tokenstore.Store, s *session.Session, rec *tokenstore.Record)
		// told is whether this instance learns of it at once.
		told bool
	}{
		"the list is deleted": {spoil: func(t *testing.T, k *Keys, store tokenstore.Store, _ *session.Session, _ *tokenstore.Record) {
			list, err := k.ListOf(t.Context(), "account")
			if err == nil {
				err = store.Delete(t.Context(), list)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		"the key is struck from the list": {told: true, spoil: func(t *testing.T, k *Keys, _ tokenstore.Store, s *session.Session, _ *tokenstore.Record) {
			if err := k.strike(t.Context(), "account", s.Key()); err != nil {
				t.Fatal(err)
			}
		}},
		"it is revoked and put back": {told: true, spoil: func(t *testing.T, k *Keys, store tokenstore.Store, s *session.Session, rec *tokenstore.Record) {
			if ok, err := k.revoke(t.Context(), "account", s.Ref()); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if err := store.Create(t.Context(), s.Key(), rec); err != nil {
				t.Fatal(err)
			}
		}},
		"the operator ends it by its reference and it is put back": {told: true, spoil: func(t *testing.T, _ *Keys, store tokenstore.Store, s *session.Session, rec *tokenstore.Record) {
			if ended, err := session.EndSession(t.Context(), s.Ref()); len(ended) != 1 || err != nil {
				t.Fatal(ended, err)
			}
			if err := store.Create(t.Context(), s.Key(), rec); err != nil {
				t.Fatal(err)
			}
		}},
		"the account is ended and it is put back": {told: true, spoil: func(t *testing.T, _ *Keys, store tokenstore.Store, s *session.Session, rec *tokenstore.Record) {
			if ended, err := session.EndAccount(t.Context(), "account"); len(ended) != 2 || err != nil {
				t.Fatal(ended, err)
			}
			if err := store.Create(t.Context(), s.Key(), rec); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeclock.New(time.Now())
			store := memory.New(memory.Config{Now: fake.Now})
			k := newKeysRigOver(t, untold{store}, fake)
			s, another := k.newKey(t, "account"), k.newKey(t, "account")
			stranger := k.newKey(t, "another account")
			rec, err := store.Load(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			for _, each := range []*session.Session{s, another, stranger} {
				if !k.counts(t, each) {
					t.Fatal("a key does not count from the start")
				}
			}
			c.spoil(t, k, store, s, rec)
			if !c.told {
				fake.Advance(20 * time.Second)
			}
			if k.counts(t, s) || k.counts(t, s) {
				t.Error("the key counts")
			}
			if listed, err := k.list(t.Context(), "account"); err != nil || len(listed) > 1 {
				t.Errorf("listed: %v, %v", listed, err)
			}
			if !k.counts(t, stranger) {
				t.Error("another account's key does not count")
			}
		})
	}
}

// meanwhile is a store in which something happens at the end of each walk.
type meanwhile struct {
	tokenstore.Store
	walks int
	do    func(walk int)
}

func (s *meanwhile) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		for entry, err := range s.Store.Walk(ctx) {
			if !yield(entry, err) {
				return
			}
		}
		s.walks++
		if s.do != nil {
			s.do(s.walks)
		}
	}
}

// S29: the end of an account's sessions and keys ends those that began while the
// store was walked, too, and what is only being created comes to nothing.
func TestEndingAnAccountEndsWhatBeginsMeanwhile(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := &meanwhile{Store: memory.New(memory.Config{Now: fake.Now})}
	k := newKeysRigOver(t, store, fake)
	m, ctx := k.site.Sessions, t.Context()
	keys := []*session.Session{k.newKey(t, "account")}
	var begun *session.Session
	store.do = func(walk int) {
		switch walk {
		case 1, 2:
			keys = append(keys, k.newKey(t, "account"))
			if _, err := m.Create(ctx, granted(2, fake.Now()), session.Account{ID: "account"}); err != nil {
				t.Fatal(err)
			}
		case 3:
			seal, err := k.seal(ctx)
			if err != nil {
				t.Fatal(err)
			}
			begun = m.NewKey(session.Account{ID: "account"}, &session.KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix(), Seal: seal})
			if err := k.enter(ctx, "account", indexedKey{Key: begun.Key(), CreatedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended, err := session.EndAccount(ctx, "account")
	if err != nil || len(ended) != 5 {
		t.Errorf("ended: %v, %v, want three keys and two sessions", ended, err)
	}
	if err := m.Keep(ctx, begun, granted(3, fake.Now())); err != nil {
		t.Fatal(err)
	}
	for i, s := range append(keys, begun) {
		if k.counts(t, s) {
			t.Errorf("key %d counts", i)
		}
	}
	// What never ends is said so.
	store.do = func(int) { k.newKey(t, "account") }
	k.newKey(t, "account")
	if _, err := session.EndAccount(ctx, "account"); err == nil {
		t.Error("no error, though there is a key")
	}
}
