package pkce

import "context"

// acquireTimes is how many request timeouts a refresh waits for the lease:
// another process may be refreshing, and be at its own timeout.
const acquireTimes = 2

// acquire takes the lease, or shares the one that a pending save has: saved is
// then false, for the store does not hold the token in use. Each acquire is
// followed by a release.
func (a *Authenticator) acquire(ctx context.Context) (lease Lease, saved bool, err error) {
	a.mu.Lock()
	if w := a.work; w.pending != nil && !w.pending.over {
		w.users++
		lease = w.lease
		a.mu.Unlock()
		return lease, false, nil
	}
	a.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, acquireTimes*a.cfg.timeout())
	defer cancel()
	lease, err = a.persister.Acquire(ctx)
	if err != nil {
		return nil, false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.work.lease, a.work.users = lease, 1
	return lease, true, nil
}

// release gives the lease back once neither a refresh nor a pending save needs
// it: another process must not redeem a refresh token that is still on its way.
// a.mu is held, but not while the store is asked.
func (a *Authenticator) release(ctx context.Context) {
	w := a.work
	w.users--
	if w.users > 0 {
		return
	}
	lease := w.lease
	w.lease = nil
	a.mu.Unlock()
	defer a.mu.Lock()
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	// A lease that cannot be given back expires by itself.
	_ = lease.Release(ctx)
}
