package ratelimit

import (
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

const (
	// MaxClosed bounds how long one response can close an operation. Spotify has
	// been seen to ask for most of a day.
	MaxClosed = 24 * time.Hour

	// FirstProbe is the longest that a closed operation waits for its first probe.
	// The time doubles with each probe that is refused, up to LastProbe.
	FirstProbe = 15 * time.Minute

	// LastProbe is the longest time between two probes.
	LastProbe = time.Hour

	// probeBound is how long the outcome of a probe is waited for before the
	// next caller becomes the probe.
	probeBound = 15 * time.Second

	// yield is how long an operation that is closed itself leaves the app's probe to
	// others: if it is the only one that is limited, one of them has to go.
	yield = 5 * time.Second

	// probeWait is what callers are told while a probe is under way.
	probeWait = time.Second
)

// Scope says how much is closed.
type Scope string

// The scopes.
const (
	ScopeOperation Scope = "operation"
	ScopeFamily    Scope = "family"
	ScopeApp       Scope = "app"
)

// Limit is something that is closed, for people.
type Limit struct {
	Scope Scope
	// Name is the operation's, as webapi.Bucket returned it and with words of a
	// client's in it perhaps, or the family's, or "app".
	Name string
	// Family is the operation's, or the name of the family, or empty.
	Family string
	// Since is when it closed.
	Since time.Time
	// Until is when Spotify is expected to serve it again. It may be past if
	// nothing has been sent since.
	Until time.Time
	// NextProbe is when the next request may go to see.
	NextProbe time.Time
	// Reason is RateLimited or QuotaExceeded.
	Reason reason.Reason
}

// closure is an operation, a family or the app as far as it is closed. It is guarded
// by the Gate's mutex.
type closure struct {
	scope        Scope
	name, family string

	closed              bool
	since               time.Time
	until, next         time.Duration // monotonic
	untilWall, nextWall time.Time
	why                 reason.Reason
	probe               uint64 // the probe under way; 0 if none
	probeAt             time.Duration
	failed              int // probes refused in a row
}

func (c *closure) limit() Limit {
	return Limit{c.scope, c.name, c.family, c.since, c.untilWall, c.nextWall, c.why}
}

// left is the time until it is expected to open.
func (c *closure) left(now time.Duration, wall time.Time) time.Duration {
	if !c.closed {
		return 0
	}
	return max(0, min(c.until-now, c.untilWall.Sub(wall)))
}

// due is the time until a probe is due. It is negative if one is.
func (c *closure) due(now time.Duration, wall time.Time) time.Duration {
	return min(c.next-now, c.nextWall.Sub(wall))
}

// wait is the time until the next probe may go; 0 if one may now.
func (c *closure) wait(now time.Duration, wall time.Time) time.Duration {
	if wait := c.due(now, wall); wait > 0 {
		return wait
	}
	if c.probe != 0 && now-c.probeAt < probeBound {
		return probeWait
	}
	return 0
}

// probed reports whether a probe is this closure's, and frees its place.
func (c *closure) probed(probe uint64) bool {
	if !c.closed || probe == 0 || c.probe != probe {
		return false
	}
	c.probe = 0
	return true
}

// set closes for a time, whatever was before.
func (c *closure) set(now time.Duration, wall time.Time, wait time.Duration, why reason.Reason) {
	if !c.closed {
		c.closed, c.since = true, wall
	}
	wait = min(max(wait, time.Second), MaxClosed)
	c.why, c.probe = why, 0
	c.until, c.untilWall = now+wait, wall.Add(wait)
	next := min(wait, FirstProbe<<min(c.failed, 8), LastProbe)
	c.next, c.nextWall = now+next, wall.Add(next)
}

// extend closes for longer what is closed, and reports whether that is worth telling
// anyone. It never shortens.
func (c *closure) extend(now time.Duration, wall time.Time, wait time.Duration, why reason.Reason) bool {
	left := c.left(now, wall)
	if left > 0 && why == reason.QuotaExceeded {
		c.why = why
	}
	if wait <= left {
		return false
	}
	if left > 0 && c.why == reason.QuotaExceeded {
		why = c.why
	}
	c.set(now, wall, wait, why)
	return left == 0 || wait-left >= time.Second // else one of many responses to a rush
}
