package session

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// S30: however the wall clock is set, and whether or not the machine slept, a
// session that was ended elsewhere is served for less than twice revalidateAfter,
// by the clock that goes on.
func TestLogoutElsewhereAndTheClock(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, -time.Hour, -15 * time.Second, -5 * time.Second, -time.Second, 5 * time.Second, 30 * time.Minute} {
		for _, between := range []time.Duration{time.Second, 7 * time.Second, 19 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s, used every %s", jump, between), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { logoutAndJump(t, jump, between) })
			})
		}
	}
}

func logoutAndJump(t *testing.T, jump, between time.Duration) {
	fake := fakeclock.New(time.Now())
	store := &silentStore{Store: memory.New(memory.Config{Now: time.Now})}
	here, there := openSessions(t, store, fake), openSessions(t, store, fake)
	s := createSession(t, here, 1)
	if _, err := there.Get(t.Context(), s.ID.Cookie()); err != nil {
		t.Fatal(err)
	}
	fake.Jump(jump)
	if _, err := here.Remove(t.Context(), s.ID.Cookie(), EndLogout); err != nil {
		t.Fatal(err)
	}
	ended := fake.Monotonic()
	var err error
	for ; err == nil; fake.Advance(between) {
		served := fake.Monotonic() - ended
		_, err = there.Get(t.Context(), s.ID.Cookie())
		synctest.Wait() // for what it has asked in the background
		if err == nil && served >= 2*revalidateAfter {
			t.Fatalf("it is served %s after the logout", served)
		}
	}
	if !errors.Is(err, ErrNone) {
		t.Errorf("after the logout: %v", err)
	}
}

// A machine that slept wakes with a monotonic clock that stood still. What it has
// in memory is as old as the wall clock says.
func TestSessionsAfterASleep(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := &silentStore{Store: memory.New(memory.Config{})}
	here, there := openSessions(t, store, fake), openSessions(t, store, fake)
	s := createSession(t, here, 1)
	if _, err := there.Get(t.Context(), s.ID.Cookie()); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Remove(t.Context(), s.ID.Cookie(), EndLogout); err != nil {
		t.Fatal(err)
	}
	fake.Jump(30 * time.Minute)
	if _, err := there.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
		t.Errorf("after half an hour's sleep: %v", err)
	}
}

// After an outage of the store a session in use is confirmed within a second, also
// where the store tells of changes and the clock was set back.
func TestOutageAndTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := readLate(t, true)
		l.m.watched = true // and would say so, had it not been out of reach
		time.Sleep(StoreTimeout)
		if err := <-l.early; err != nil {
			t.Fatalf("during the outage: %v", err)
		}
		close(l.store.answer)
		fake := l.m.Clock.(*fakeclock.Clock)
		fake.Jump(-time.Hour)
		before := l.store.loads.Load()
		fake.Advance(retryAfterOutage)
		if err := <-l.ask(t); err != nil {
			t.Fatal(err)
		}
		if n := l.store.loads.Load() - before; n != 1 {
			t.Errorf("the store was asked %d times, want once", n)
		}
	})
}

// S30: a wall clock that is set back prolongs a session by what it was set back and
// no more, on the instance that has it in memory and on others.
func TestLimitsAndTheClock(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, -time.Hour, -time.Second, 0} {
		t.Run(jump.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := fakeclock.New(time.Now())
				store := &silentStore{Store: memory.New(memory.Config{Now: fake.Now})}
				here, there := openSessions(t, store, fake), openSessions(t, store, fake)
				s := createSession(t, here, 1)
				limit := time.Duration(s.ExpiresAt()-fake.Now().Unix()) * time.Second
				fake.Jump(jump)
				fake.Advance(limit - jump)
				for name, m := range map[string]*Manager{"memory": here, "store": there} {
					if _, err := m.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
						t.Errorf("%s after the limit and the jump: %v", name, err)
					}
				}
				synctest.Wait()
			})
		})
	}
}
