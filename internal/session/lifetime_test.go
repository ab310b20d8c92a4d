package session

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// A session that is not used for too long is over, in memory and in the store,
// also where the store has not dropped it yet.
func TestSessionPastItsTime(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := memory.New(memory.Config{})
	m := openSessions(t, store, fake)
	s := createSession(t, m, 1)
	idle := time.Duration(m.idleSeconds) * time.Second
	fake.Advance(idle - time.Second)
	if _, err := m.Get(t.Context(), s.ID.Cookie()); err != nil {
		t.Fatalf("a second before its end: %v", err)
	}
	fake.Advance(time.Second)
	for name, by := range map[string]*Manager{"in memory": m, "in the store": openSessions(t, store, fake)} {
		if _, err := by.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
			t.Errorf("past its time and %s: %v, want ErrNone", name, err)
		}
	}
}

// A session that has ended is not found for as long as it takes to drop it.
func TestEndedSessionIsNotFound(t *testing.T) {
	fake := fakeclock.New(time.Now())
	m := openSessions(t, memory.New(memory.Config{}), fake)
	s := createSession(t, m, 1)
	s.Auth.End()
	if _, err := m.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
		t.Errorf("an ended session: %v, want ErrNone", err)
	}
}
