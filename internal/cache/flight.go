package cache

import (
	"context"
	"time"
)

// Flight is a request under way. Its zero value is room for one.
type Flight struct {
	cache  *Cache
	acct   *account
	family string
	key    Key
	asks   Asks
	epoch  uint64

	// Guarded by cache.accounts.mu:
	callers  int // who want the response
	sealed   bool
	finished bool
	done     chan struct{} // nil unless somebody else has joined; closed by Finish
	cancel   context.CancelFunc
	outcome  *Outcome // for those who have joined, once it is finished
}

// Outcome is what came of a flight. Without response and error, those who joined it
// have to ask for themselves.
type Outcome struct {
	Response *Response
	Err      error
	// Fresh is how long a response is kept, and Stale how long after that it may
	// be shown while there is no newer one.
	Fresh, Stale time.Duration
	// FailFor is for how long an error is what those get who ask.
	FailFor time.Duration
	// Supersedes says that what is kept of the key is no longer right, although
	// there is nothing to keep in its place.
	Supersedes bool
}

// OnAbandon sets what is called when nobody waits for the flight any more.
func (f *Flight) OnAbandon(cancel context.CancelFunc) {
	f.cache.accounts.mu.Lock()
	defer f.cache.accounts.mu.Unlock()
	f.cancel = cancel
}

// Join has the caller wait for a flight that it does not lead itself, or has somebody
// else lead. It is called before Finish.
func (f *Flight) Join() {
	f.cache.accounts.mu.Lock()
	defer f.cache.accounts.mu.Unlock()
	f.join()
}

// join counts one more caller. accounts.mu is held.
func (f *Flight) join() {
	f.callers++
	if f.done == nil {
		f.done = make(chan struct{})
	}
}

// Leave says that the leader no longer wants the response. It is called once, before
// or after Finish.
func (f *Flight) Leave() { f.leave(true) }

// leave takes one of the callers out. A flight that has landed is the leader's alone.
func (f *Flight) leave(leader bool) {
	f.cache.accounts.mu.Lock()
	f.callers--
	var cancel context.CancelFunc
	if f.callers == 0 || leader && f.finished {
		f.sealed = true
		cancel = f.cancel
	}
	f.cache.accounts.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// SealIfAlone lets nobody join any more, if nobody has, and reports that.
func (f *Flight) SealIfAlone() bool {
	f.cache.accounts.mu.Lock()
	defer f.cache.accounts.mu.Unlock()
	f.sealed = f.sealed || f.done == nil
	return f.done == nil
}

// Finish ends a flight. The response is kept if nothing has happened to the account
// since the flight began, which it reports. Further calls do nothing.
func (f *Flight) Finish(o Outcome) (kept bool) {
	a := f.cache.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.finished {
		return false
	}
	f.finished, f.sealed = true, true
	current := f.epoch == f.acct.epoch
	switch {
	case current && !f.asks.NoStore && (o.Response != nil && o.Fresh > 0 || o.FailFor > 0):
		kept = f.cache.keep(f, o)
	case o.Supersedes:
		f.cache.recent.Remove(entryKey{f.acct.id, f.key})
	}
	f.acct.land(f)
	a.release(f.acct)
	if f.done != nil {
		f.outcome = new(o)
		close(f.done)
	}
	return kept
}

// Wait waits for the outcome of a flight that the caller has joined. The error is
// ctx's.
func (f *Flight) Wait(ctx context.Context) (Outcome, error) {
	select {
	case <-f.done:
		return *f.outcome, nil
	case <-ctx.Done():
		f.leave(false)
		return Outcome{}, ctx.Err()
	}
}
