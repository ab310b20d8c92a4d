package player

import (
	"context"
	"time"
)

// poll asks whenever the schedule says so, until ctx ends. Where there are other
// instances it does so while it has the lease, and otherwise after commands only.
func (t *topic) poll(ctx context.Context) {
	if t.hub.board == nil {
		for ctx.Err() == nil {
			t.wait(ctx, nil, t.next(true))
			if ctx.Err() == nil && t.next(true) <= t.hub.clock.Monotonic() {
				t.ask(ctx)
			}
		}
		return
	}
	m := &member{topic: t, board: t.hub.board(t.account)}
	m.run(ctx)
}

// next is when to ask.
func (t *topic) next(polls bool) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if polls {
		return t.schedule.Next()
	}
	if at, ok := t.schedule.NextCommand(); ok {
		return at
	}
	return t.hub.clock.Monotonic() + time.Hour
}

// wait waits until a time by the monotonic clock, or until the poller is roused, the
// lease is lost, or ctx ends.
func (t *topic) wait(ctx context.Context, lost <-chan struct{}, until time.Duration) {
	due := make(chan struct{})
	stop := t.hub.clock.AfterFunc(max(0, until-t.hub.clock.Monotonic()), func() { close(due) })
	defer stop()
	select {
	case <-due:
	case <-t.wake:
	case <-lost:
	case <-ctx.Done():
	}
}
