package player

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// askTimeout bounds one attempt, a refresh of the token included.
	askTimeout = 30 * time.Second
	// minLimited is the least that is waited if there is no response for a while.
	minLimited = 5 * time.Second
	// keepState is how long what is known is kept after the last listener has left.
	keepState = time.Minute
	// freshEnough is how old a state may be that somebody who comes is shown without
	// asking for a newer one.
	freshEnough = 5 * time.Second
	// maxArrivals and arrivalEvery bound how often it is asked because somebody comes: so
	// many times at once, and once in so long.
	maxArrivals  = 5
	arrivalEvery = 5 * time.Minute
)

// topic is one account's player.
type topic struct {
	hub       *Hub
	account   string
	wake      chan struct{} // has room for one
	published atomic.Pointer[published]

	mu        sync.Mutex
	schedule  Schedule
	listeners map[*Listener]struct{}
	stop      context.CancelFunc // of the poller; nil if nobody listens
	stopped   chan struct{}      // closed when the poller before has ended
	seq       uint64
	view      View // of what is published

	arrivals   float64 // left
	arrivalsAt time.Duration
}

func newTopic(h *Hub, account string) *topic {
	t := &topic{
		hub: h, account: account, wake: make(chan struct{}, 1), listeners: make(map[*Listener]struct{}),
		stopped: make(chan struct{}), arrivals: maxArrivals, arrivalsAt: h.clock.Monotonic(),
	}
	close(t.stopped)
	return t
}

// join adds a listener, and reports whether it is the first.
func (t *topic) join(l *Listener) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first = len(t.listeners) == 0
	t.listeners[l] = struct{}{}
	p := t.published.Load()
	now := t.hub.clock.Monotonic()
	if p != nil && p.known {
		if l.sub.LastID == p.id {
			l.seen = p.seq[l.view]
		}
		if age := t.hub.clock.Now().Sub(p.observed); age > freshEnough && t.admitArrival(now) || t.view.index() < l.view {
			t.schedule.Wanted(now)
		}
	}
	l.signal()
	if first {
		ctx, cancel := context.WithCancel(t.hub.ctx)
		before, done := t.stopped, make(chan struct{})
		t.stop, t.stopped = cancel, done
		t.hub.running.Go(func() {
			defer close(done)
			<-before
			t.poll(ctx)
		})
	} else {
		t.rouse()
	}
	return first
}

// admitArrival reports whether it may be asked because somebody has come.
func (t *topic) admitArrival(now time.Duration) bool {
	t.arrivals = min(maxArrivals, t.arrivals+float64(now-t.arrivalsAt)/float64(arrivalEvery))
	t.arrivalsAt = now
	if t.arrivals < 1 {
		return false
	}
	t.arrivals--
	return true
}

// leave removes a listener. Without one, nothing is asked any more.
func (t *topic) leave(l *Listener) {
	t.mu.Lock()
	delete(t.listeners, l)
	last := len(t.listeners) == 0
	if last && t.stop != nil {
		t.stop()
		t.stop = nil
	}
	t.mu.Unlock()
	t.hub.left(t, l, last)
}

// forgotten reports whether nobody listens.
func (t *topic) forgotten() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.listeners) == 0
}

func (t *topic) end(of func(*Listener) *ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.listeners {
		if f := of(l); f != nil {
			l.end(f)
		}
	}
}

func (t *topic) commanded() {
	t.mu.Lock()
	t.schedule.Commanded(t.hub.clock.Monotonic())
	t.mu.Unlock()
	t.rouse()
}

// rouse has the poller look at the schedule again.
func (t *topic) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// spokesman returns the listener whose source is asked: one that gets all of the
// player, if there is one.
func (t *topic) spokesman() *Listener {
	t.mu.Lock()
	defer t.mu.Unlock()
	var some *Listener
	for l := range t.listeners {
		if l.final.Load() != nil {
			continue
		}
		if l.sub.View == (View{Whole: true, Episodes: true}) {
			return l
		}
		if some == nil || l.view > some.view {
			some = l
		}
	}
	return some
}

// ask asks once and tells the listeners.
func (t *topic) ask(ctx context.Context) {
	l := t.spokesman()
	if l == nil {
		// Those that are left have been told to go.
		t.mu.Lock()
		defer t.mu.Unlock()
		t.schedule.Failed(t.hub.clock.Monotonic())
		return
	}
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := t.hub.clock.Monotonic()
	res, err := l.sub.Source.Ask(bounded)
	arrived, wall := t.hub.clock.Monotonic(), t.hub.clock.Now()
	trip := arrived - asked

	var st State
	if err == nil {
		st, err = Parse(res.Body)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch limit, ended := asLimited(err), asEnded(err); {
	case err == nil:
		t.schedule.Scarcity(res.Scarcity)
		change := t.schedule.Observed(asked+trip/2, st)
		t.publish(change, st, res.Body, res.View, wall.Add(-trip/2), "")
	case limit != nil:
		wait := max(limit.Wait, minLimited)
		t.schedule.Limited(arrived, wait)
		t.publishLimited(limit.Reason, wall.Add(wait))
	case ended != nil:
		// Others of this account may have theirs still.
		for other := range t.listeners {
			if other.sub.Grant == l.sub.Grant {
				other.end(endedBy(ended, len(t.listeners)))
			}
		}
		t.schedule.Wanted(arrived)
	case ctx.Err() != nil:
		// Nobody listens any more.
	default:
		if pause, times := t.schedule.Failed(arrived); times > 1 {
			t.publishLimited(failureReason(err), wall.Add(pause))
		}
		if t.hub.failed != nil {
			t.hub.failed(t.account, err)
		}
	}
}

// endedBy is what a listener of so many is told of the end of its access.
func endedBy(e *EndedError, of int) *ending {
	if e.Return {
		return &ending{event: eventBye, reason: e.Reason, retry: comeBack(of)}
	}
	return &ending{event: eventLoginRequired, reason: e.Reason, retry: afterLogin}
}

func asLimited(err error) *LimitedError {
	e, _ := errors.AsType[*LimitedError](err)
	return e
}

func asEnded(err error) *EndedError {
	e, _ := errors.AsType[*EndedError](err)
	return e
}

// failureReason is what listeners are told of an error that has no other name.
func failureReason(err error) string {
	if e, ok := errors.AsType[*TemporaryError](err); ok {
		return e.Reason
	}
	return "upstream_unavailable"
}

// publish tells the listeners of a state, if it is a change for them. The id is given
// if another instance has named the state. t is locked.
func (t *topic) publish(change Change, st State, raw []byte, view View, observed time.Time, id string) {
	old := t.published.Load()
	if old == nil {
		old = new(published)
	}
	p := &published{known: true, id: id, observed: observed, state: st, bodies: newBodies(raw, st), seq: old.seq}
	p.limited.seq = old.limited.seq
	restored := old.limited.reason != "" // listeners know by a new state that it is over
	widened := view.index() > t.view.index()
	t.view = view
	news := change != None || !old.known || restored || id != "" && id != old.id
	if !news && !widened {
		p.id = old.id
		p.frames = new([views]atomic.Pointer[frame])
		t.published.Store(p)
		return
	}
	t.seq++
	for v := range p.seq {
		// Whoever sees a part only is not told of the rest.
		if change == Expected || change == Unexpected || !old.known || restored || old.bodies[v].rest != p.bodies[v].rest {
			p.seq[v] = t.seq
		}
	}
	if p.id == "" {
		p.id = newID(old.id, observed)
	}
	t.tell(p)
}

// publishLimited tells the listeners that there is nothing new for a while. t is locked.
func (t *topic) publishLimited(reason string, until time.Time) {
	p := new(published)
	if old := t.published.Load(); old != nil {
		*p = *old
	}
	if p.limited.reason == reason && (p.limited.until.Sub(until)).Abs() < time.Second {
		return
	}
	t.seq++
	p.limited = limited{reason, until, t.seq}
	t.tell(p)
}

// tell publishes what is new. t is locked.
func (t *topic) tell(p *published) {
	p.frames = new([views]atomic.Pointer[frame])
	t.published.Store(p)
	for l := range t.listeners {
		l.signal()
	}
}

// newID names a state by when it was first seen. It is not the one before, whatever
// the wall clock does.
func newID(before string, observed time.Time) string {
	id := strconv.FormatInt(observed.UnixMilli(), 36)
	if id == before {
		id += "-"
	}
	return id
}
