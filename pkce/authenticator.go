package pkce

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Authenticator keeps one session's token fresh. However many callers there
// are, in however many processes that share a Persister, there is one refresh
// at a time, and its result is saved before it is handed out.
//
// Make it with Config.NewAuthenticator or Config.InitAuthenticator, and do not
// copy it: the zero value is of no use. All methods are safe for concurrent
// use. It owns no goroutine while nothing is under way; Flush waits for what is.
type Authenticator struct {
	cfg       *Config
	persister Persister
	token     atomic.Pointer[held] // nil once the session is over
	mu        sync.Mutex
	work      *work // nil while there is none; guarded by mu
}

// held is a token in use, with what this process knows about it besides. The
// token handed out is the one in here: there may be a million of them.
type held struct {
	Token
	deadline atomic.Int64 // expiry by the monotonic clock, or refused
}

// refused is the deadline of a token that the API said is no longer good.
const refused = math.MinInt64

// phase is where a token is in its life.
type phase int

const (
	fresh   phase = iota // long to live
	ahead                // good, and time to refresh it in the background
	due                  // still valid, but not for as long as callers may count on
	expired              // of no use
)

// phaseOf judges a token by both clocks, and believes the worse: the wall
// clock can be set back, and the monotonic clock stands still while a machine
// sleeps.
func (a *Authenticator) phaseOf(h *held) phase {
	if h.expiry == 0 && h.deadline.Load() != refused {
		return fresh
	}
	left := a.left(h)
	margin, early := a.cfg.margins(h.lifetime)
	switch {
	case left > 0 && h.refresh == "":
		// Nothing can be done for it, so it is good until it is not.
		return fresh
	case left > early:
		return fresh
	case left > margin:
		return ahead
	case left > 0:
		return due
	}
	return expired
}

// left is for how long a token that expires is still good, by the worse clock.
func (a *Authenticator) left(h *held) time.Duration {
	deadline := h.deadline.Load()
	if deadline == refused {
		return 0
	}
	wall, mono := read(a.cfg.clock())
	return min(time.Duration(h.expiry-wall), time.Duration(deadline)-mono)
}

// received returns t as it comes into use.
func (a *Authenticator) received(t *Token) *held {
	h := &held{Token: *t}
	if t.expiry == 0 {
		return h
	}
	wall, mono := read(a.cfg.clock())
	left := time.Duration(t.expiry - wall)
	if t.lifetime > 0 {
		// A clock that was set back since the token was granted does not make
		// it live longer than it was granted for.
		left = min(left, t.lifetime)
	} else {
		h.lifetime = max(left, 0) // it was granted for that at least
	}
	h.deadline.Store(int64(mono + left))
	return h
}

// hold makes t the token in use.
func (a *Authenticator) hold(t *Token) { a.token.Store(a.received(t)) }

// Token returns a token that is good for at least Config.Margin.
//
// A token with long to live is returned at once, without a lock or an
// allocation. One about to expire is returned as well, while a refresh starts
// in the background. Otherwise Token waits for the one refresh that all callers
// share; if that fails for now, a token that has not expired yet is still
// returned. The refresh does not depend on ctx, which ends only this caller's
// waiting.
//
// The error is ErrReauthorize when the session is over, ErrTemporary (with a
// time to wait, see TemporaryError) when trying again helps, or ctx's.
func (a *Authenticator) Token(ctx context.Context) (*Token, error) {
	h := a.token.Load()
	if h == nil {
		return nil, ErrReauthorize
	}
	switch a.phaseOf(h) {
	case fresh:
		return &h.Token, nil
	case ahead:
		a.refreshAhead(ctx)
		return &h.Token, nil
	}
	t, err := a.await(ctx, false)
	if err == nil || ctx.Err() != nil {
		return t, err
	}
	if h := a.token.Load(); h != nil && a.phaseOf(h) != expired {
		return &h.Token, nil
	}
	return nil, err
}

// Current returns the token in use, whatever its age, without refreshing it. It
// returns nil when the session is over.
func (a *Authenticator) Current() *Token {
	if h := a.token.Load(); h != nil {
		return &h.Token
	}
	return nil
}

// Persister returns what NewAuthenticator was given.
func (a *Authenticator) Persister() Persister { return a.persister }

// Invalidate says that the API refused t. The next call of Token refreshes,
// unless t has been replaced since it was used.
func (a *Authenticator) Invalidate(t *Token) {
	if h := a.token.Load(); h != nil && h.equal(t) {
		h.deadline.Store(refused)
	}
}

// Refresh refreshes the token now, however fresh it is, or joins the refresh
// under way. The errors are those of Token; the token in use stays in use if it
// fails.
func (a *Authenticator) Refresh(ctx context.Context) (*Token, error) {
	return a.await(ctx, true)
}

// Adopt makes t, found in the store, the token in use if it is newer than the
// one there. It does nothing while a refresh or a save is under way: that reads
// the store itself.
func (a *Authenticator) Adopt(t *Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.token.Load()
	if h == nil || a.work.busy() || h.equal(t) || t.expiry < h.expiry {
		return
	}
	a.hold(t)
	if a.work != nil {
		a.work.succeeded()
		a.settle()
	}
}

// End ends the session, as a logout does: from now on Token returns
// ErrReauthorize. The result of a refresh under way is dropped and not saved.
func (a *Authenticator) End() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token.Store(nil)
	a.hurry()
	a.dropPending()
}

// Ended reports whether the session is over.
func (a *Authenticator) Ended() bool { return a.token.Load() == nil }
