package upstream

import (
	"sync/atomic"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

const (
	// withdrawnFor is how long a form counts as withdrawn once its new form has
	// succeeded where the old was refused. Then the old form is tried again: the app
	// may have been given it back.
	withdrawnFor = 24 * time.Hour
	// currentFor is how long a refusal of a form is not taken for a withdrawal,
	// once the form has succeeded.
	currentFor = time.Hour
)

var formsPool = newPerClient(NewForms)

// Forms is what Spotify's responses have told of the forms of operations that an app
// may use. It is in memory only and of fixed size. It is safe for concurrent use and
// takes no lock.
type Forms struct {
	// state has for each of webapi.OldForms until when it counts as withdrawn, by
	// the monotonic clock in nanoseconds; negated, until when as current; 0 if
	// nothing is known.
	state []atomic.Int64
}

// NewForms returns Forms that know nothing.
func NewForms() *Forms { return &Forms{state: make([]atomic.Int64, len(webapi.OldForms))} }

// AcquireForms returns the Forms of a client ID, and what lets go of them.
func AcquireForms(clientID string) (*Forms, func() error) { return formsPool.acquire(clientID) }

// withdrawn reports whether the app is known not to have a form any more, and current
// whether it is known to have it.
func (f *Forms) withdrawn(form *webapi.OldForm) bool {
	return f.state[form.Index].Load() > int64(clock.Get().Monotonic())
}

func (f *Forms) current(form *webapi.OldForm) bool {
	return -f.state[form.Index].Load() > int64(clock.Get().Monotonic())
}

// noteWithdrawn remembers that the app lacks a form, and reports whether that is news.
func (f *Forms) noteWithdrawn(form *webapi.OldForm) bool {
	until := int64(clock.Get().Monotonic() + withdrawnFor)
	return f.state[form.Index].Swap(until) <= 0
}

// noteCurrent remembers that the app has a form.
func (f *Forms) noteCurrent(form *webapi.OldForm) {
	f.state[form.Index].Store(-int64(clock.Get().Monotonic() + currentFor))
}

// anyWithdrawn reports whether the app is known to lack one of the forms, and anyCurrent
// whether it is known to have one.
func (f *Forms) anyWithdrawn() bool { return f.any(1) }

func (f *Forms) anyCurrent() bool { return f.any(-1) }

func (f *Forms) any(sign int64) bool {
	now := int64(clock.Get().Monotonic())
	for i := range f.state {
		if sign*f.state[i].Load() > now {
			return true
		}
	}
	return false
}
