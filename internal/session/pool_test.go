package session

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// openPool returns a store as several sets of sessions of one process share it.
func openPool(store tokenstore.Store, clock *fakeclock.Clock) *Store {
	meter := telemetry.NewStoreMeter("test", clock)
	return &Store{Store: telemetry.Measured(store, meter), Name: "test", meter: meter, opened: store}
}

// openOver returns sessions of an app over a store that others in the process share.
func (p *Store) openOver(t *testing.T, clientID string, clock *fakeclock.Clock) *Manager {
	m := openSessions(t, p.Store, clock)
	m.Namespace, m.namespaces = clientID, namespacesOf(clientID)
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
		for what, end := range map[string]func(m *Manager, pool *Store, s *Session) error{
			"a logout": func(m *Manager, _ *Store, s *Session) error {
				_, err := m.Remove(t.Context(), s.ID.Cookie(), EndLogout)
				return err
			},
			"another login": func(m *Manager, _ *Store, s *Session) error {
				_, err := m.ReplaceShared(t.Context(), s.ID, newToken(2, time.Now()), Account{ID: "another"})
				return err
			},
			"the end of the grant": func(_ *Manager, _ *Store, s *Session) error {
				return s.Delete(t.Context(), s.Auth.Current())
			},
		} {
			t.Run(what+" in "+kind, func(t *testing.T) {
				fake := fakeclock.New(time.Now())
				pool := openPool(store, fake)
				one, two := pool.openOver(t, "client", fake), pool.openOver(t, "client", fake)
				of := Browser
				if what == "another login" {
					of = Shared // others get an id of their own at each login
				}
				s, err := one.createAs(t.Context(), tokenstore.NewSessionID(), of, newToken(1, fake.Now()), Account{ID: "account"})
				if err != nil {
					t.Fatal(err)
				}
				fake.Advance(time.Second) // so that the login after it is told from it
				if _, err := two.find(t.Context(), s.ID, of, fake.Now().Unix(), nil); err != nil {
					t.Fatal(err)
				}
				if err := end(one, pool, s); err != nil {
					t.Fatal(err)
				}
				if got, err := two.find(t.Context(), s.ID, of, fake.Now().Unix(), nil); err == nil && got.Account.ID != "another" || err != nil && !errors.Is(err, ErrNone) {
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
	s, err := one.Create(t.Context(), first, Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Get(t.Context(), s.ID.Cookie()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), first, second); err != nil {
		t.Fatal(err)
	}
	if got, err := two.Get(t.Context(), s.ID.Cookie()); err != nil || !sameToken(got.Auth.Current(), second) {
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
	s, err := one.Create(t.Context(), first, Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	before := make(map[*Manager]cacheEpoch)
	for _, m := range []*Manager{one, two, gone, foreign} {
		before[m] = m.Cache.epoch(s.digest)
	}
	if _, err := s.Save(t.Context(), first, newToken(2, fake.Now())); err != nil {
		t.Fatal(err)
	}
	for m, told := range map[*Manager]bool{one: false, two: true, gone: false, foreign: false} {
		if got := m.Cache.changed(s.digest, before[m]); got != told {
			t.Errorf("told: %v, want %v", got, told)
		}
	}
}
