package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// leases are those held or waited for. The zero value is ready for use.
type leases struct {
	mu    sync.Mutex
	queue map[string]*turn
}

// turn is the right to one key, and how many hold it or wait for it.
type turn struct {
	free  chan struct{} // holds a value while nobody holds the lease
	users int
}

// Lease implements tokenstore.Store. The holder lives and dies with the
// process, so its lease neither expires nor is lost.
func (s *Store) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	t := s.leases.join(key)
	select {
	case <-t.free:
		return &lease{leases: &s.leases, key: key, turn: t}, nil
	case <-ctx.Done():
		s.leases.leave(key, t)
		return nil, fmt.Errorf("leasing session: %w", ctx.Err())
	}
}

func (l *leases) join(key string) *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.queue[key]
	if t == nil {
		if l.queue == nil {
			l.queue = make(map[string]*turn)
		}
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		l.queue[key] = t
	}
	t.users++
	return t
}

func (l *leases) leave(key string, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(l.queue, key)
	}
}

// lease implements tokenstore.Lease.
type lease struct {
	leases *leases
	key    string
	turn   *turn
}

// Lost implements tokenstore.Lease. The channel is nil: it never closes.
func (l *lease) Lost() <-chan struct{} { return nil }

// Release implements tokenstore.Lease.
func (l *lease) Release(context.Context) error {
	l.turn.free <- struct{}{}
	l.leases.leave(l.key, l.turn)
	return nil
}
