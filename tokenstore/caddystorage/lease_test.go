package caddystorage_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

func lease(t *testing.T, store *caddystorage.Store, key string) tokenstore.Lease {
	t.Helper()
	l, err := store.Lease(t.Context(), key)
	if err != nil {
		t.Fatalf("Lease: %v", err)
	}
	return l
}

func isLost(l tokenstore.Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

// R29: a lease is renewed for as long as it is held, at intervals well below
// what each renewal is good for, and no longer.
func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last atomic.Pointer[time.Time]
		var renewals atomic.Int32
		shared := newFakeStorage()
		storage := renewing{shared.handle(), func(name string, d time.Duration) error {
			if names := shared.lockNames(); len(names) != 1 || names[0] != name {
				t.Errorf("renewal of %q while %q are held", name, names)
			}
			now := time.Now()
			if before := last.Load(); before != nil && now.Sub(*before) > d/2 {
				t.Errorf("renewed for %v only after %v", d, now.Sub(*before))
			}
			last.Store(&now)
			renewals.Add(1)
			return nil
		}}
		key := newKey()
		l := lease(t, open(t, storage, caddystorage.Config{}), key)
		synctest.Wait()
		if renewals.Load() != 1 {
			t.Error("the lease was not renewed at once: nobody knows for how long it was locked")
		}
		time.Sleep(5 * time.Minute)
		if n := renewals.Load(); n < 10 {
			t.Errorf("%d renewals in five minutes", n)
		}
		if isLost(l) {
			t.Error("the lease is lost")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		n := renewals.Load()
		time.Sleep(5 * time.Minute)
		if renewals.Load() != n {
			t.Error("a lease was renewed after its release")
		}
		if names := shared.lockNames(); len(names) != 0 {
			t.Errorf("locks are left over: %q", names)
		}
	})
}

// R29: one renewal that fails does not cost the lease.
func TestLeaseSurvivesOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		storage := renewing{newFakeStorage().handle(), func(string, time.Duration) error {
			if calls.Add(1)%2 == 0 {
				return errDown
			}
			return nil
		}}
		l := lease(t, open(t, storage, caddystorage.Config{}), newKey())
		time.Sleep(5 * time.Minute)
		if isLost(l) {
			t.Error("the lease is lost")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}

// A lease that cannot be renewed is lost before another can have it, and its
// release leaves the lock to whoever has it by then.
func TestLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var lockedUntil atomic.Pointer[time.Time]
		shared := newFakeStorage()
		storage := renewing{shared.handle(), func(_ string, d time.Duration) error {
			if failing.Load() {
				return errDown
			}
			until := time.Now().Add(d)
			lockedUntil.Store(&until)
			return nil
		}}
		store := open(t, storage, caddystorage.Config{})
		key := newKey()
		l := lease(t, store, key)
		time.Sleep(time.Minute)
		failing.Store(true)
		<-l.Lost()
		if left := time.Until(*lockedUntil.Load()); left < 5*time.Second {
			t.Errorf("the loss was noticed %v before the lock was free; that leaves no time to stop", left)
		}

		// The storage gives the lock to another process.
		other := shared.handle()
		name := shared.lockNames()[0]
		if err := other.Unlock(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		held := lease(t, open(t, other, caddystorage.Config{}), key)
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release of a lost lease: %v", err)
		}
		if names := shared.lockNames(); len(names) != 1 {
			t.Errorf("the release of a lost lease took the lock from its new holder: %q are held", names)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}

// Who waits in this process does not ask the storage, and gives up when told to.
func TestLeaseWaitsInProcessFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newFakeStorage().handle()
		store := open(t, storage, caddystorage.Config{})
		key := newKey()
		l := lease(t, store, key)
		storage.down.Store(true) // to ask is to fail
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := store.Lease(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lease: %v, want context.DeadlineExceeded", err)
		}
		storage.down.Store(false)
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}

// R29: file storage keeps its own locks fresh; a lock file that someone removed
// is no error to the one who held it.
func TestLeaseWhoseLockIsGone(t *testing.T) {
	dir := t.TempDir()
	store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
	l := lease(t, store, newKey())
	if err := os.RemoveAll(filepath.Join(dir, "locks")); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// Giving a lock back is tried again for a while, and not for ever.
func TestReleaseIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newFakeStorage()
		storage := shared.handle()
		store := open(t, storage, caddystorage.Config{})
		l := lease(t, store, newKey())
		failure := error(&fs.PathError{Op: "remove", Path: "lock", Err: fs.ErrPermission})
		storage.unlockErr.Store(&failure)
		time.AfterFunc(time.Second, func() { storage.unlockErr.Store(nil) })
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		if names := shared.lockNames(); len(names) != 0 {
			t.Errorf("locks are left over: %q", names)
		}

		key := newKey()
		l = lease(t, store, key)
		storage.unlockErr.Store(&failure)
		start := time.Now()
		if err := l.Release(t.Context()); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Release: %v, want the storage's error", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("Release took %v", took)
		}
		// The process itself is not blocked by it.
		storage.unlockErr.Store(nil)
		for _, name := range shared.lockNames() {
			if err := storage.Unlock(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if err := lease(t, store, key).Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}
