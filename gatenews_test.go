package caddyspotify

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// newsBoard counts the readings of a store, and can fail them.
type newsBoard struct {
	*memory.Store
	reads atomic.Int64
	down  atomic.Bool
}

func (b *newsBoard) Read(ctx context.Context, key string) ([]byte, time.Duration, error) {
	defer b.reads.Add(1)
	if b.down.Load() {
		return nil, 0, errors.New("the store is down")
	}
	return b.Store.Read(ctx, key)
}

// newsInstance is what one instance has of the gate.
type newsInstance struct {
	t     *testing.T
	clock *fakeclock.Clock
	board *newsBoard
	*gateNews
}

func newNewsInstance(t *testing.T, clock *fakeclock.Clock, store *memory.Store) *newsInstance {
	t.Helper()
	board := &newsBoard{Store: store}
	m := newSessions(sessionsConfig{clientID: "client"}, board, new(pkce.Config), clock, zap.NewNop)
	t.Cleanup(func() {
		if err := m.Destruct(); err != nil {
			t.Error(err)
		}
	})
	return &newsInstance{t: t, clock: clock, board: board, gateNews: newGateNews(m, ratelimit.New(clock), board)}
}

// look has the instance see a request, and waits until it has looked.
func (in *newsInstance) look() {
	in.t.Helper()
	seen := in.board.reads.Load()
	in.use()
	in.clock.Advance(newsEvery)
	// It may have gone back to sleep, too: the clock was moved for a request of
	// before.
	wait(in.t, func() bool {
		return in.board.reads.Load() > seen && (in.clock.Timers() > 0 || !in.awake.Load())
	})
}

// wait waits until a condition holds.
func wait(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestGateClosesOnAllInstances(t *testing.T) {
	clock := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: clock.Now})
	one, two := newNewsInstance(t, clock, store), newNewsInstance(t, clock, store.Peer())
	two.look()
	if until, _ := two.gate.Snapshot(); !until.IsZero() {
		t.Fatal("closed for no reason")
	}
	if moved := one.gate.Report(one.gate.Admit("a"), http.StatusTooManyRequests, "60", true); moved != ratelimit.Closed {
		t.Fatal("the gate did not close")
	}
	one.post()
	wait(t, func() bool { note, _, _ := store.Read(t.Context(), one.key); return note != nil })
	two.look()
	want, _ := one.gate.Snapshot()
	until, why := two.gate.Snapshot()
	if until.Sub(want).Abs() > time.Second || why != reason.QuotaExceeded {
		t.Errorf("closed until %v because of %q, want %v", until, why, want)
	}
	if two.gate.Admit("b").Admitted {
		t.Error("the other instance still sends requests")
	}
	// When the time is up, the note is gone and keeps nobody from trying.
	clock.Advance(time.Minute)
	two.look()
	if d := two.gate.Admit("b"); !d.Admitted || two.gate.Report(d, http.StatusOK, "", false) != ratelimit.Opened {
		t.Error("the gate does not open again")
	}
	two.look()
	if until, _ := two.gate.Snapshot(); !until.IsZero() {
		t.Error("old news closed the gate again")
	}
}

// Nobody looks while nothing happens, and those who do look once in a while.
func TestNewsAreReadWhileThereAreRequests(t *testing.T) {
	clock := fakeclock.New(time.Now())
	in := newNewsInstance(t, clock, memory.New(memory.Config{Now: clock.Now}))
	if clock.Advance(time.Minute); in.board.reads.Load() != 0 {
		t.Fatal("it looked before there was a request")
	}
	in.use()
	wait(t, func() bool { return in.board.reads.Load() == 1 && clock.Timers() > 0 })
	for range 100 {
		in.use()
	}
	if n := in.board.reads.Load(); n != 1 {
		t.Errorf("%d readings at once", n)
	}
	clock.Advance(newsEvery)
	wait(t, func() bool { return in.board.reads.Load() == 2 && clock.Timers() > 0 })
	clock.Advance(newsEvery)
	wait(t, func() bool { return !in.awake.Load() })
	if n := in.board.reads.Load(); n != 2 {
		t.Errorf("%d readings, though nobody asked", n)
	}
	in.use()
	wait(t, func() bool { return in.board.reads.Load() == 3 })
}

// What cannot be read, or makes no sense, closes nothing.
func TestNewsThatSayNothing(t *testing.T) {
	clock := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: clock.Now})
	in := newNewsInstance(t, clock, store)
	in.board.down.Store(true)
	in.look()
	in.board.down.Store(false)
	for i, note := range []string{"", "forbidden x", "rate_limited " + in.self} {
		if err := store.Post(t.Context(), in.key, []byte(note), time.Hour+time.Duration(i)*time.Minute); err != nil {
			t.Fatal(err)
		}
		in.look()
		if until, _ := in.gate.Snapshot(); !until.IsZero() {
			t.Errorf("%q closed the gate", note)
		}
	}
	// A note lasts for as long as it says; the gate is closed for a day at most.
	if err := store.Post(t.Context(), in.key, []byte("rate_limited other"), 1000*time.Hour); err != nil {
		t.Fatal(err)
	}
	in.look()
	if until, _ := in.gate.Snapshot(); until.IsZero() || until.Sub(clock.Now()) > ratelimit.MaxClosed {
		t.Errorf("closed until %v", until)
	}
	var none *gateNews // of a store that carries no news
	none.use()
	none.post()
	if newGateNews(in.sessions, in.gate, struct{ tokenstore.Store }{store}) != nil {
		t.Error("a store without a bulletin has one")
	}
}
