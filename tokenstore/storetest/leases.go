package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var leaseTests = map[string]func(*testing.T, *suite){
	"LeaseIsExclusive":      testLeaseIsExclusive,
	"LeaseForOneRefresh":    testLeaseForOneRefresh,
	"LeaseWaitsForRelease":  testLeaseWaitsForRelease,
	"LeaseGivesUp":          testLeaseGivesUp,
	"LeaseOfOneKeyOnly":     testLeaseOfOneKeyOnly,
	"LeaseBlocksNoRecord":   testLeaseBlocksNoRecord,
	"LeaseReleasedAfterEnd": testLeaseReleasedAfterEnd,
}

func lease(t *testing.T, ctx context.Context, store tokenstore.Store, k string) tokenstore.Lease {
	t.Helper()
	l, err := store.Lease(ctx, k)
	if err != nil {
		t.Fatalf("Lease: %v", err)
	}
	return l
}

func release(t *testing.T, ctx context.Context, l tokenstore.Lease) {
	t.Helper()
	select {
	case <-l.Lost():
		t.Error("the lease was lost")
	default:
	}
	if err := l.Release(ctx); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// R28: one holder at a time, among the users of one instance and between instances.
func testLeaseIsExclusive(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	var holders atomic.Int32
	s.each(3, func(store tokenstore.Store, user int) {
		l, err := store.Lease(ctx, k)
		if err != nil {
			t.Errorf("user %d: Lease: %v", user, err)
			return
		}
		if n := holders.Add(1); n != 1 {
			t.Errorf("user %d: %d hold the lease", user, n)
		}
		// Touch the store, so that others have time to break in.
		if _, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("user %d: Load: %v, want ErrNotFound", user, err)
		}
		holders.Add(-1)
		release(t, ctx, l)
	})
}

// R28: the use that leases are for. Whoever finds, under the lease, that the
// record is still the one it knows refreshes it; the others find the new one.
func testLeaseForOneRefresh(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	known := load(t, ctx, s.b, k).Version
	var refreshes atomic.Int32
	s.each(3, func(store tokenstore.Store, user int) {
		l, err := store.Lease(ctx, k)
		if err != nil {
			t.Errorf("user %d: Lease: %v", user, err)
			return
		}
		defer release(t, ctx, l)
		rec, err := store.Load(ctx, k)
		if err != nil {
			t.Errorf("user %d: Load: %v", user, err)
			return
		}
		if rec.Version != known {
			return
		}
		refreshes.Add(1)
		if err := store.Update(ctx, k, rec); err != nil {
			t.Errorf("user %d: Update: %v", user, err)
		}
	})
	if n := refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func testLeaseWaitsForRelease(t *testing.T, s *suite) {
	for i, waiter := range s.Stores {
		ctx := s.context(t)
		k := key()
		held := lease(t, ctx, s.a, k)
		got := make(chan error, 1)
		var released atomic.Bool
		go func() {
			l, err := waiter.Lease(ctx, k)
			if err == nil {
				if !released.Load() {
					err = errors.New("leased before the release")
				}
				err = errors.Join(err, l.Release(ctx))
			}
			got <- err
		}()
		if _, err := waiter.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Load: %v, want ErrNotFound", err)
		}
		released.Store(true)
		release(t, ctx, held)
		if err := <-got; err != nil {
			t.Errorf("instance %d, waiting: %v", i, err)
		}
	}
}

func testLeaseGivesUp(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	held := lease(t, ctx, s.a, k)
	for i, store := range s.Stores {
		waiting, cancel := context.WithCancel(ctx)
		got := make(chan error, 1)
		go func() {
			_, err := store.Lease(waiting, k)
			got <- err
		}()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("instance %d: Lease: %v, want context.Canceled", i, err)
		}
		waiting, cancel = context.WithTimeout(ctx, 30*time.Millisecond)
		if _, err := store.Lease(waiting, k); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("instance %d: Lease: %v, want context.DeadlineExceeded", i, err)
		}
		cancel()
	}
	release(t, ctx, held)
	// Whoever gave up has left nothing behind that keeps others out.
	for _, store := range s.Stores {
		release(t, ctx, lease(t, ctx, store, k))
	}
}

func testLeaseOfOneKeyOnly(t *testing.T, s *suite) {
	ctx := s.context(t)
	var held []tokenstore.Lease
	for range 5 {
		for _, store := range s.Stores {
			held = append(held, lease(t, ctx, store, key()))
		}
	}
	for _, l := range held {
		release(t, ctx, l)
	}
}

// The holder saves through the lease, and a logout elsewhere does not wait for it.
func testLeaseBlocksNoRecord(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	held := lease(t, ctx, s.a, k)
	for i, store := range s.Stores {
		if err := store.Update(ctx, k, rec); err != nil {
			t.Errorf("instance %d: Update: %v", i, err)
		}
	}
	s.wantRecord(t, ctx, k, rec)
	if err := s.b.Delete(ctx, k); err != nil {
		t.Errorf("Delete: %v", err)
	}
	release(t, ctx, held)
}

// A client that hangs up must not leave its lease behind.
func testLeaseReleasedAfterEnd(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	for _, store := range s.Stores {
		request, cancel := context.WithCancel(ctx)
		held := lease(t, request, store, k)
		cancel()
		if err := held.Release(request); err != nil {
			t.Errorf("Release with an ended context: %v", err)
		}
	}
	release(t, ctx, lease(t, ctx, s.a, k))
}
