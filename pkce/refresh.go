package pkce

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// work is what an Authenticator has under way, or must remember after a
// failure. Most have none at any time.
type work struct {
	flight   *flight
	pending  *pendingSave
	retryAt  time.Duration // monotonic; no attempt before it
	failures int
	pinned   bool
}

func (w *work) busy() bool { return w != nil && (w.flight != nil || w.pending != nil) }

// flight is one refresh, shared by all who wait for it.
type flight struct {
	done       chan struct{}
	token      *Token
	err        error
	waiters    int // guarded by Authenticator.mu
	background bool
}

// Backing off after a failed refresh.
const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// acquireTimes is how many request timeouts a refresh waits for the lease:
// another process may be refreshing, and be at its own timeout.
const acquireTimes = 2

// await joins the refresh under way, or starts one, and waits for it.
func (a *Authenticator) await(ctx context.Context, force bool) (*Token, error) {
	a.mu.Lock()
	h := a.token.Load()
	if h == nil {
		a.mu.Unlock()
		return nil, ErrReauthorize
	}
	if !force && (a.work == nil || a.work.flight == nil) {
		// Somebody may have refreshed between the caller's look and the lock.
		if p := a.phaseOf(h); p == fresh || p == ahead {
			a.mu.Unlock()
			return h.Token, nil
		}
		if wait := a.backoffLeft(); wait > 0 {
			a.mu.Unlock()
			return nil, &TemporaryError{RetryAfter: wait}
		}
	}
	f := a.start(ctx, false)
	f.waiters++
	a.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
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

// backoffLeft returns how long to wait before the next attempt.
func (a *Authenticator) backoffLeft() time.Duration {
	if a.work == nil || a.work.failures == 0 {
		return 0
	}
	return max(0, a.work.retryAt-a.cfg.clock().Monotonic())
}

// start returns the flight under way, or a new one. a.mu is held.
func (a *Authenticator) start(ctx context.Context, background bool) *flight {
	if a.work == nil {
		a.work = new(work)
	}
	if a.work.flight == nil {
		f := &flight{done: make(chan struct{}), background: background}
		a.work.flight = f
		a.pin()
		// A caller who hangs up must not cut off a request that may have used
		// up the refresh token already.
		go a.fly(context.WithoutCancel(ctx), f)
	}
	return a.work.flight
}

// attempt is what one refresh came to.
type attempt struct {
	outcome RefreshOutcome
	err     error
	rotated bool
}

// fly runs one refresh and lands it.
func (a *Authenticator) fly(ctx context.Context, f *flight) {
	clock := a.cfg.clock()
	started, begun := clock.Now(), clock.Monotonic()
	result := a.refresh(ctx)

	a.mu.Lock()
	w := a.work
	if result.outcome == RefreshTemporary {
		w.failures++
		w.retryAt = clock.Monotonic() + a.backoff(w.failures, result.err)
		f.err = &TemporaryError{RetryAfter: w.retryAt - clock.Monotonic(), Err: result.err}
	} else {
		w.failures = 0
	}
	if h := a.token.Load(); h == nil {
		f.err = ErrReauthorize
	} else if f.err == nil {
		f.token = h.Token
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

// backoff is how long to wait after the nth failure in a row, with jitter so
// that many sessions do not come back at once. A server that says when to come
// back is never asked earlier.
func (a *Authenticator) backoff(n int, err error) time.Duration {
	wait := min(firstBackoff<<min(n-1, 10), maxBackoff)
	if _, refused := errors.AsType[*TokenError](err); refused && !errors.Is(err, ErrTemporary) {
		// Something is wrong with the app or the request. Haste does not help.
		wait = maxBackoff
	}
	if t, ok := errors.AsType[*TemporaryError](err); ok {
		wait = max(wait, t.RetryAfter)
	}
	return wait + rand.N(wait/4+1)
}

// refresh makes one attempt: it takes the lease, looks whether somebody else
// was first, redeems the refresh token, saves what comes back and only then
// puts it to use.
func (a *Authenticator) refresh(ctx context.Context) attempt {
	old := a.Current()
	if old == nil {
		return attempt{outcome: RefreshSuperseded, err: ErrGone}
	}
	lease, err := a.lease(ctx)
	if err != nil {
		return attempt{outcome: RefreshTemporary, err: err}
	}
	// A save that is still pending keeps the lease for itself.
	keep := false
	defer func() {
		if !keep {
			a.release(ctx, lease)
		}
	}()
	if lease != nil {
		stored, err := a.stored(ctx)
		switch {
		case errors.Is(err, ErrGone):
			a.End()
			return attempt{outcome: RefreshSuperseded, err: err}
		case err != nil:
			return attempt{outcome: RefreshTemporary, err: err}
		case !stored.equal(old):
			if a.adopt(stored) {
				return attempt{outcome: RefreshAdopted}
			}
			old = stored
		}
	}

	if lost(lease) {
		return attempt{outcome: RefreshTemporary, err: errLeaseLost}
	}
	next, err := a.redeem(ctx, old)
	if errors.Is(err, ErrReauthorize) && lease != nil {
		// Another process may have redeemed the token first, if it did not
		// know of the lease or took it over.
		stored, loadErr := a.stored(ctx)
		switch {
		case errors.Is(loadErr, ErrGone):
			a.End()
			return attempt{outcome: RefreshSuperseded, err: loadErr}
		case loadErr != nil:
			return attempt{outcome: RefreshTemporary, err: loadErr}
		case !stored.equal(old):
			if a.adopt(stored) {
				return attempt{outcome: RefreshAdopted}
			}
			old = stored
			next, err = a.redeem(ctx, old)
		}
	}
	if errors.Is(err, ErrReauthorize) {
		return a.refused(ctx, old, err)
	}
	if err != nil {
		return attempt{outcome: RefreshTemporary, err: err}
	}
	rotated := next.refresh != old.refresh
	if a.persister == nil {
		if !a.use(next) {
			return attempt{outcome: RefreshSuperseded, err: ErrGone, rotated: rotated}
		}
		return attempt{outcome: RefreshRefreshed, rotated: rotated}
	}
	outcome, err := a.save(ctx, lease, old, next, &keep)
	return attempt{outcome: outcome, err: err, rotated: rotated}
}

func (a *Authenticator) redeem(ctx context.Context, old *Token) (*Token, error) {
	if old.refresh == "" {
		return nil, ErrReauthorize
	}
	next, err := a.cfg.Refresh(ctx, old.refresh)
	if err != nil {
		return nil, err
	}
	return next.withScope(old.scope.Value()), nil
}

// refused ends the session: its grant is over (RFC 6749 §5.2, invalid_grant).
func (a *Authenticator) refused(ctx context.Context, old *Token, err error) attempt {
	if a.persister != nil {
		ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
		defer cancel()
		// A record that cannot be deleted now leads to the same refusal later.
		if deleteErr := a.persister.Delete(ctx, old); deleteErr != nil {
			err = errors.Join(err, deleteErr)
		}
	}
	a.End()
	return attempt{outcome: RefreshReauthorize, err: err}
}

// lease acquires the lease, or returns nil if there is nothing to share or a
// pending save holds it already.
func (a *Authenticator) lease(ctx context.Context) (Lease, error) {
	if a.persister == nil {
		return nil, nil
	}
	a.mu.Lock()
	mine := a.work.pending != nil && !a.work.pending.over
	a.mu.Unlock()
	if mine {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, acquireTimes*a.cfg.timeout())
	defer cancel()
	return a.persister.Acquire(ctx)
}

var errLeaseLost = errors.New("the lease was lost before the token was refreshed")

// lost reports whether another process may hold the lease by now.
func lost(lease Lease) bool {
	if lease == nil {
		return false
	}
	select {
	case <-lease.Lost():
		return true
	default:
		return false
	}
}

func (a *Authenticator) release(ctx context.Context, lease Lease) {
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	// A lease that cannot be given back expires by itself.
	_ = lease.Release(ctx)
}

func (a *Authenticator) stored(ctx context.Context) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	return a.persister.Load(ctx)
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
