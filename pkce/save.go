package pkce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Backing off after a failed save.
const (
	firstSaveBackoff = 200 * time.Millisecond
	maxSaveBackoff   = 500 * time.Millisecond
)

// pendingSave is a token that is in use and could not be stored. It has a share
// in the lease, so that no other process redeems a refresh token that is used
// up. Between two tries it is a timer and no goroutine.
type pendingSave struct {
	next   *Token   // what the store should hold
	stored []*Token // what it may hold: the token before, and those whose save may have worked
	tries  int
	stop   func() bool   // stops the timer of the next try
	saving chan struct{} // closed when the try under way is over; nil between tries
	over   bool          // nothing is left but to release the lease
}

var errSavePending = errors.New("the new token will be saved when the one before it is")

// save stores next in place of old and puts it to use. If the store is out of
// reach next is used all the same, and the save stays pending: losing a rotated
// refresh token would lose the session.
func (a *Authenticator) save(ctx context.Context, old, next *Token) attempt {
	rotated := next.refresh != old.refresh
	a.mu.Lock()
	if a.token.Load() == nil {
		a.mu.Unlock()
		return attempt{outcome: RefreshSuperseded, err: ErrGone, rotated: rotated}
	}
	if p := a.work.pending; p != nil && !p.over {
		p.next = next
		a.hold(next)
		a.mu.Unlock()
		return attempt{outcome: RefreshRefreshed, err: errSavePending, rotated: rotated}
	}
	a.mu.Unlock()

	current, err := a.trySave(ctx, old, next)
	switch {
	case errors.Is(err, ErrGone):
		a.End()
		return attempt{outcome: RefreshSuperseded, err: err, rotated: rotated}
	case err != nil:
		return a.saveLater(old, next, err)
	case !a.use(current):
		return attempt{outcome: RefreshSuperseded, err: ErrGone, rotated: rotated}
	case !current.equal(next):
		return attempt{outcome: RefreshAdopted}
	}
	return attempt{outcome: RefreshRefreshed, rotated: rotated}
}

// saveLater puts next to use and leaves its save pending.
func (a *Authenticator) saveLater(old, next *Token, err error) attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	rotated := next.refresh != old.refresh
	if a.token.Load() == nil {
		return attempt{outcome: RefreshSuperseded, err: ErrGone, rotated: rotated}
	}
	a.hold(next)
	a.work.users++
	a.work.pending = &pendingSave{next: next, stored: []*Token{old, next}}
	a.scheduleSave()
	return attempt{outcome: RefreshRefreshed, err: fmt.Errorf("the new token is not saved yet: %w", err), rotated: rotated}
}

// mayBeStored returns the tokens that the store may hold while t is in use.
func (a *Authenticator) mayBeStored(t *Token) []*Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.persister == nil:
		return nil
	case a.work.pending == nil || a.work.pending.over:
		return []*Token{t}
	}
	return slices.Clone(a.work.pending.stored)
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
	next, ended := p.next, a.token.Load() == nil
	if !slices.ContainsFunc(p.stored, next.equal) {
		p.stored = append(p.stored, next)
	}
	stored := slices.Clone(p.stored)
	a.mu.Unlock()

	var current *Token
	var err error
	if !ended {
		current, err = a.trySave(ctx, stored[0], next)
		if err == nil && !current.equal(next) && slices.ContainsFunc(stored, current.equal) {
			// An earlier save worked without anybody knowing.
			current, err = a.trySave(ctx, current, next)
		}
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
		p.stored, p.tries, again = []*Token{next}, 0, true
	}
	if again {
		p.saving = nil
		a.scheduleSave()
		a.mu.Unlock()
		return
	}
	defer a.mu.Unlock()
	p.over = true
	a.release(context.WithoutCancel(ctx))
	// The lock was open while the lease went back: there may be another pending
	// save by now, or nothing left to do at all.
	if a.work != nil && a.work.pending == p {
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
		a.hurry()
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
		if err := Sleep(ctx, a.cfg.clock(), firstSaveBackoff); err != nil {
			return fmt.Errorf("a refreshed token is not saved: %w", err)
		}
	}
}
