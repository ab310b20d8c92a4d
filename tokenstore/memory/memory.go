// Package memory keeps sessions in the memory of the process: for tests, and
// where it is fine that a restart signs everybody out. It registers the guest
// module http.handlers.spotify_auth.stores.memory.
package memory

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/internal/keylock"
)

// DefaultMaxSessions is how many sessions a store keeps unless told otherwise.
const DefaultMaxSessions = 100_000

// sweepLimit bounds how many records one call of Sweep removes.
const sweepLimit = 10_000

// Store implements tokenstore.Store, tokenstore.Watcher and tokenstore.Sweeper.
// It is bounded: a record too many takes the place of the one that would expire
// soonest. The zero value is not usable; call New. It is safe for concurrent use.
type Store struct {
	*shelf
}

// shelf is what a Store and its peers have in common.
type shelf struct {
	max    int
	now    func() time.Time
	leases keylock.Locks

	mu       sync.Mutex
	records  map[string]*entry
	byExpiry expiryHeap
	watchers map[*watcher]struct{}
}

// entry is a record kept. Its Sealed is never written to.
type entry struct {
	key   string
	rec   tokenstore.Record
	index int // in byExpiry
}

// Config says how a Store is made. The zero value is ready for use.
type Config struct {
	// MaxSessions is how many records are kept; 0 means DefaultMaxSessions.
	MaxSessions int
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// New returns an empty store.
func New(cfg Config) *Store {
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{&shelf{
		max:      cfg.MaxSessions,
		now:      cfg.Now,
		records:  make(map[string]*entry),
		watchers: make(map[*watcher]struct{}),
	}}
}

// Peer returns another instance over the same records and leases, as another
// process would have it of a store that is shared: what it changes, Watch of
// the other instances reports.
func (s *Store) Peer() *Store { return &Store{s.shelf} }

// Len returns how many records are kept, expired ones included.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// begin is what every method does first.
func begin(ctx context.Context, key string) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// Load implements tokenstore.Store.
func (s *Store) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("loading session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return nil, tokenstore.ErrNotFound
	}
	rec := e.rec
	rec.Sealed = bytes.Clone(rec.Sealed)
	return &rec, nil
}

// Create implements tokenstore.Store.
func (s *Store) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("creating session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live(key) != nil {
		return tokenstore.ErrExists
	}
	if old := s.records[key]; old != nil {
		s.remove(old)
	}
	for len(s.records) >= s.max {
		evicted := s.byExpiry[0]
		s.remove(evicted)
		// Whoever still uses that session is to learn that it is over.
		s.announce(evicted.key, nil)
	}
	e := &entry{key: key}
	rec.Version = e.set(rec)
	s.records[key] = e
	heap.Push(&s.byExpiry, e)
	s.announce(key, s)
	return nil
}

// Update implements tokenstore.Store.
func (s *Store) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("updating session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return tokenstore.ErrNotFound
	}
	if e.rec.Version != rec.Version {
		return tokenstore.ErrConflict
	}
	rec.Version = e.set(rec)
	heap.Fix(&s.byExpiry, e.index)
	s.announce(key, s)
	return nil
}

// Delete implements tokenstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("deleting session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.records[key]; e != nil {
		s.remove(e)
		s.announce(key, s)
	}
	return nil
}

// Walk implements tokenstore.Store. It sees the records that are there when it
// begins and are still there when their turn comes.
func (s *Store) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		s.mu.Lock()
		keys := make([]string, 0, len(s.records))
		for key := range s.records {
			keys = append(keys, key)
		}
		s.mu.Unlock()
		for i := 0; ; i++ {
			if err := ctx.Err(); err != nil {
				yield(tokenstore.Entry{}, fmt.Errorf("walking sessions: %w", err))
				return
			}
			if i == len(keys) {
				return
			}
			if meta, ok := s.meta(keys[i]); ok && !yield(tokenstore.Entry{Key: keys[i], Meta: meta}, nil) {
				return
			}
		}
	}
}

func (s *shelf) meta(key string) (tokenstore.Meta, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return tokenstore.Meta{}, false
	}
	return e.rec.Meta, true
}

// Sweep implements tokenstore.Sweeper.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sweeping sessions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for removed < sweepLimit && len(s.byExpiry) > 0 && s.expired(s.byExpiry[0]) {
		e := s.byExpiry[0]
		s.remove(e)
		s.announce(e.key, nil)
		removed++
	}
	return removed, nil
}

// live returns the entry under key unless it has expired. s.mu is held.
func (s *shelf) live(key string) *entry {
	if e := s.records[key]; e != nil && !s.expired(e) {
		return e
	}
	return nil
}

func (s *shelf) expired(e *entry) bool { return !s.now().Before(e.rec.ExpiresAt) }

// remove takes an entry off the shelf. s.mu is held.
func (s *shelf) remove(e *entry) {
	delete(s.records, e.key)
	heap.Remove(&s.byExpiry, e.index)
}

// set makes the entry hold a copy of rec under a new version, and returns it.
func (e *entry) set(rec *tokenstore.Record) (version string) {
	e.rec = *rec
	e.rec.Sealed = bytes.Clone(rec.Sealed)
	e.rec.Version = rand.Text()
	return e.rec.Version
}

// expiryHeap orders entries by the time they expire, soonest first.
type expiryHeap []*entry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].rec.ExpiresAt.Before(h[j].rec.ExpiresAt) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *expiryHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// Interface guards
var (
	_ tokenstore.Store   = (*Store)(nil)
	_ tokenstore.Watcher = (*Store)(nil)
	_ tokenstore.Sweeper = (*Store)(nil)
)
