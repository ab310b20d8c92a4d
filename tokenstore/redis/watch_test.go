package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

const lostTrack = "lost"

// watch starts a Watch that ends with the test. The channel yields changed keys,
// and lostTrack.
func watch(t *testing.T, store *redis.Store) <-chan string {
	t.Helper()
	events := make(chan string, 10_000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = store.Watch(ctx, func(key string) { events <- key }, func() { events <- lostTrack })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return events
}

// wantEvent waits for an event, which must be the one that is wanted.
func wantEvent(t *testing.T, events <-chan string, want string) {
	t.Helper()
	select {
	case got := <-events:
		if got != want {
			t.Errorf("reported %s, want %s", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("nothing reported, want %s", want)
	}
}

// watched makes sure that the watch has begun and that nothing has been reported
// but what is reported here: it has another instance change a record.
func watched(t *testing.T, events <-chan string, watcher, other *redis.Store) {
	t.Helper()
	key, _ := create(t, other)
	load(t, watcher, key)
	if err := other.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	// If the change came before the Watch began, Watch says that it missed something.
	select {
	case <-events:
	case <-time.After(20 * time.Second):
		t.Fatal("the watch reports nothing")
	}
}

// P47: the logout on one instance reaches the other, which learns of nothing else.
func TestWatchSeesOtherInstances(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, at(server)), open(t, at(server))
	events := watch(t, b)
	watched(t, events, b, a)

	updated, rec := create(t, a)
	deleted, _ := create(t, a)
	unloaded, _ := create(t, a)
	load(t, b, updated)
	load(t, b, deleted)
	if err := a.Delete(t.Context(), unloaded); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := a.Update(t.Context(), updated, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	wantEvent(t, events, updated)
	if err := a.Delete(t.Context(), deleted); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, deleted)
}

// What an instance created or updated it holds, without having loaded it: it must
// learn of the logout on another. Its own changes are not reported.
func TestWatchCoversOwnRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, at(server)), open(t, at(server))
	events := watch(t, a)
	watched(t, events, a, b)

	created, _ := create(t, a)
	if err := b.Delete(t.Context(), created); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, created)

	updated, _ := create(t, b)
	rec := load(t, a, updated)
	for range 3 {
		if err := a.Update(t.Context(), updated, rec); err != nil {
			t.Fatalf("Update: %v", err)
		}
	}
	if err := b.Delete(t.Context(), updated); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, updated)
	own, _ := create(t, a)
	if err := a.Delete(t.Context(), own); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	last, _ := create(t, a)
	if err := b.Delete(t.Context(), last); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, last)
}

// Leases come and go without anybody being told, and a walk watches nothing.
func TestWalkIsNotWatched(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, at(server)), open(t, at(server))
	for range 500 {
		create(t, a)
	}
	events := watch(t, b)
	n := 0
	for _, err := range b.Walk(t.Context()) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		n++
	}
	if n != 500 {
		t.Fatalf("walked over %d records, want 500", n)
	}
	key, _ := create(t, a)
	load(t, b, key)
	for entry := range a.Walk(t.Context()) {
		if entry.Key != key {
			if err := a.Delete(t.Context(), entry.Key); err != nil {
				t.Fatalf("Delete: %v", err)
			}
		}
	}
	lease := acquire(t, b, key)
	mustRelease(t, lease)
	mustRelease(t, acquire(t, a, key))
	if err := a.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, key)
}

// Whatever may have been missed is reported as lost: after the death of the
// server, when the database is emptied, and when nobody watched.
func TestWatchLosesTrack(t *testing.T) {
	t.Parallel()
	t.Run("restart", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		a, b := open(t, at(server)), open(t, at(server))
		events := watch(t, b)
		watched(t, events, b, a)
		server.Restart()
		wantEvent(t, events, lostTrack)
		// It goes on watching over a new connection.
		eventually(t, "b reads again", func() bool {
			_, err := b.Load(t.Context(), newKey())
			return isAnswer(err)
		})
		eventually(t, "a reads again", func() bool {
			_, err := a.Load(t.Context(), newKey())
			return isAnswer(err)
		})
		key, _ := create(t, a)
		load(t, b, key)
		if err := a.Delete(t.Context(), key); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		wantEvent(t, events, key)
	})
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		a, b := open(t, at(server)), open(t, at(server))
		events := watch(t, b)
		watched(t, events, b, a)
		server.Pause() // the connection dies without a word
		wantEvent(t, events, lostTrack)
		server.Resume()
	})
	t.Run("flush", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		a, b := open(t, at(server)), open(t, at(server))
		events := watch(t, b)
		watched(t, events, b, a)
		server.Do("FLUSHALL")
		wantEvent(t, events, lostTrack)
	})
	t.Run("unwatched", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		a, b := open(t, at(server)), open(t, at(server))
		key, _ := create(t, a)
		load(t, b, key)
		if err := a.Delete(t.Context(), key); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		// The report is on its way before the answer to this.
		if _, err := b.Load(t.Context(), newKey()); !isAnswer(err) {
			t.Fatalf("Load: %v", err)
		}
		wantEvent(t, watch(t, b), lostTrack)
	})
}
