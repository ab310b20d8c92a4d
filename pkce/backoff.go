package pkce

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Backing off after a failed refresh.
const (
	firstBackoff = time.Second
	maxBackoff   = time.Minute

	maxPersisterBackoff = 5 * time.Second
)

// backoff is how long to wait after the nth failure in a row, with jitter so
// that many sessions do not come back at once. A server that says when to come
// back is never asked earlier.
func backoff(n int, err error) time.Duration {
	wait := min(firstBackoff<<min(n-1, 10), maxBackoff)
	if _, refused := errors.AsType[*TokenError](err); refused && !errors.Is(err, ErrTemporary) {
		// Something is wrong with the app or the request. Haste does not help.
		wait = maxBackoff
	}
	if errors.Is(err, ErrPersister) {
		// A store of one's own is not hurt by being asked, and users wait.
		wait = min(wait, maxPersisterBackoff)
	}
	if t, ok := errors.AsType[*TemporaryError](err); ok {
		wait = max(wait, t.RetryAfter)
	}
	return wait + rand.N(min(wait, maxBackoff)/4+1)
}

// failed notes a failed attempt and returns the error for those who waited for it.
func (w *work) failed(now time.Duration, err error) error {
	w.failures++
	wait := backoff(w.failures, err)
	w.retryAt, w.lookAt = now+wait, now+lookEvery
	if t, ok := errors.AsType[*TemporaryError](err); ok && t.Err != nil {
		err = t.Err // there is only one time to wait
	}
	w.err = err
	return &TemporaryError{RetryAfter: wait, Err: err}
}

// succeeded forgets the failures there were.
func (w *work) succeeded() { w.failures, w.retryAt, w.err = 0, 0, nil }

// backoffLeft returns how long to wait before the next attempt. a.mu is held.
func (a *Authenticator) backoffLeft() time.Duration {
	if a.work == nil || a.work.failures == 0 {
		return 0
	}
	return max(0, a.work.retryAt-a.cfg.clock().Monotonic())
}
