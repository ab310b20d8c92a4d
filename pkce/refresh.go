package pkce

import (
	"context"
	"errors"
	"fmt"
)

// attempt is what one refresh came to.
type attempt struct {
	outcome RefreshOutcome
	err     error
	rotated bool
}

// refresh makes one attempt: it takes the lease, looks whether somebody else
// was first, redeems the refresh token, saves what comes back and only then
// puts it to use.
func (a *Authenticator) refresh(ctx context.Context) attempt {
	old := a.Current()
	if old == nil {
		return attempt{outcome: RefreshSuperseded, err: ErrGone}
	}
	if a.persister == nil {
		return a.refreshAlone(ctx, old)
	}
	lease, saved, err := a.acquire(ctx)
	if err != nil {
		return attempt{outcome: RefreshTemporary, err: err}
	}
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.release(ctx)
	}()
	if !saved {
		// The store lags behind; there is nothing to learn from it.
		next, err := a.redeem(ctx, old)
		if err != nil {
			return a.failed(ctx, old, err)
		}
		return a.save(ctx, old, next)
	}

	old, adopted, err := a.learn(ctx, old)
	if err == nil && !adopted && afterExpiry(lease) {
		old, adopted, err = a.awaitLateSave(ctx, lease, old)
	}
	switch {
	case err != nil:
		return a.failed(ctx, old, err)
	case adopted:
		return attempt{outcome: RefreshAdopted}
	}
	select {
	case <-lease.Lost():
		return attempt{outcome: RefreshTemporary, err: errLeaseLost}
	default:
	}
	if a.Ended() {
		return attempt{outcome: RefreshSuperseded, err: ErrGone}
	}
	next, err := a.redeem(ctx, old)
	if errors.Is(err, ErrReauthorize) {
		// Another process may have redeemed the token first, if it did not
		// know of the lease or took it over.
		refused := old
		var learnErr error
		old, adopted, learnErr = a.learn(ctx, refused)
		if learnErr == nil && !adopted && old.equal(refused) {
			old, adopted, learnErr = a.learnOfRival(ctx, lease, refused)
		}
		switch {
		case learnErr != nil:
			return a.failed(ctx, old, learnErr)
		case adopted:
			return attempt{outcome: RefreshAdopted}
		case !old.equal(refused):
			next, err = a.redeem(ctx, old)
		}
	}
	if err != nil {
		return a.failed(ctx, old, err)
	}
	return a.save(ctx, old, next)
}

// learn looks into the store, with the lease. A token there that is newer than
// old and good is put to use. Otherwise learn returns the one to refresh.
func (a *Authenticator) learn(ctx context.Context, old *Token) (due *Token, adopted bool, err error) {
	stored, err := a.stored(ctx)
	if err != nil || stored.equal(old) {
		return old, false, err
	}
	return stored, a.adopt(stored), nil
}

// learnOfRival is learn for when a refresh token was refused and the store still
// has it. That ends the session only if no other process may have redeemed it
// and not saved yet. One may have if it holds the lease by now, or if its lease
// had expired before this one was taken.
func (a *Authenticator) learnOfRival(ctx context.Context, lease Lease, refused *Token) (due *Token, adopted bool, err error) {
	select {
	case <-lease.Lost():
		return refused, false, errLeaseLost
	default:
	}
	if !afterExpiry(lease) {
		return refused, false, nil
	}
	return a.awaitLateSave(ctx, lease, refused)
}

// refreshAlone is refresh for a session that is in memory only.
func (a *Authenticator) refreshAlone(ctx context.Context, old *Token) attempt {
	next, err := a.redeem(ctx, old)
	if err != nil {
		return a.failed(ctx, old, err)
	}
	if !a.use(next) {
		return attempt{outcome: RefreshSuperseded, err: ErrGone}
	}
	return attempt{outcome: RefreshRefreshed, rotated: next.refresh != old.refresh}
}

// failed says what an error means for the session. If the grant is over (RFC
// 6749 §5.2, invalid_grant), the record goes with it.
func (a *Authenticator) failed(ctx context.Context, old *Token, err error) attempt {
	switch {
	case errors.Is(err, ErrGone):
		a.End()
		return attempt{outcome: RefreshSuperseded, err: err}
	case !errors.Is(err, ErrReauthorize):
		return attempt{outcome: RefreshTemporary, err: err}
	}
	for _, t := range a.mayBeStored(old) {
		// A record that cannot be deleted now leads to the same refusal later.
		if deleteErr := a.delete(ctx, t); deleteErr != nil {
			err = errors.Join(err, deleteErr)
			break
		}
	}
	a.End()
	return attempt{outcome: RefreshReauthorize, err: err}
}

func (a *Authenticator) redeem(ctx context.Context, old *Token) (*Token, error) {
	next, err := a.cfg.Refresh(ctx, old.refresh)
	if err != nil {
		return nil, err
	}
	return next.withScope(old.scope.Value()), nil
}

func (a *Authenticator) stored(ctx context.Context) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	t, err := a.persister.Load(ctx)
	return t, persisterError(err)
}

// persisterError marks an error as the Persister's.
func persisterError(err error) error {
	if err == nil || errors.Is(err, ErrGone) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPersister, err)
}

func (a *Authenticator) delete(ctx context.Context, t *Token) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	return a.persister.Delete(ctx, t)
}

// adopt puts a token that another process stored to use, if it is good.
func (a *Authenticator) adopt(t *Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token.Load() == nil {
		return false
	}
	h := a.received(t)
	if p := a.phaseOf(h); p != fresh && p != ahead {
		return false
	}
	a.token.Store(h)
	return true
}

// use puts a new token to use, unless the session ended meanwhile.
func (a *Authenticator) use(t *Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token.Load() == nil {
		return false
	}
	a.hold(t)
	return true
}
