// Package fakeclock is a clock that tests move by hand.
package fakeclock

import (
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
)

// Clock implements pkce.Clock. Its wall and monotonic time move together with
// Advance and apart with Jump. The zero value is not usable; call New.
// It is safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	wall   time.Time
	mono   time.Duration
	timers map[*timer]struct{}
}

type timer struct {
	at time.Duration
	f  func()
}

// New returns a clock that stands at the given wall-clock time.
func New(wall time.Time) *Clock {
	return &Clock{wall: wall.Round(0), timers: make(map[*timer]struct{})}
}

// Now returns the wall-clock time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// Monotonic returns the time advanced since New.
func (c *Clock) Monotonic() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

// AfterFunc runs f in its own goroutine once the clock has advanced by d.
func (c *Clock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 {
		go f()
		return func() bool { return false }
	}
	t := &timer{at: c.mono + d, f: f}
	c.timers[t] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, pending := c.timers[t]
		delete(c.timers, t)
		return pending
	}
}

// Advance moves both clocks on by d and starts the functions that are due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.mono += d
	for t := range c.timers {
		if t.at <= c.mono {
			delete(c.timers, t)
			go t.f()
		}
	}
}

// Jump sets the wall clock forward or back by d, as an operator or NTP does,
// and leaves the monotonic clock alone.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// Timers returns the number of functions waiting to run.
func (c *Clock) Timers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Install makes c the clock of the servers that the test starts.
func (c *Clock) Install(t testing.TB) {
	t.Helper()
	t.Cleanup(clock.Set(c))
}
