package caddyspotify

import (
	"context"
	"errors"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// maxRefreshes bounds the refreshes under way, which take a connection to
	// the token endpoint and a lease each. Others wait for their turn.
	maxRefreshes = 1024
	// maxPendingSaves bounds the refreshed tokens that exist in memory only,
	// because the store takes none. Beyond it no refresh begins: what came of
	// it could not be kept either. It leaves room for refreshes to go on.
	maxPendingSaves = maxRefreshes / 2
)

var errTooManyUnsaved = errors.New("too many refreshed tokens wait for the store to take them")

// beginRefresh waits for the right to refresh one more session.
func (m *sessions) beginRefresh(ctx context.Context) error {
	if m.pendingSaves.Load() >= maxPendingSaves {
		return errTooManyUnsaved
	}
	select {
	case m.refreshes <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *sessions) endRefresh() { <-m.refreshes }

// countedLease is a lease that counts as a refresh under way until it is
// released, which is when the new token is saved.
type countedLease struct {
	pkce.Lease
	owner *sessions
}

// Release implements pkce.Lease.
func (l countedLease) Release(ctx context.Context) error {
	defer l.owner.endRefresh()
	return l.Lease.Release(ctx)
}

// AfterExpiry tells what the store's lease does, if it does.
func (l countedLease) AfterExpiry() bool {
	stored, ok := l.Lease.(interface{ AfterExpiry() bool })
	return ok && stored.AfterExpiry()
}
