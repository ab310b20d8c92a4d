package session

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// The owner connects again through another instance: this one lets go of the
// session it has and finds the new one, with the new consent's dates.
func TestReplacedElsewhere(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := memory.New(memory.Config{})
	here, there := openSessions(t, store, fake), openSessions(t, store, fake)
	here.watched, there.watched = false, false
	id := tokenstore.NewSessionID()
	ctx := t.Context()

	first, second := newToken(1, fake.Now()), newToken(2, fake.Now())
	if _, err := here.ReplaceShared(ctx, id, first, Account{ID: "account"}); err != nil {
		t.Fatal(err)
	}
	fake.Advance(time.Minute)
	if _, err := there.ReplaceShared(ctx, id, second, Account{ID: "account"}); err != nil {
		t.Fatal(err)
	}
	old, ok := here.Cache.get(id, Shared)
	if !ok {
		t.Fatal("the first session is not in memory")
	}
	// A late save of the first login's refresh does not touch the second's record.
	if _, err := old.Save(ctx, first, newToken(3, fake.Now())); !errors.Is(err, pkce.ErrGone) {
		t.Errorf("saving the replaced session: %v", err)
	}
	if err := old.Delete(ctx, first); err != nil {
		t.Errorf("deleting the replaced session: %v", err)
	}
	if _, err := here.find(ctx, id, Shared, fake.Now().Unix(), nil); !errors.Is(err, ErrNone) {
		t.Errorf("the replaced session: %v", err)
	}
	s, err := here.find(ctx, id, Shared, fake.Now().Unix(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !sameToken(s.Auth.Current(), second) || s.authorizedAt.Load() != fake.Now().Unix() {
		t.Error("the session is not that of the second login")
	}
}
