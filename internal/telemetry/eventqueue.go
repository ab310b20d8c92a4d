package telemetry

import (
	"sync"
)

// maxWaitingEvents bounds the events that wait for slow handlers.
const maxWaitingEvents = 1024

// Queue emits one event after the other, so that a slow handler delays
// neither a refresh nor, if there are many events, anything else.
type Queue struct {
	// Spawn runs what empties the queue in a goroutine that its owner waits for,
	// unless that has ended.
	Spawn func(func()) bool

	mu      sync.Mutex
	waiting []func()
	running bool
}

// EmitLater is emit in the background, for what no request waits for.
func (a *Observers) EmitLater(name string, s Subject, p Payload) {
	o := a.Observer()
	if !o.wants(name) {
		return
	}
	q := &a.Queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaitingEvents {
		o.Metrics.eventDropped()
		return
	}
	// Who is in charge may change while the event waits.
	q.waiting = append(q.waiting, func() { a.Observer().Emit(name, s, p) })
	if !q.running {
		q.running = q.Spawn(q.emitWaiting)
	}
}

func (q *Queue) emitWaiting() {
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
