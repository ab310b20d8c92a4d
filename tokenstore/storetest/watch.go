package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var watchTests = map[string]func(*testing.T, *suite){
	"Watch":         testWatch,
	"WatchExpiry":   testWatchExpiry,
	"WatchEnds":     testWatchEnds,
	"WatchByTwo":    testWatchByTwo,
	"WatchUnloaded": testWatchUnloaded,
}

// watching is a Watch in progress.
type watching struct {
	store tokenstore.Store
	mu    sync.Mutex
	seen  map[string]bool
	news  chan struct{}
}

// watch starts a Watch of store and returns once changes arrive.
func (s *suite) watch(t *testing.T, ctx context.Context, store tokenstore.Store) *watching {
	t.Helper()
	w := &watching{store: store, seen: make(map[string]bool), news: make(chan struct{}, 1)}
	var busy atomic.Bool
	enter := func() (leave func()) {
		if !busy.CompareAndSwap(false, true) {
			t.Error("Watch makes two calls at once")
		}
		return func() { busy.Store(false) }
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := store.(tokenstore.Watcher).Watch(ctx, func(k string) {
			defer enter()()
			w.mu.Lock()
			w.seen[k] = true
			w.mu.Unlock()
			select {
			case w.news <- struct{}{}:
			default:
			}
		}, func() { defer enter()() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v, want context.Canceled", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})

	// Watch does not say when it has begun: change something until it is seen.
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	for {
		load(t, ctx, store, k)
		if err := s.a.Update(ctx, k, rec); err != nil {
			t.Fatalf("Update: %v", err)
		}
		if w.within(ctx, k, 50*time.Millisecond) {
			return w
		}
		if ctx.Err() != nil {
			t.Fatal("Watch does not report an update by another instance")
		}
	}
}

// within reports whether a change of k was seen before d or ctx ends.
func (w *watching) within(ctx context.Context, k string, d time.Duration) bool {
	over := time.After(d)
	for {
		w.mu.Lock()
		seen := w.seen[k]
		delete(w.seen, k)
		w.mu.Unlock()
		if seen {
			return true
		}
		select {
		case <-w.news:
		case <-over:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (w *watching) wants(t *testing.T, ctx context.Context, k, what string) {
	t.Helper()
	if !w.within(ctx, k, patience) {
		t.Errorf("Watch did not report a record that another instance %s", what)
	}
}

func testWatch(t *testing.T, s *suite) {
	ctx := s.context(t)
	w := s.watch(t, ctx, s.b)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	load(t, ctx, s.b, k)
	if err := s.a.Update(ctx, k, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	w.wants(t, ctx, k, "updated")
	if got := load(t, ctx, s.b, k); got.Version != rec.Version {
		t.Errorf("loaded version %q after the report, want %q", got.Version, rec.Version)
	}
	// The load has renewed the interest: the next change is reported as well.
	if err := s.a.Delete(ctx, k); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	w.wants(t, ctx, k, "deleted")
	if _, err := s.b.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load after the report: %v, want ErrNotFound", err)
	}
}

func testWatchExpiry(t *testing.T, s *suite) {
	ctx := s.context(t)
	w := s.watch(t, ctx, s.b)
	life := s.shortLife()
	k := s.create(t, ctx, s.record(life))
	load(t, ctx, s.b, k)
	s.pass(life)
	if sweeper, ok := s.a.(tokenstore.Sweeper); ok {
		for range enoughSweeps {
			if _, err := sweeper.Sweep(ctx); err != nil {
				t.Fatalf("Sweep: %v", err)
			}
		}
	}
	w.wants(t, ctx, k, "let expire")
}

// Watch returns when its context ends; the store goes on.
func testWatchEnds(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(s.context(t))
	cancel()
	if err := s.a.(tokenstore.Watcher).Watch(ctx, func(string) {}, func() {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch: %v, want context.Canceled", err)
	}
	rec := s.record(time.Hour)
	s.wantRecord(t, s.context(t), s.create(t, s.context(t), rec), rec)
}

// Two can watch one instance.
func testWatchByTwo(t *testing.T, s *suite) {
	ctx := s.context(t)
	one, two := s.watch(t, ctx, s.b), s.watch(t, ctx, s.b)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	load(t, ctx, s.b, k)
	if err := s.a.Update(ctx, k, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	one.wants(t, ctx, k, "updated (first watcher)")
	two.wants(t, ctx, k, "updated (second watcher)")
}

// Changes of many records that nobody loaded do not hide the one that matters.
func testWatchUnloaded(t *testing.T, s *suite) {
	ctx := s.context(t)
	w := s.watch(t, ctx, s.b)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	load(t, ctx, s.b, k)
	for range 100 {
		other := s.record(time.Hour)
		if err := s.a.Delete(ctx, s.create(t, ctx, other)); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if err := s.a.Update(ctx, k, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	w.wants(t, ctx, k, "updated")
}
