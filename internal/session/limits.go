package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// maxLoads bounds the sessions that are read from the store at once. Whoever
	// makes up session ids has each looked for, and so could take up every file
	// handle or connection that there is. Sessions in memory need no reading.
	maxLoads = 256
	// maxWaitingLoads bounds those that wait for their turn, whose askers may
	// have hung up meanwhile.
	maxWaitingLoads = 8192
)

var errTooManyLoads = errors.New("too many sessions are being read from the store")

// beginLoad waits for the right to read one more session.
func (m *Manager) beginLoad(ctx context.Context) error {
	defer m.waitingLoads.Add(-1)
	if m.waitingLoads.Add(1) > maxWaitingLoads {
		return errTooManyLoads
	}
	select {
	case m.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errTooManyLoads
	}
}

func (m *Manager) endLoad() { <-m.reading }

const (
	// maxRefreshes bounds the refreshes under way, which take a connection to
	// the token endpoint and a lease each. Others wait for their turn.
	maxRefreshes = 1024
	// maxPendingSaves bounds the refreshed tokens that exist in memory only,
	// because the store takes none. Beyond it no refresh begins: what came of
	// it could not be kept either. It leaves room for refreshes to go on.
	maxPendingSaves = maxRefreshes / 2
)

const (
	// freeRefreshes is how many refreshes under way leave the requests alone. One more
	// that nobody waits for is put off for up to longestPace, or up to half of
	// the time there is.
	freeRefreshes = 4
	longestPace   = 10 * time.Second
)

// pace returns how long to put off a refresh that nobody waits for until within.
func (m *Manager) pace(within time.Duration) time.Duration {
	most := min(within/2, longestPace)
	if len(m.refreshes) < freeRefreshes || most <= 0 {
		return 0
	}
	return rand.N(most)
}

var errTooManyUnsaved = errors.New("too many refreshed tokens wait for the store to take them")

// beginRefresh waits for the right to refresh one more session.
func (m *Manager) beginRefresh(ctx context.Context) error {
	if m.PendingSaves.Load() >= maxPendingSaves {
		return errTooManyUnsaved
	}
	select {
	case m.refreshes <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) endRefresh() { <-m.refreshes }

// countedLease is a lease that counts as a refresh under way until it is
// released, which is when the new token is saved.
type countedLease struct {
	pkce.Lease
	owner *Manager
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
