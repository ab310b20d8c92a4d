package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var concurrencyTests = map[string]func(*testing.T, *suite){
	"ConcurrentCreate":          testConcurrentCreate,
	"ConcurrentUpdate":          testConcurrentUpdate,
	"ConcurrentUpdateAndDelete": testConcurrentUpdateAndDelete,
	"ConcurrentUse":             testConcurrentUse,
}

// each runs f at once for n users of every instance and waits for all.
func (s *suite) each(n int, f func(store tokenstore.Store, user int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for user := range n * len(s.Stores) {
		wg.Go(func() {
			<-start
			f(s.Stores[user%len(s.Stores)], user)
		})
	}
	close(start)
	wg.Wait()
}

// Of many creating one record through one instance, one succeeds. Instances are
// not raced against each other: two never draw the same 256 random bits.
func testConcurrentCreate(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	var mu sync.Mutex
	var winners []*tokenstore.Record
	s.each(4, func(_ tokenstore.Store, user int) {
		rec := s.record(time.Hour)
		switch err := s.a.Create(ctx, k, rec); {
		case err == nil:
			mu.Lock()
			defer mu.Unlock()
			winners = append(winners, rec)
		case !errors.Is(err, tokenstore.ErrExists):
			t.Errorf("user %d: Create: %v, want ErrExists", user, err)
		}
	})
	if len(winners) != 1 {
		t.Fatalf("%d users created the record, want 1", len(winners))
	}
	s.wantRecord(t, ctx, k, winners[0])
}

// R38: of many updating the same version, through several instances, one
// succeeds, and the others are told.
func testConcurrentUpdate(t *testing.T, s *suite) {
	ctx := s.context(t)
	var keys sync.WaitGroup
	for range 4 {
		k := s.create(t, ctx, s.record(time.Hour))
		from := load(t, ctx, s.a, k).Version
		keys.Go(func() {
			var mu sync.Mutex
			var winners []*tokenstore.Record
			s.each(3, func(store tokenstore.Store, user int) {
				rec := s.record(time.Hour)
				rec.Version = from
				switch err := store.Update(ctx, k, rec); {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					winners = append(winners, rec)
				case !errors.Is(err, tokenstore.ErrConflict):
					t.Errorf("user %d: Update: %v, want ErrConflict", user, err)
				}
			})
			if len(winners) != 1 {
				t.Errorf("%d users updated the record, want 1", len(winners))
				return
			}
			got, err := s.b.Load(ctx, k)
			if err != nil || got.Version != winners[0].Version || string(got.Sealed) != string(winners[0].Sealed) {
				t.Errorf("the record is not the winner's: %v", err)
			}
		})
	}
	keys.Wait()
}

// R38: a logout wins over saves through another instance, however they fall.
func testConcurrentUpdateAndDelete(t *testing.T, s *suite) {
	ctx := s.context(t)
	var keys sync.WaitGroup
	for range 6 {
		rec := s.record(time.Hour)
		k := s.create(t, ctx, rec)
		keys.Go(func() {
			var race sync.WaitGroup
			race.Go(func() {
				// Not for ever: locks need not be fair to who comes late.
				for range 10 {
					err := s.a.Update(ctx, k, rec)
					if errors.Is(err, tokenstore.ErrNotFound) {
						return
					}
					if err != nil {
						t.Errorf("Update: %v, want success or ErrNotFound", err)
						return
					}
				}
			})
			race.Go(func() {
				if err := s.b.Delete(ctx, k); err != nil {
					t.Errorf("Delete: %v", err)
				}
			})
			race.Wait()
			for i, store := range s.Stores {
				if _, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
					t.Errorf("instance %d: Load after Delete: %v, want ErrNotFound", i, err)
				}
			}
		})
	}
	keys.Wait()
}

// All methods at once, each user on records of its own: nobody is disturbed.
// The race detector looks on.
func testConcurrentUse(t *testing.T, s *suite) {
	ctx := s.context(t)
	s.each(3, func(store tokenstore.Store, user int) {
		if err := useAll(ctx, s, store); err != nil {
			t.Errorf("user %d: %v", user, err)
		}
	})
}

func useAll(ctx context.Context, s *suite, store tokenstore.Store) error {
	for range 5 {
		k := key()
		rec := s.record(time.Hour)
		if err := store.Create(ctx, k, rec); err != nil {
			return err
		}
		lease, err := store.Lease(ctx, k)
		if err != nil {
			return err
		}
		if rec, err = store.Load(ctx, k); err != nil {
			return err
		}
		if err := store.Update(ctx, k, rec); err != nil {
			return err
		}
		if err := lease.Release(ctx); err != nil {
			return err
		}
		found := false
		for entry, err := range store.Walk(ctx) {
			if err != nil {
				return err
			}
			found = found || entry.Key == k
		}
		if !found {
			return errors.New("Walk did not see a record that was there all the time")
		}
		if sweeper, ok := store.(tokenstore.Sweeper); ok {
			if _, err := sweeper.Sweep(ctx); err != nil {
				return err
			}
		}
		if err := store.Delete(ctx, k); err != nil {
			return err
		}
	}
	return nil
}
