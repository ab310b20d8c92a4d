package session

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// L19, S29: a session that a new login has replaced does not outlive the new one,
// however that ends.
func TestReplacedSessionEndsWithItsSuccessor(t *testing.T) {
	fake := fakeclock.New(time.Now())
	m := openSessions(t, memory.New(memory.Config{}), fake)
	create := func(i int) *Session {
		s := createSession(t, m, i)
		return s
	}
	old, by := create(1), create(2)
	if err := m.Replace(t.Context(), old.ID.Cookie(), by); err != nil {
		t.Fatal(err)
	}
	if s, err := m.Get(t.Context(), old.ID.Cookie()); s != old || err != nil {
		t.Fatalf("a tab with the old cookie: %v", err)
	}
	m.forgetKey(by.Key()) // as an operator does
	if _, err := m.Get(t.Context(), old.ID.Cookie()); !errors.Is(err, ErrNone) {
		t.Errorf("after the end of its successor: %v, want ErrNone", err)
	}
}
