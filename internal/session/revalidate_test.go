package session

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// silentStore is a store that cannot tell of changes, and counts how often it is
// asked.
type silentStore struct {
	tokenstore.Store
	loads atomic.Int32
}

func (s *silentStore) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, key)
}

// P47: where the store cannot tell of changes, a session that was ended on one
// instance is served for twenty seconds more at most on another, be it in use
// there or idle. Until then a session in use costs one look every ten seconds.
func TestLogoutElsewhereCountsInTime(t *testing.T) {
	for name, between := range map[string]time.Duration{
		"in use": time.Second, "used now and then": 7 * time.Second, "idle": 20 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { logoutElsewhere(t, between) })
		})
	}
}

// logoutElsewhere ends a session that is used on another instance from time to time.
func logoutElsewhere(t *testing.T, between time.Duration) {
	fake := fakeclock.New(time.Now())
	store := &silentStore{Store: memory.New(memory.Config{Now: fake.Now})}
	here, there := openSessions(t, store, fake), openSessions(t, store, fake)
	ctx := t.Context()
	s, err := here.Create(ctx, newToken(1, fake.Now()), Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	cookie := s.ID.Cookie()
	use := func() error {
		_, err := there.Get(ctx, cookie)
		synctest.Wait() // for what it has asked in the background
		return err
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	before := store.loads.Load()
	const watched = 5 * time.Minute
	for began := fake.Now(); fake.Now().Sub(began) < watched; fake.Advance(between) {
		if err := use(); err != nil {
			t.Fatal(err)
		}
	}
	if n, most := store.loads.Load()-before, int32(watched/revalidateAfter); n > most {
		t.Errorf("the store was asked %d times in %s, want %d at most", n, watched, most)
	}

	if err := use(); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Remove(ctx, cookie, EndLogout); err != nil {
		t.Fatal(err)
	}
	ended := fake.Now()
	for err = nil; err == nil; err = use() {
		if fake.Now().Sub(ended) >= 20*time.Second {
			t.Fatalf("it is served %s after the logout", fake.Now().Sub(ended))
		}
		fake.Advance(between)
	}
	if !errors.Is(err, ErrNone) {
		t.Errorf("after the logout: %v", err)
	}
}
