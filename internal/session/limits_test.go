package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// faultyStore is a store that fails where a test says so.
type faultyStore struct {
	tokenstore.Store
	lease, update, remove error
}

func (s *faultyStore) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if s.lease != nil {
		return nil, s.lease
	}
	return s.Store.Lease(ctx, key)
}

func (s *faultyStore) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if s.update != nil {
		return s.update
	}
	return s.Store.Update(ctx, key, rec)
}

func (s *faultyStore) Delete(ctx context.Context, key string) error {
	if s.remove != nil {
		return s.remove
	}
	return s.Store.Delete(ctx, key)
}

var errOutage = errors.New("the store is out of reach")

// openFaulty returns sessions over a store that can be made to fail, and one session.
func openFaulty(t *testing.T) (*Manager, *faultyStore, *Session) {
	t.Helper()
	store := &faultyStore{Store: memory.New(memory.Config{})}
	m := openSessions(t, store, clock.Get())
	s := createSession(t, m, 1)
	return m, store, s
}

// O55: refreshes that could not begin or that ended leave room for others, however
// many they were.
func TestRefreshSlotsComeBack(t *testing.T) {
	m, store, s := openFaulty(t)
	for what, fails := range map[string]error{"that could not begin": errOutage, "that ended": nil} {
		store.lease = fails
		for range maxRefreshes + 1 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			lease, err := s.Acquire(ctx)
			cancel()
			if !errors.Is(err, fails) {
				t.Fatalf("refreshes %s leave room for none: %v", what, err)
			}
			if err != nil {
				if n := len(m.refreshes); n != 0 {
					t.Fatalf("%d refreshes %s count as under way", n, what)
				}
				continue
			}
			if len(m.refreshes) != 1 {
				t.Fatalf("%d refreshes count as under way, want 1", len(m.refreshes))
			}
			if err := lease.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(m.refreshes); n != 0 {
			t.Errorf("%d refreshes %s count as under way", n, what)
		}
	}
}

// A lease that could not be given back counts no longer all the same.
func TestRefreshSlotOfALeaseThatIsStuck(t *testing.T) {
	m, _, s := openFaulty(t)
	lease, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stuck := lease.(countedLease)
	stuck.Lease = stuckLease{stuck.Lease}
	if err := stuck.Release(t.Context()); !errors.Is(err, errOutage) {
		t.Errorf("Release: %v", err)
	}
	if n := len(m.refreshes); n != 0 {
		t.Errorf("%d refreshes count as under way", n)
	}
}

type stuckLease struct{ pkce.Lease }

func (stuckLease) Release(context.Context) error { return errOutage }

// R33, O55: a session counts once among those whose token is not saved, however
// often saving it fails, and no longer once it is saved, gone or given up.
func TestPendingSavesAreCounted(t *testing.T) {
	for name, settle := range map[string]func(t *testing.T, store *faultyStore, s *Session, old, next *pkce.Token){
		"saved": func(t *testing.T, store *faultyStore, s *Session, old, next *pkce.Token) {
			store.update = nil
			if _, err := s.Save(t.Context(), old, next); err != nil {
				t.Fatal(err)
			}
		},
		"gone": func(t *testing.T, store *faultyStore, s *Session, old, next *pkce.Token) {
			store.update = tokenstore.ErrNotFound
			if _, err := s.Save(t.Context(), old, next); !errors.Is(err, pkce.ErrGone) {
				t.Fatal(err)
			}
		},
		"given up": func(_ *testing.T, _ *faultyStore, s *Session, _, _ *pkce.Token) { s.Unpin() },
	} {
		t.Run(name, func(t *testing.T) {
			m, store, s := openFaulty(t)
			old := s.Auth.Current()
			for i := range maxPendingSaves + 1 {
				next := newToken(2+i, time.Now())
				store.update = errOutage
				s.Pin()
				for range 3 {
					if _, err := s.Save(t.Context(), old, next); !errors.Is(err, errOutage) {
						t.Fatalf("Save: %v", err)
					}
					if n := m.PendingSaves.Load(); n != 1 {
						t.Fatalf("%d sessions count as not saved, want 1", n)
					}
				}
				settle(t, store, s, old, next)
				if n := m.PendingSaves.Load(); n != 0 {
					t.Fatalf("%d sessions count as not saved, want none", n)
				}
				if name == "saved" {
					old = next
				}
				if name != "given up" {
					s.Unpin()
				}
			}
			store.update = nil
			if err := m.beginRefresh(t.Context()); err != nil {
				t.Errorf("no refresh begins any more: %v", err)
			}
			m.endRefresh()
		})
	}
}

// P47: that a session was used is noted every twentieth of its idle time, but every
// six hours at least, and for a key every hour.
func TestLastUseIsSavedNowAndThen(t *testing.T) {
	for _, c := range []struct {
		idle, every time.Duration
		key         bool
	}{
		{idle: time.Hour, every: 3 * time.Minute},
		{idle: 24 * time.Hour, every: 72 * time.Minute},
		{idle: 30 * 24 * time.Hour, every: 6 * time.Hour},
		{idle: 180 * 24 * time.Hour, every: 6 * time.Hour},
		{idle: 10 * time.Second, every: time.Second},
		{idle: 30 * 24 * time.Hour, every: time.Hour, key: true},
	} {
		t.Run(fmt.Sprintf("%s, key %v", c.idle, c.key), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := fakeclock.New(time.Now())
				store := memory.New(memory.Config{})
				m := openSessions(t, store, fake)
				m.idleSeconds, m.lifetimeSeconds = int64(c.idle/time.Second), int64(365*24*time.Hour/time.Second)
				s := m.newSession(tokenstore.NewSessionID(), Browser, Account{ID: "account"}, fake.Now().Unix(), fake.Now().Unix(), nil)
				if c.key {
					s = m.NewKey(Account{ID: "account"}, &KeyTerms{ExpiresAt: fake.Now().Add(c.idle).Unix()})
				}
				s.LastSeen.Store(fake.Now().Unix())
				s.savedSeen.Store(fake.Now().Unix())
				if err := m.Keep(t.Context(), s, newToken(1, fake.Now())); err != nil {
					t.Fatal(err)
				}
				saved := func() bool {
					m.Touch(s)
					synctest.Wait()
					return s.savedSeen.Load() == fake.Now().Unix()
				}
				for range 2 {
					fake.Advance(c.every - time.Second)
					if c.every > time.Second && saved() {
						t.Errorf("it was saved after %s", c.every-time.Second)
					}
					fake.Advance(time.Second)
					if !saved() {
						t.Errorf("it was not saved after %s", c.every)
					}
				}
				// Another instance learns of it.
				there := openSessions(t, store, fake)
				there.idleSeconds, there.lifetimeSeconds = m.idleSeconds, m.lifetimeSeconds
				got, err := there.find(t.Context(), s.ID, s.kind, fake.Now().Unix(), nil)
				if err != nil || got.LastSeen.Load() != fake.Now().Unix() {
					t.Errorf("elsewhere: %v", err)
				}
			})
		})
	}
}
