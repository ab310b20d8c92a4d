package pkce

import (
	"context"
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
func (a *Authenticator) await(ctx context.Context, force bool) (_ *Token, err error) {
	ctx, end := a.cfg.trace(ctx, StepWait)
	defer func() { end(err) }()
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
		go a.run(context.WithoutCancel(ctx), f, f.early)
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

// run runs one refresh and lands it.
func (a *Authenticator) run(ctx context.Context, f *flight, early <-chan struct{}) {
	if f.background {
		a.putOff(early)
	}
	clock := a.cfg.clock()
	started, begun := clock.Now(), clock.Monotonic()
	ctx, end := a.cfg.trace(ctx, StepRefresh)
	result := a.refresh(ctx)
	end(result.err)

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
