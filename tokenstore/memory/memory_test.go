package memory_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
	"github.com/caddyspotify/caddy-spotify/tokenstore/storetest"
)

var epoch = time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)

// R28 R38: as the suite says.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		clock := fakeclock.New(epoch)
		store := memory.New(memory.Config{Now: clock.Now})
		return storetest.Instances{
			Stores:  []tokenstore.Store{store, store.Peer(), store.Peer()},
			Now:     clock.Now,
			Advance: clock.Advance,
		}
	})
}

// O51: memory is never out of reach, so for the suite's faults something in front
// of it is. They run over this store as over the others: what is stored, and
// who has a lease, is the same after them.
func TestFaults(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		clock := fakeclock.New(epoch)
		store := memory.New(memory.Config{Now: clock.Now})
		down := new(atomic.Bool)
		return storetest.Instances{
			Stores:  []tokenstore.Store{faulty{store, down}, faulty{store.Peer(), down}},
			Now:     clock.Now,
			Advance: clock.Advance,
			Down: func(*testing.T) func() {
				down.Store(true)
				return func() { down.Store(false) }
			},
		}
	})
}

// faulty is a store that can be out of reach.
type faulty struct {
	tokenstore.Store
	down *atomic.Bool
}

var errDown = errors.New("out of reach")

func (f faulty) fault() error {
	if f.down.Load() {
		return errDown
	}
	return nil
}

func (f faulty) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.Load(ctx, key)
}

func (f faulty) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Store.Create(ctx, key, rec)
}

func (f faulty) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Store.Update(ctx, key, rec)
}

func (f faulty) Delete(ctx context.Context, key string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key)
}

func (f faulty) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.Lease(ctx, key)
}

func (f faulty) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	if err := f.fault(); err != nil {
		return func(yield func(tokenstore.Entry, error) bool) { yield(tokenstore.Entry{}, err) }
	}
	return f.Store.Walk(ctx)
}
