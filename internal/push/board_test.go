package push

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func testBoard(store tokenstore.Store, clock *fakeclock.Clock, key, account string) *board {
	return &board{store: store, now: clock.Now, secret: secret.New(key, nil, "events", ""), names: []string{"client", "https://a.example", "/spotify", account}}
}

func read(t *testing.T, b *board, polls bool) player.Reading {
	t.Helper()
	r, err := b.Read(t.Context(), polls)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return r
}

func post(t *testing.T, b *board, n player.Notice) string {
	t.Helper()
	version, err := b.Post(t.Context(), n)
	if err != nil {
		t.Fatalf("Post: %v", err)
	}
	return version
}

// Q07: what one instance posts another reads, whichever of them posts, and only once
// somebody reads is anything to be posted.
func TestBoard(t *testing.T) {
	const key = "a secret of thirty-two characters"
	clock := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: clock.Now})
	one, two := testBoard(store, clock, key, "mira"), testBoard(store, clock, key, "mira")
	if r := read(t, one, true); r.Others || r.Version != "" {
		t.Errorf("alone: %+v", r)
	}
	if r := read(t, two, false); r.Version != "" {
		t.Errorf("before the first: %+v", r)
	}
	if r := read(t, one, true); !r.Others {
		t.Error("the reader is not seen")
	}
	n := player.Notice{ID: "1", Observed: 1, Posted: 2, Body: []byte(`{"is_playing":true}`), View: player.View{Whole: true}}
	version := post(t, one, n)
	r := read(t, two, false)
	if r.Version != version || r.ID != "1" || !bytes.Equal(r.Body, n.Body) || !r.View.Whole {
		t.Errorf("read %+v", r)
	}
	// The other one posts, and then the first again, which has not read that.
	n.ID = "2"
	version = post(t, two, n)
	if r := read(t, one, true); r.Version != version || r.ID != "2" {
		t.Errorf("read %+v", r)
	}
	n.ID = "3"
	post(t, two, n)
	n.ID = "4"
	post(t, one, n)
	if r := read(t, two, false); r.ID != "4" {
		t.Errorf("read %+v", r)
	}

	// Others see nothing of it: another account, another secret.
	for name, b := range map[string]*board{
		"another account": testBoard(store, clock, key, "jonas"),
		"another secret":  testBoard(store, clock, "another secret of thirty-two or so", "mira"),
	} {
		if r := read(t, b, false); r.Version != "" {
			t.Errorf("%s reads %+v", name, r)
		}
	}
	// Nor does who has the store.
	for entry, err := range store.Walk(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.Load(t.Context(), entry.Key)
		if err != nil {
			t.Fatal(err)
		}
		if entry.Kind != tokenstore.KindNotice || entry.AccountID != "" || bytes.Contains(rec.Sealed, []byte("is_playing")) {
			t.Errorf("the store shows %+v", entry)
		}
		if rec.ExpiresAt.Sub(clock.Now()) > noticeLife {
			t.Errorf("it stays for %v", rec.ExpiresAt.Sub(clock.Now()))
		}
	}

	// What nobody replaces goes, and a reader that is gone is forgotten.
	clock.Advance(noticeLife + time.Second)
	if r := read(t, one, true); r.Others || r.Version != "" {
		t.Errorf("after ten minutes: %+v", r)
	}
	post(t, one, n)
	if err := one.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := read(t, two, false); r.Version != "" {
		t.Errorf("after it was cleared: %+v", r)
	}
}

// Q07: one instance has the lease, and the next gets it once that is released.
func TestLease(t *testing.T) {
	const key = "a secret of thirty-two characters"
	clock := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: clock.Now})
	one, two := testBoard(store, clock, key, "mira"), testBoard(store, clock, key, "mira")
	lease, err := one.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Lease(t.Context()); !errors.Is(err, player.ErrLeased) {
		t.Errorf("a second lease: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := two.Lease(gone); err == nil || errors.Is(err, player.ErrLeased) {
		t.Errorf("after the caller has gone: %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lease, err = two.Lease(t.Context()); err != nil {
		t.Fatalf("after the release: %v", err)
	}
	_ = lease.Release(t.Context())
}
