package caddyspotify

import "time"

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

// trust judges by checked: when the store last confirmed the session, negative
// if the store was out of reach then, or 0 if it must be asked before the next
// use.
func (s *session) trust(now int64, watched bool) trust {
	checked := s.checked.Load()
	age, again := now-checked, int64(revalidateAfter/time.Second)
	if checked < 0 {
		age, again, watched = now+checked, int64(retryAfterOutage/time.Second), false
	}
	switch {
	case checked == 0:
		return trustNot
	case watched || age < again:
		return trustFully
	case age < 2*int64(revalidateAfter/time.Second):
		return trustForNow
	}
	return trustNot
}
