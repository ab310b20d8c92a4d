package session

import (
	"time"
)

const (
	// revalidateAfter is how long a cached session is trusted when the store
	// cannot tell of changes by itself. A session in use is then checked in the
	// background; one that lay idle for longer is checked before it is used.
	// So a logout on another instance counts here within twice this time.
	revalidateAfter = 10 * time.Second
	// retryAfterOutage is how soon a store that was out of reach is asked about
	// a session in use again.
	retryAfterOutage = time.Second
)

// trust is how far a cached session may be used without asking the store.
type trust int

const (
	trustFully  trust = iota
	trustForNow       // ask in the background
	trustNot          // ask before use
)

// checkedAt notes when the store confirmed the session, or was out of reach if wall
// is negative: in Unix seconds, and by the monotonic clock.
func (s *Session) checkedAt(wall int64, mono time.Duration) {
	s.checkedMono.Store(int64(mono))
	s.checked.Store(wall)
}

// trust judges by checked: when the store last confirmed the session, negative
// if the store was out of reach then, or 0 if it must be asked before the next
// use. It believes the clock by which that was longer ago: the wall clock can be
// set back, and the monotonic clock stands still while a machine sleeps.
func (s *Session) trust(now int64, watched bool) trust {
	checked := s.checked.Load()
	if checked == 0 {
		return trustNot
	}
	if watched && checked > 0 {
		return trustFully
	}
	age, again := now-checked, int64(revalidateAfter/time.Second)
	if checked < 0 {
		age, again = now+checked, int64(retryAfterOutage/time.Second)
	}
	mono := s.owner.Clock.Monotonic() - time.Duration(s.checkedMono.Load())
	age = max(age, int64(mono/time.Second))
	switch {
	case age < again:
		return trustFully
	case age < 2*int64(revalidateAfter/time.Second):
		return trustForNow
	}
	return trustNot
}
