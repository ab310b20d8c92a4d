package caddyspotify

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// openPool returns a store as several sets of sessions of one process share it.
func openPool(store tokenstore.Store, clock *fakeclock.Clock) *pooledStore {
	meter := newStoreMeter("test", clock)
	return &pooledStore{Store: measured(store, meter), name: "test", meter: meter, opened: store}
}

// openOver returns sessions of an app over a store that others in the process share.
func (p *pooledStore) openOver(t *testing.T, clientID string, clock *fakeclock.Clock) *sessions {
	m := openSessions(t, p.Store, clock)
	m.namespace, m.keyNamespace = clientID, keyNamespace(clientID)
	p.join(m)
	return m
}

// P47: two sites with one app and one store that differ in one option have a set
// of sessions each, as do the old and the new config of a reload. A logout through
// one of them has ended the session in the other when it returns.
func TestLogoutReachesTheProcessesOtherSessions(t *testing.T) {
	for kind, store := range map[string]tokenstore.Store{
		"a store that tells of changes": memory.New(memory.Config{}),
		"a store that does not":         &silentStore{Store: memory.New(memory.Config{})},
	} {
		for what, end := range map[string]func(m *sessions, pool *pooledStore, s *session) error{
			"a logout": func(m *sessions, _ *pooledStore, s *session) error {
				_, err := m.remove(t.Context(), s.id.Cookie(), endLogout)
				return err
			},
			"another login": func(m *sessions, _ *pooledStore, s *session) error {
				_, err := m.replaceWith(t.Context(), s.id, newToken(2, time.Now()), account{ID: "another"})
				return err
			},
			"the end of the grant": func(_ *sessions, _ *pooledStore, s *session) error {
				return s.Delete(t.Context(), s.auth.Current())
			},
		} {
			t.Run(what+" in "+kind, func(t *testing.T) {
				fake := fakeclock.New(time.Now())
				pool := openPool(store, fake)
				one, two := pool.openOver(t, "client", fake), pool.openOver(t, "client", fake)
				s, err := one.create(t.Context(), newToken(1, fake.Now()), account{ID: "account"})
				if err != nil {
					t.Fatal(err)
				}
				fake.Advance(time.Second) // so that the login after it is told from it
				if _, err := two.get(t.Context(), s.id.Cookie()); err != nil {
					t.Fatal(err)
				}
				if err := end(one, pool, s); err != nil {
					t.Fatal(err)
				}
				if got, err := two.get(t.Context(), s.id.Cookie()); err == nil && got.account.ID != "another" || err != nil && !errors.Is(err, errNoSession) {
					t.Errorf("the other sessions have it still: %v", err)
				}
			})
		}
	}
}

// A token that one set of sessions has refreshed is the one that the others use.
func TestRefreshReachesTheProcessesOtherSessions(t *testing.T) {
	fake := fakeclock.New(time.Now())
	pool := openPool(memory.New(memory.Config{}), fake)
	one, two := pool.openOver(t, "client", fake), pool.openOver(t, "client", fake)
	first, second := newToken(1, fake.Now()), newToken(2, fake.Now())
	s, err := one.create(t.Context(), first, account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.get(t.Context(), s.id.Cookie()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), first, second); err != nil {
		t.Fatal(err)
	}
	if got, err := two.get(t.Context(), s.id.Cookie()); err != nil || !sameToken(got.auth.Current(), second) {
		t.Errorf("the other sessions have the token before: %v", err)
	}
}

// A change is told to the others alone, to those of the same app, and to nobody
// who is gone.
func TestPoolTellsWhomItConcerns(t *testing.T) {
	fake := fakeclock.New(time.Now())
	pool := openPool(memory.New(memory.Config{}), fake)
	one, two, gone := pool.openOver(t, "client", fake), pool.openOver(t, "client", fake), pool.openOver(t, "client", fake)
	foreign := pool.openOver(t, "another client", fake)
	if err := gone.Destruct(); err != nil {
		t.Fatal(err)
	}
	first := newToken(1, fake.Now())
	s, err := one.create(t.Context(), first, account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	before := make(map[*sessions]cacheEpoch)
	for _, m := range []*sessions{one, two, gone, foreign} {
		before[m] = m.cache.epoch(s.digest)
	}
	if _, err := s.Save(t.Context(), first, newToken(2, fake.Now())); err != nil {
		t.Fatal(err)
	}
	for m, told := range map[*sessions]bool{one: false, two: true, gone: false, foreign: false} {
		if got := m.cache.changed(s.digest, before[m]); got != told {
			t.Errorf("told: %v, want %v", got, told)
		}
	}
}
