package player

import (
	"io"
	"sync/atomic"
)

// Subscription says who wants to hear of a player.
type Subscription struct {
	// Account is whose player it is.
	Account string
	// Owner names the session, key or address that the bound on streams holds for.
	Owner string
	// Visitor says that it is an address.
	Visitor bool
	// Grant names the access that the source has, a session or a key. When that ends,
	// so do the streams.
	Grant string
	// Group is what Hub.Dismiss ends the streams of: a configuration. It is compared.
	Group any
	// View is how much of the player the listener may see.
	View View
	// Source asks Spotify on behalf of this listener. It may be asked for others as well.
	Source Source
	// LastID is the id of the event that the client had last, if any.
	LastID string
	// LoginURL is where the visitor can log in again.
	LoginURL string
}

// Listener hears of one player. Its methods are for one goroutine.
type Listener struct {
	topic *topic
	sub   Subscription
	view  int
	ready chan struct{} // has room for one
	final atomic.Pointer[ending]

	seen        uint64
	seenLimited uint64
	left        bool
}

// Ready is signalled when there may be something to write.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// Write writes what the listener has not seen, in the format of text/event-stream. It
// reports whether that was the last of the stream.
func (l *Listener) Write(w io.Writer) (over bool, err error) {
	if f := l.final.Load(); f != nil {
		return true, f.write(w, l.sub.LoginURL)
	}
	p := l.topic.published.Load()
	if p == nil {
		return false, nil
	}
	now := l.topic.hub.clock.Now()
	if p.known && p.seq[l.view] > l.seen {
		l.seen = p.seq[l.view]
		if err := p.write(w, l.view, now); err != nil {
			return false, err
		}
	}
	if p.limited.reason != "" && p.limited.seq > l.seenLimited {
		l.seenLimited = p.limited.seq
		return false, p.limited.write(w, now)
	}
	return false, nil
}

// Leave ends the subscription. It may be called more than once.
func (l *Listener) Leave() {
	if l.left {
		return
	}
	l.left = true
	l.topic.leave(l)
}

// End makes this the listener's last event: its access has ended.
func (l *Listener) End(e *EndedError) { l.end(endedBy(e, 1)) }

// signal says that there may be something to write.
func (l *Listener) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// end makes f the last that the listener hears.
func (l *Listener) end(f *ending) {
	if l.final.CompareAndSwap(nil, f) {
		l.signal()
	}
}
