package pkce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Backing off after a failed save.
const (
	firstSaveBackoff = 200 * time.Millisecond
	maxSaveBackoff   = 15 * time.Second
)

// pendingSave is a token that is in use and could not be stored. It keeps the
// lease, so that no other process redeems the refresh token that is used up.
// Between two tries it is a timer and no goroutine.
type pendingSave struct {
	lease  Lease
	old    *Token // what the store holds
	next   *Token // what it should hold
	tries  int
	stop   func() bool   // stops the timer of the next try
	saving chan struct{} // closed when the try under way is over; nil between tries
	over   bool          // nothing is left but to release the lease
}

var errSavePending = errors.New("the new token will be saved when the one before it is")

// save stores next in place of old and puts it to use. If the store is out of
// reach next is used all the same, and the save stays pending: losing a rotated
// refresh token would lose the session.
func (a *Authenticator) save(ctx context.Context, lease Lease, old, next *Token, keep *bool) (RefreshOutcome, error) {
	a.mu.Lock()
	if a.token.Load() == nil {
		a.mu.Unlock()
		return RefreshSuperseded, ErrGone
	}
	if p := a.work.pending; p != nil && !p.over {
		p.next = next
		a.hold(next)
		a.mu.Unlock()
		return RefreshRefreshed, errSavePending
	}
	a.mu.Unlock()

	current, err := a.trySave(ctx, old, next)
	switch {
	case err == nil && current.equal(next):
		if !a.use(next) {
			return RefreshSuperseded, ErrGone
		}
		return RefreshRefreshed, nil
	case err == nil:
		if !a.use(current) {
			return RefreshSuperseded, ErrGone
		}
		return RefreshAdopted, nil
	case errors.Is(err, ErrGone):
		a.End()
		return RefreshSuperseded, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token.Load() == nil {
		return RefreshSuperseded, ErrGone
	}
	a.hold(next)
	a.work.pending = &pendingSave{lease: lease, old: old, next: next}
	*keep = true
	a.scheduleSave()
	return RefreshRefreshed, fmt.Errorf("the new token is not saved yet: %w", err)
}

func (a *Authenticator) trySave(ctx context.Context, old, next *Token) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.timeout())
	defer cancel()
	return a.persister.Save(ctx, old, next)
}

// scheduleSave sets the timer for the next try. a.mu is held.
func (a *Authenticator) scheduleSave() {
	p := a.work.pending
	wait := min(firstSaveBackoff<<min(p.tries, 10), maxSaveBackoff)
	p.tries++
	p.stop = a.cfg.clock().AfterFunc(wait/2+rand.N(wait/2+1), func() { a.retrySave(context.Background(), p) })
}

// retrySave tries once more to save what is pending. Two tries do not run at
// once; the second waits for the first.
func (a *Authenticator) retrySave(ctx context.Context, p *pendingSave) {
	a.mu.Lock()
	if a.work == nil || a.work.pending != p {
		a.mu.Unlock()
		return
	}
	if saving := p.saving; saving != nil {
		a.mu.Unlock()
		select {
		case <-saving:
		case <-ctx.Done():
		}
		return
	}
	p.stop()
	saving := make(chan struct{})
	p.saving = saving
	defer close(saving)
	old, next, ended := p.old, p.next, a.token.Load() == nil
	a.mu.Unlock()

	var current *Token
	var err error
	if !ended {
		current, err = a.trySave(ctx, old, next)
	}

	a.mu.Lock()
	again := false
	switch {
	case a.token.Load() == nil: // a logout needs no save
	case errors.Is(err, ErrGone):
		a.token.Store(nil)
	case err != nil:
		again = true
	case !current.equal(next):
		a.hold(current)
	case !p.next.equal(next):
		// Refreshed again while it was saved: there is a newer one to save.
		p.old, p.tries, again = next, 0, true
	}
	if again {
		p.saving = nil
		a.scheduleSave()
		a.mu.Unlock()
		return
	}
	p.over = true
	a.mu.Unlock()
	a.release(context.WithoutCancel(ctx), p.lease)

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.work.pending == p {
		a.work.pending = nil
	}
	a.settle()
}

// dropPending gives up a pending save, because the session is over. a.mu is held.
func (a *Authenticator) dropPending() {
	if a.work == nil || a.work.pending == nil {
		return
	}
	// If the timer cannot be stopped a try is under way, and sees to the rest.
	if p := a.work.pending; p.stop() {
		go a.retrySave(context.Background(), p)
	}
}

// Flush waits until no refresh is under way and nothing is left to be saved,
// trying a pending save at once and then at short intervals. It returns ctx's
// error if that takes too long.
func (a *Authenticator) Flush(ctx context.Context) error {
	for {
		a.mu.Lock()
		if !a.work.busy() {
			a.mu.Unlock()
			return nil
		}
		f, p := a.work.flight, a.work.pending
		a.mu.Unlock()
		if f != nil {
			select {
			case <-f.done:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		a.retrySave(ctx, p)
		a.mu.Lock()
		failed := a.work != nil && a.work.pending == p
		a.mu.Unlock()
		if !failed {
			continue
		}
		due := make(chan struct{})
		stop := a.cfg.clock().AfterFunc(firstSaveBackoff, func() { close(due) })
		select {
		case <-due:
		case <-ctx.Done():
			stop()
			return fmt.Errorf("a refreshed token is not saved: %w", ctx.Err())
		}
	}
}
