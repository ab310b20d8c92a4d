package pkce

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// work is what an Authenticator has under way, or must remember after a
// failure. Most have none at any time.
type work struct {
	flight   *flight
	pending  *pendingSave
	lease    Lease         // nil while a has none
	users    int           // of the lease: the flight, the pending save, or both
	failures int           // in a row
	retryAt  time.Duration // monotonic; no attempt before it
	lookAt   time.Duration // monotonic; no look into the store before it
	err      error         // of the last failure
	pinned   bool
}

func (w *work) busy() bool { return w != nil && (w.flight != nil || w.pending != nil) }

// flight is one refresh, shared by all who wait for it.
type flight struct {
	done       chan struct{}
	held       *held
	err        error
	waiters    int // guarded by Authenticator.mu
	background bool
	look       bool          // it only looks into the store; see look
	early      chan struct{} // closed by hurry, then nil; guarded by Authenticator.mu
}

// await joins the refresh under way, or starts one, and waits for it. A token
// that was refused before the refresh that brought it was quite over is refreshed
// once more.
func (a *Authenticator) await(ctx context.Context, force bool) (*Token, error) {
	h, looked, err := a.awaitOnce(ctx, force)
	if force && looked || err == nil && h.deadline.Load() == refused {
		h, _, err = a.awaitOnce(ctx, force)
	}
	if err != nil {
		return nil, err
	}
	return &h.Token, nil
}

// awaitOnce is await without the second try. It reports whether there was only a
// look into the store.
func (a *Authenticator) awaitOnce(ctx context.Context, force bool) (result *held, looked bool, err error) {
	a.mu.Lock()
	h := a.token.Load()
	if h == nil {
		a.mu.Unlock()
		return nil, false, ErrReauthorize
	}
	if !force && (a.work == nil || a.work.flight == nil || a.work.flight.look) {
		// Somebody may have refreshed between the caller's look and the lock.
		p := a.phaseOf(h)
		if p == fresh || p == ahead {
			a.mu.Unlock()
			return h, false, nil
		}
		if wait := a.backoffLeft(); wait > 0 {
			// Whoever has a token that is still good does not wait for the look.
			if !a.startLook(ctx) || p != expired {
				err := &TemporaryError{RetryAfter: wait, Err: a.work.err}
				a.mu.Unlock()
				return nil, false, err
			}
		}
	}
	f := a.start(ctx, false)
	f.waiters++
	a.hurry()
	a.mu.Unlock()
	select {
	case <-f.done:
		return f.held, f.look, f.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// refreshAhead starts a refresh in the background unless there is one, or one
// failed a moment ago.
func (a *Authenticator) refreshAhead(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.token.Load()
	if h == nil || a.work != nil && a.work.flight != nil || a.backoffLeft() > 0 || a.phaseOf(h) == fresh {
		return
	}
	a.start(ctx, true)
}

// start returns the flight under way, or a new one. a.mu is held.
func (a *Authenticator) start(ctx context.Context, background bool) *flight {
	if a.work == nil {
		a.work = new(work)
	}
	if a.work.flight == nil {
		f := &flight{done: make(chan struct{}), background: background, early: make(chan struct{})}
		a.work.flight = f
		a.pin()
		// A caller who hangs up must not cut off a request that may have used
		// up the refresh token already.
		go a.fly(context.WithoutCancel(ctx), f, f.early)
	}
	return a.work.flight
}

// hurry has a flight that is put off begin. a.mu is held.
func (a *Authenticator) hurry() {
	if a.work == nil || a.work.flight == nil || a.work.flight.early == nil {
		return
	}
	close(a.work.flight.early)
	a.work.flight.early = nil
}

// putOff waits for as long as the Pacer says, if there is one, or until early is
// closed.
func (a *Authenticator) putOff(early <-chan struct{}) {
	p, ok := a.persister.(Pacer)
	h := a.token.Load()
	if !ok || h == nil {
		return
	}
	margin, _ := a.cfg.margins(h.lifetime)
	wait := p.Pace(a.left(h) - margin)
	if wait > 0 {
		sleep(early, a.cfg.clock(), wait)
	}
}

// attempt is what one refresh came to.
type attempt struct {
	outcome RefreshOutcome
	err     error
	rotated bool
}

// fly runs one refresh and lands it.
func (a *Authenticator) fly(ctx context.Context, f *flight, early <-chan struct{}) {
	if f.background {
		a.putOff(early)
	}
	clock := a.cfg.clock()
	started, begun := clock.Now(), clock.Monotonic()
	result := a.refresh(ctx)

	a.mu.Lock()
	w := a.work
	h := a.token.Load()
	switch {
	case h == nil:
		if result.outcome != RefreshReauthorize {
			result.outcome = RefreshSuperseded
		}
		w.succeeded()
		f.err = ErrReauthorize
	case result.outcome == RefreshTemporary:
		f.err = w.failed(clock.Monotonic(), result.err)
	default:
		w.succeeded()
		f.held = h
	}
	event := RefreshEvent{
		Outcome: result.outcome, Token: a.Current(), Err: result.err,
		Started: started, Duration: clock.Monotonic() - begun,
		Waiters: f.waiters, Background: f.background, Rotated: result.rotated,
	}
	a.mu.Unlock()

	if a.cfg.OnRefresh != nil {
		a.cfg.OnRefresh(a, event)
	}
	// Only now is the flight over: Flush waits for OnRefresh too.
	a.mu.Lock()
	w.flight = nil
	a.settle()
	a.mu.Unlock()
	close(f.done)
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

// pin tells the owner that a is busy. a.mu is held.
func (a *Authenticator) pin() {
	if a.work.pinned {
		return
	}
	a.work.pinned = true
	if p, ok := a.persister.(Pinner); ok {
		p.Pin()
	}
}

// settle tells the owner that a is idle if it is, and forgets what need not be
// remembered. a.mu is held.
func (a *Authenticator) settle() {
	w := a.work
	if w == nil || w.busy() {
		return
	}
	if w.pinned {
		w.pinned = false
		if p, ok := a.persister.(Pinner); ok {
			p.Unpin()
		}
	}
	if w.failures == 0 {
		a.work = nil
	}
}
