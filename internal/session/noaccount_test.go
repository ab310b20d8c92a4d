package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// L24: a session without an account neither begins nor is found, should an earlier
// version have stored one: nobody could end it by its account.
func TestNoSessionWithoutAccount(t *testing.T) {
	m := openSessions(t, memory.New(memory.Config{}), clock.Get())
	token := newToken(1, time.Now())
	if _, err := m.Create(context.Background(), token, Account{DisplayName: "Mira"}); !errors.Is(err, errNoAccount) {
		t.Errorf("it began: %v", err)
	}
	now := time.Now().Unix()
	for _, c := range []struct {
		account string
		want    error
	}{{"", ErrNone}, {"mira", nil}} {
		s := m.newSession(tokenstore.NewSessionID(), Browser, Account{ID: c.account}, now, now, nil)
		s.LastSeen.Store(now)
		rec, err := s.record(token)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.store.Create(context.Background(), s.Key(), rec); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Get(context.Background(), s.ID.Cookie()); !errors.Is(err, c.want) {
			t.Errorf("account %q: %v, want %v", c.account, err, c.want)
		}
	}
}
