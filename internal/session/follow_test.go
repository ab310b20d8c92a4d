package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// signalled reports whether a channel has been signalled.
func signalled(ch <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Q08: whoever follows a session hears of its end, and of no other's, and asks what has
// become of it.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		m := openSessions(t, memory.New(memory.Config{Now: fake.Now}), fake)
		s, other := createSession(t, m, 1), createSession(t, m, 2)
		ended, stop := m.Follow(s)
		also, stopAlso := m.Follow(s)
		goesOn, stopOther := m.Follow(other)
		if now, err := m.Current(t.Context(), s, nil); err != nil || now != s {
			t.Errorf("Current: %v, %v", now, err)
		}
		if _, err := m.Remove(t.Context(), s.ID.Cookie(), EndLogout); err != nil {
			t.Fatal(err)
		}
		if !signalled(ended) || !signalled(also) {
			t.Error("the followers are not told of the logout")
		}
		if signalled(goesOn) {
			t.Error("the followers of another session are told")
		}
		if _, err := m.Current(t.Context(), s, nil); !errors.Is(err, ErrNone) {
			t.Errorf("Current after the logout: %v", err)
		}
		m.lost()
		if !signalled(goesOn) {
			t.Error("the followers are not told that changes may have been missed")
		}
		for _, f := range []func(){stop, stopAlso, stopOther} {
			f()
		}
		if n := len(m.followers.of); n != 0 {
			t.Errorf("%d sessions are followed after all have stopped", n)
		}
	})
}

// Q08: where the store does not tell of changes it is asked each time, so that no event
// follows a logout on another instance.
func TestCurrentAsksASilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		store := &silentStore{Store: memory.New(memory.Config{Now: fake.Now})}
		here, there := openSessions(t, store, fake), openSessions(t, store, fake)
		s := createSession(t, here, 1)
		listening, err := there.Get(t.Context(), s.ID.Cookie())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := there.Current(t.Context(), listening, nil); err != nil {
			t.Errorf("Current: %v", err)
		}
		if _, err := here.Remove(t.Context(), s.ID.Cookie(), EndLogout); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Current(t.Context(), listening, nil); !errors.Is(err, ErrNone) {
			t.Errorf("Current right after a logout on another instance: %v", err)
		}
	})
}

// Q08: a stream of a session that a new login has replaced is told that there is another
// one.
func TestCurrentOfAReplacedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		m := openSessions(t, memory.New(memory.Config{Now: fake.Now}), fake)
		s, by := createSession(t, m, 1), createSession(t, m, 2)
		changed, stop := m.Follow(s)
		defer stop()
		if err := m.Replace(t.Context(), s.ID.Cookie(), by); err != nil {
			t.Fatal(err)
		}
		if !signalled(changed) {
			t.Error("the followers are not told")
		}
		if _, err := m.Current(t.Context(), s, nil); !errors.Is(err, ErrReplaced) {
			t.Errorf("Current: %v", err)
		}
		if _, err := m.Current(t.Context(), by, nil); err != nil {
			t.Errorf("Current of the new one: %v", err)
		}
	})
}
