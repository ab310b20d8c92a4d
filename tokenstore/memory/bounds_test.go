package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func newKey() string { return tokenstore.NewSessionID().Key("memory") }

func create(t *testing.T, store *memory.Store, expires time.Time) (key string) {
	t.Helper()
	key = newKey()
	rec := &tokenstore.Record{Meta: tokenstore.Meta{ExpiresAt: expires}}
	if err := store.Create(t.Context(), key, rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return key
}

func wantGone(t *testing.T, store *memory.Store, key string, gone bool) {
	t.Helper()
	if _, err := store.Load(t.Context(), key); errors.Is(err, tokenstore.ErrNotFound) != gone {
		t.Errorf("Load: %v, want gone: %t", err, gone)
	}
}

// O55: a full store drops the session that would end soonest, and only that.
func TestFullStoreEvicts(t *testing.T) {
	clock := fakeclock.New(epoch)
	store := memory.New(memory.Config{MaxSessions: 3, Now: clock.Now})
	second := create(t, store, epoch.Add(2*time.Hour))
	first := create(t, store, epoch.Add(1*time.Hour))
	third := create(t, store, epoch.Add(3*time.Hour))

	create(t, store, epoch.Add(4*time.Hour))
	wantGone(t, store, first, true)
	wantGone(t, store, second, false)

	// Use puts a session's end off, and with it its turn.
	rec, err := store.Load(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	rec.ExpiresAt = epoch.Add(5 * time.Hour)
	if err := store.Update(t.Context(), second, rec); err != nil {
		t.Fatal(err)
	}
	create(t, store, epoch.Add(6*time.Hour))
	wantGone(t, store, second, false)
	wantGone(t, store, third, true)
}

// O55
func TestStoreIsBounded(t *testing.T) {
	clock := fakeclock.New(epoch)
	store := memory.New(memory.Config{MaxSessions: 100, Now: clock.Now})
	for i := range 1000 {
		create(t, store, epoch.Add(time.Duration(i%7)*time.Hour))
		if n := store.Len(); n > 100 {
			t.Fatalf("%d records are kept, want 100 at most", n)
		}
	}
	if n := store.Len(); n != 100 {
		t.Errorf("%d records are kept, want 100", n)
	}
}

// Expired records make room before any other has to go.
func TestExpiredGoFirst(t *testing.T) {
	clock := fakeclock.New(epoch)
	store := memory.New(memory.Config{MaxSessions: 2, Now: clock.Now})
	create(t, store, epoch.Add(time.Hour))
	live := create(t, store, epoch.Add(2*time.Hour))
	clock.Advance(time.Hour)
	create(t, store, epoch.Add(3*time.Hour))
	wantGone(t, store, live, false)
}

// Whoever uses a session that was evicted learns of it.
func TestEvictionIsReported(t *testing.T) {
	clock := fakeclock.New(epoch)
	store := memory.New(memory.Config{MaxSessions: 1, Now: clock.Now})
	ctx, cancel := context.WithCancel(t.Context())
	reports := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		store.Watch(ctx, func(key string) { reports <- key }, func() {})
	}()
	defer func() {
		cancel()
		<-done
	}()
	// Watch does not say when it has begun: evict until one is reported.
	evicted := map[string]bool{create(t, store, epoch.Add(time.Hour)): true}
	patience := time.After(20 * time.Second)
	for {
		evicted[create(t, store, epoch.Add(time.Hour))] = true
		select {
		case key := <-reports:
			if !evicted[key] {
				t.Errorf("report of %s, which was not evicted", tokenstore.Ref(key))
			}
			return
		case <-time.After(10 * time.Millisecond):
		case <-patience:
			t.Fatal("no eviction was reported")
		}
	}
}

// A watcher that falls far behind is told to start over, in bounded memory.
func TestSlowWatcher(t *testing.T) {
	store := memory.New(memory.Config{})
	peer := store.Peer()
	ctx, cancel := context.WithCancel(t.Context())
	entered, resume, lost := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		store.Watch(ctx, func(string) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-resume
		}, func() { lost <- struct{}{} })
	}()
	expires := time.Now().Add(time.Hour)
	patience := time.After(20 * time.Second)
	for waiting := true; waiting; {
		create(t, peer, expires)
		select {
		case <-entered:
			waiting = false
		case <-patience:
			t.Fatal("no change was reported")
		case <-time.After(10 * time.Millisecond):
		}
	}
	for range 10_001 {
		create(t, peer, expires)
	}
	close(resume)
	select {
	case <-lost:
	case <-patience:
		t.Error("the watcher was not told that it missed changes")
	}
	cancel()
	<-done
}
