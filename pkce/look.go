package pkce

import (
	"context"
	"errors"
	"time"
)

// While an Authenticator backs off, another process may have had more luck, or
// have backed off for less long. So it looks into the store now and then for a
// token to adopt, when it is asked for one. It needs no lease for that.
const (
	lookEvery = 500 * time.Millisecond
	// lookTimeout bounds how long a look keeps callers waiting who could be told
	// at once to come back later.
	lookTimeout = time.Second
)

// startLook begins a look unless there was one lately, and reports whether one is
// under way. a.mu is held, and a.work is there.
func (a *Authenticator) startLook(ctx context.Context) bool {
	w := a.work
	switch {
	case w.flight != nil:
		return w.flight.look
	case a.persister == nil, w.pending != nil: // what is pending is newer than what is stored
		return false
	case a.cfg.clock().Monotonic() < w.lookAt:
		return false
	}
	w.flight = &flight{done: make(chan struct{}), look: true}
	a.pin()
	go a.look(context.WithoutCancel(ctx), w.flight)
	return true
}

// look adopts the token in the store if it is newer than the one in use and
// good. Otherwise the waiting goes on as before, whatever has kept it from that.
func (a *Authenticator) look(ctx context.Context, f *flight) {
	clock := a.cfg.clock()
	started, begun := clock.Now(), clock.Monotonic()
	outcome, err := a.lookOnce(ctx)

	a.mu.Lock()
	w, h := a.work, a.token.Load()
	switch {
	case h == nil:
		w.succeeded()
		f.err = ErrReauthorize
	case outcome == RefreshAdopted:
		w.succeeded()
		f.held = h
	default:
		w.lookAt = clock.Monotonic() + lookEvery
		f.err = &TemporaryError{RetryAfter: a.backoffLeft(), Err: w.err}
	}
	event := RefreshEvent{
		Outcome: outcome, Token: a.Current(), Err: err,
		Started: started, Duration: clock.Monotonic() - begun, Waiters: f.waiters,
	}
	a.mu.Unlock()

	if a.cfg.OnRefresh != nil && outcome != RefreshTemporary {
		a.cfg.OnRefresh(a, event)
	}
	a.mu.Lock()
	w.flight = nil
	a.settle()
	a.mu.Unlock()
	close(f.done)
}

// lookOnce looks into the store. RefreshTemporary says that there was nothing to
// adopt.
func (a *Authenticator) lookOnce(ctx context.Context) (RefreshOutcome, error) {
	ctx, cancel := context.WithTimeout(ctx, min(lookTimeout, a.cfg.timeout()))
	defer cancel()
	switch stored, err := a.persister.Load(ctx); {
	case errors.Is(err, ErrGone):
		a.End()
		return RefreshSuperseded, err
	case err != nil:
		return RefreshTemporary, err
	case a.Ended():
		return RefreshSuperseded, ErrGone
	case stored.equal(a.Current()) || !a.adopt(stored):
		return RefreshTemporary, nil
	}
	return RefreshAdopted, nil
}
