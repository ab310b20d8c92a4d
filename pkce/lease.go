package pkce

import (
	"context"
	"errors"
	"time"
)

// acquireTimes is how many request timeouts a refresh waits for the lease:
// another process may be refreshing, and be at its own timeout.
const acquireTimes = 2

// A process that redeemed a refresh token and was then cut off from the store
// saves what it got as soon as it can, which takes no longer than maxSaveBackoff
// and the time of a save. lateSave is how long others give it.
const (
	lateSave      = 2 * maxSaveBackoff
	lateSaveEvery = 250 * time.Millisecond
)

var (
	errLeaseTaken = errors.New("the right to refresh the session could not be had in time; another process may be at it")
	errLeaseLost  = errors.New("the lease was lost during the refresh")
)

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
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, false, errLeaseTaken
	case err != nil:
		return nil, false, persisterError(err)
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

// afterExpiry reports whether the lease before this one was never released.
func afterExpiry(lease Lease) bool {
	l, ok := lease.(interface{ AfterExpiry() bool })
	return ok && l.AfterExpiry()
}

// awaitLateSave is learn, for as long as it takes somebody to store another
// token than old, or has had the time to.
func (a *Authenticator) awaitLateSave(ctx context.Context, lease Lease, old *Token) (due *Token, adopted bool, err error) {
	clock := a.cfg.clock()
	for end := clock.Monotonic() + lateSave; clock.Monotonic() < end && !a.Ended(); {
		if !sleep(lease.Lost(), clock, lateSaveEvery) {
			return old, false, errLeaseLost
		}
		due, adopted, err = a.learn(ctx, old)
		if err != nil || adopted || !due.equal(old) {
			return due, adopted, err
		}
	}
	return old, false, nil
}
