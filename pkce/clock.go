package pkce

import (
	"context"
	"time"
)

// Clock tells the time and runs functions later. The zero Config uses the
// system's clock; tests supply one that they can move.
//
// Wall and monotonic time are told apart on purpose: a token must be refreshed
// as soon as either says so, because the wall clock can be set back, and the
// monotonic clock stands still while a machine sleeps.
type Clock interface {
	// Now returns the wall-clock time.
	Now() time.Time
	// Monotonic returns the time since some fixed moment; it never goes back.
	Monotonic() time.Duration
	// AfterFunc calls f in its own goroutine after d, as time.AfterFunc does.
	// The function returned stops it and reports whether it did so in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// SystemClock is the Clock of the machine.
type SystemClock struct{}

var processStart = time.Now()

// Now implements Clock. The monotonic reading is stripped.
func (SystemClock) Now() time.Time { return time.Now().Round(0) }

// Monotonic implements Clock.
func (SystemClock) Monotonic() time.Duration { return time.Since(processStart) }

// AfterFunc implements Clock.
func (SystemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// read returns both times of a clock, in Unix nanoseconds and since its fixed
// moment. The system's is asked once: every request pays for it.
func read(c Clock) (wall int64, mono time.Duration) {
	if _, ok := c.(SystemClock); ok {
		now := time.Now()
		return now.UnixNano(), now.Sub(processStart)
	}
	return c.Now().UnixNano(), c.Monotonic()
}

// Sleep waits for d by the clock, or until ctx ends, and then returns ctx's error.
// It does not wait if d is not positive. It leaves no timer behind.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	if !sleep(ctx.Done(), c, d) {
		return ctx.Err()
	}
	return nil
}

// sleep waits for d, or until done is closed, and reports whether it was d.
func sleep(done <-chan struct{}, c Clock, d time.Duration) bool {
	due := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(due) })
	select {
	case <-due:
		return true
	case <-done:
		stop()
		return false
	}
}
