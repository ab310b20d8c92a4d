package caddyspotify

import "sync"

// maxWaitingEvents bounds the events that wait for slow handlers.
const maxWaitingEvents = 1024

// eventQueue emits one event after the other, so that a slow handler delays
// neither a refresh nor, if there are many events, anything else.
type eventQueue struct {
	// spawn runs what empties the queue in a goroutine that its owner waits for,
	// unless that has ended.
	spawn func(func()) bool

	mu      sync.Mutex
	waiting []func()
	running bool
}

// emitLater is emit in the background, for what no request waits for.
func (a *audience) emitLater(name string, s identified, p payload) {
	o := a.observer()
	if !o.wants(name) {
		return
	}
	q := &a.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaitingEvents {
		o.metrics.eventDropped()
		return
	}
	// Who is in charge may change while the event waits.
	q.waiting = append(q.waiting, func() { a.observer().emit(name, s, p) })
	if !q.running {
		q.running = q.spawn(q.emitWaiting)
	}
}

func (q *eventQueue) emitWaiting() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting, q.running = nil, false
			q.mu.Unlock()
			return
		}
		emit := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		emit()
	}
}
