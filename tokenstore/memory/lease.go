package memory

import (
	"context"
	"fmt"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Lease implements tokenstore.Store. The holder lives and dies with the
// process, so its lease neither expires nor is lost.
func (s *Store) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	unlock, err := s.leases.Lock(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	return lease{unlock}, nil
}

// lease implements tokenstore.Lease.
type lease struct{ unlock func() }

// Lost implements tokenstore.Lease. The channel is nil: it never closes.
func (lease) Lost() <-chan struct{} { return nil }

// Release implements tokenstore.Lease.
func (l lease) Release(context.Context) error {
	l.unlock()
	return nil
}
