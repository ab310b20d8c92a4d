package keylock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore/internal/keylock"
)

func lock(t *testing.T, l *keylock.Locks, key string) (unlock func()) {
	t.Helper()
	unlock, err := l.Lock(t.Context(), key)
	if err != nil {
		t.Fatalf("Lock: %v", err)
	}
	return unlock
}

func TestOneHolderForEachKey(t *testing.T) {
	var l keylock.Locks
	var wg sync.WaitGroup
	counts := map[string]*int{"a": new(int), "b": new(int)}
	for key, n := range counts {
		for range 50 {
			wg.Go(func() {
				unlock := lock(t, &l, key)
				defer unlock()
				*n++ // the race detector sees whoever else is here
			})
		}
	}
	wg.Wait()
	for key, n := range counts {
		if *n != 50 {
			t.Errorf("%s: %d, want 50", key, *n)
		}
	}
	if l.Len() != 0 {
		t.Errorf("%d locks are left over", l.Len())
	}
}

func TestKeysAreIndependent(t *testing.T) {
	var l keylock.Locks
	a, b := lock(t, &l, "a"), lock(t, &l, "b")
	a()
	b()
}

func TestWaiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l keylock.Locks
		unlock := lock(t, &l, "a")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 1)
		go func() {
			_, err := l.Lock(ctx, "a")
			got <- err
		}()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("Lock did not wait: %v", err)
		default:
		}
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("Lock: %v, want context.Canceled", err)
		}
		unlock()
		lock(t, &l, "a")()
		if l.Len() != 0 {
			t.Errorf("%d locks are left over", l.Len())
		}
	})
}

// Who gives up leaves the lock to who holds it.
func TestGivingUpFreesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l keylock.Locks
		unlock := lock(t, &l, "a")
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := l.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock: %v, want context.DeadlineExceeded", err)
			}
			cancel()
		}
		unlock()
	})
}

func TestEndedContext(t *testing.T) {
	var l keylock.Locks
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock: %v, want context.Canceled", err)
	}
	if l.Len() != 0 {
		t.Errorf("%d locks are left over", l.Len())
	}
}
