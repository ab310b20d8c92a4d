package caddystorage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

// One call looks into few folders; together they look into all, once each.
func TestSweepIsBounded(t *testing.T) {
	shared := newFakeStorage()
	store := open(t, shared.handle(), caddystorage.Config{})
	for folder := range 256 {
		key := fmt.Sprintf("%02x", folder) + newKey()[2:]
		if err := store.Create(t.Context(), key, &tokenstore.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 256 / 16 {
		before := shared.lists
		if n, err := store.Sweep(t.Context()); n != 16 || err != nil {
			t.Errorf("Sweep: %d, %v, want 16 removed", n, err)
		}
		if n := shared.lists - before; n != 16 {
			t.Errorf("Sweep listed %d folders, want 16", n)
		}
	}
	if len(shared.files) != 0 {
		t.Errorf("%d records are left over", len(shared.files))
	}
}

// Where folders are full, one call looks into fewer.
func TestSweepOfManyRecords(t *testing.T) {
	shared := newFakeStorage()
	storage := shared.handle()
	store := open(t, storage, caddystorage.Config{})
	for folder := range 256 {
		for range 100 {
			key := fmt.Sprintf("%02x", folder) + newKey()[2:]
			if err := storage.Store(t.Context(), filePath(key), []byte(`{"version":"1","expires_at":"2999-01-01T00:00:00Z"}`)); err != nil {
				t.Fatal(err)
			}
		}
		if folder == 16 {
			break
		}
	}
	for range 256 {
		before := shared.loads
		if _, err := store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := shared.loads - before; n > 1100 {
			t.Fatalf("Sweep read %d records", n)
		}
	}
}

// interrupted calls its functions once each, just before what they are named for.
type interrupted struct {
	*handle
	beforeLock, beforeDelete func()
}

func (i *interrupted) Lock(ctx context.Context, name string) error {
	if f := i.beforeLock; f != nil {
		i.beforeLock = nil
		f()
	}
	return i.handle.Lock(ctx, name)
}

func (i *interrupted) Delete(ctx context.Context, key string) error {
	if f := i.beforeDelete; f != nil {
		i.beforeDelete = nil
		f()
	}
	return i.handle.Delete(ctx, key)
}

// R38: a record that another instance creates in the place of an expired one
// while that is being swept stays, however the two meet.
func TestSweepSparesNewRecord(t *testing.T) {
	for name, arrange := range map[string]func(*interrupted, func()){
		"found, not yet locked": func(s *interrupted, create func()) { s.beforeLock = create },
		"locked, not yet gone":  func(s *interrupted, create func()) { s.beforeDelete = create },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := newFakeStorage()
				storage := &interrupted{handle: shared.handle()}
				sweeper := open(t, storage, caddystorage.Config{})
				other := open(t, shared.handle(), caddystorage.Config{})
				key, _ := create(t, other, time.Now())
				created := make(chan error, 1)
				arrange(storage, func() {
					go func() {
						created <- other.Create(t.Context(), key, &tokenstore.Record{Meta: tokenstore.Meta{ExpiresAt: time.Now().Add(time.Hour)}})
					}()
					synctest.Wait()
				})
				for range 256 / 16 {
					if _, err := sweeper.Sweep(t.Context()); err != nil {
						t.Errorf("Sweep: %v", err)
					}
				}
				if err := <-created; err != nil {
					t.Errorf("Create: %v", err)
				}
				if _, err := other.Load(t.Context(), key); err != nil {
					t.Errorf("Load: %v", err)
				}
			})
		})
	}
}

// Instances do not sweep in step: they begin at different folders.
func TestSweepBeginsAtRandom(t *testing.T) {
	begun := make(map[string]bool)
	for range 8 {
		storage := &listed{handle: newFakeStorage().handle()}
		if _, err := open(t, storage, caddystorage.Config{}).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun[storage.first] = true
	}
	if len(begun) == 1 {
		t.Errorf("eight sweepers began at the same folder: %v", begun)
	}
}

// listed remembers the first folder that was listed.
type listed struct {
	*handle
	first string
}

func (l *listed) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	if l.first == "" {
		l.first = path
	}
	return l.handle.List(ctx, path, recursive)
}

// Trouble is reported with what was done before it, and does not stop the next call.
func TestSweepAfterOutage(t *testing.T) {
	clock := fakeclock.New(epoch)
	storage := newFakeStorage().handle()
	store := open(t, storage, caddystorage.Config{Now: clock.Now})
	key, _ := create(t, store, epoch.Add(time.Hour))
	clock.Advance(time.Hour)
	storage.down.Store(true)
	if _, err := store.Sweep(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Sweep: %v, want the storage's error", err)
	}
	storage.down.Store(false)
	removed := 0
	for range 2 * 256 / 16 {
		n, err := store.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		removed += n
	}
	if removed != 1 || storage.Exists(t.Context(), filePath(key)) {
		t.Errorf("removed %d records, want the expired one", removed)
	}
}
