package session

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// openSessions returns the sessions of an instance, over a store that others may
// share.
func openSessions(t *testing.T, store tokenstore.Store, c pkce.Clock) *Manager {
	m := New(config{clientID: "client", site: "https://site.example/spotify", idle: time.Hour, lifetime: 24 * time.Hour}, store,
		&pkce.Config{ClientID: "client", Clock: c}, c, zap.NewNop)
	t.Cleanup(func() { _ = m.Destruct() })
	return m
}

// newToken returns the i-th token, which lasts for a month.
func newToken(i int, now time.Time) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken: fmt.Sprintf("access-%d", i), RefreshToken: fmt.Sprintf("refresh-%d", i),
		Lifetime: 30 * 24 * time.Hour, Expiry: now.Add(30 * 24 * time.Hour),
	})
}

// createSession begins a session of an account with the i-th token.
func createSession(t *testing.T, m *Manager, i int) *Session {
	t.Helper()
	s, err := m.Create(t.Context(), newToken(i, m.Clock.Now()), Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// R38: noting that a session was used, with the token of a moment ago, does
// not undo a refresh that was saved meanwhile. The version that the process
// saw last is that of the refresh, so it alone would let the write pass.
func TestLateTouchKeepsTheNewToken(t *testing.T) {
	m := openSessions(t, memory.New(memory.Config{}), clock.Get())
	first := newToken(1, time.Now())
	s, err := m.Create(context.Background(), first, Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	second := newToken(2, time.Now())
	if _, err := s.Save(context.Background(), first, second); err != nil {
		t.Fatal(err)
	}
	for range 2 { // whether or not this process knows what is stored
		current, err := s.replace(context.Background(), first, first)
		if err != nil || !sameToken(current, second) {
			t.Errorf("the late write came to %v: %v", current, err)
		}
		stored, err := s.fetch(context.Background())
		if err != nil || !sameToken(stored, second) {
			t.Fatalf("the newer token was overwritten: %v", err)
		}
	}
}
