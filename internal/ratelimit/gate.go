// Package ratelimit stops calling Spotify when Spotify says so.
//
// Spotify counts the requests of an app, over all of its users, in a rolling
// window of 30 seconds, and answers 429 beyond a limit that it does not tell.
// An app that goes on calling is shut out for longer. A Gate, one per client
// id, therefore answers in Spotify's place until the time it asked for has
// passed, lets one request through to see, and then shares what it has learned
// of the limit fairly among the accounts until the rush is over.
package ratelimit

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
)

const (
	// window is the span over which Spotify counts requests.
	// https://developer.spotify.com/documentation/web-api/concepts/rate-limits
	window = 30 * time.Second

	// MaxClosed bounds how long one answer can close a Gate. Spotify has been
	// seen to ask for most of a day.
	MaxClosed = 24 * time.Hour

	// probeBound is how long the outcome of a probe is waited for before the
	// next caller becomes the probe.
	probeBound = 15 * time.Second

	// probeWait is what callers are told while a probe is under way.
	probeWait = time.Second
)

// Clock tells the time. Both clocks are asked because either may mislead: the
// wall clock can be set back, the monotonic one stands still while a machine
// sleeps. A wait is over when either says so. pkce.Clock implements Clock.
type Clock interface {
	Now() time.Time
	Monotonic() time.Duration
}

// Gate decides which requests may go to Spotify. Use New. It is safe for
// concurrent use; while it has nothing to restrict, it takes no lock.
type Gate struct {
	clock Clock

	// engaged is false while the gate is open and nothing is shared out. Then
	// the fields below mu mean nothing.
	engaged  atomic.Bool
	sent     counter // requests admitted
	answered counter // requests that Spotify answered with anything but 429

	mu        sync.Mutex
	closed    bool
	until     time.Duration // monotonic
	untilWall time.Time
	why       reason.Reason
	probe     uint64 // the probe under way; 0 if none
	probeAt   time.Duration
	lastProbe uint64
	openedAt  time.Duration
	strikes   int // times closed in a row
	share     share
}

// New returns an open Gate.
func New(clock Clock) *Gate { return &Gate{clock: clock} }

// Decision is the answer to one request. Report takes it back.
type Decision struct {
	// Admitted says that the request may go to Spotify. Then Report must be
	// called with its outcome. Otherwise the request is to be answered 429.
	Admitted bool
	// Wait is the time after which asking again makes sense, if not admitted.
	Wait time.Duration
	// Reason is RateLimited or QuotaExceeded if not admitted, else empty.
	Reason reason.Reason
	// FairShare says that the gate is open, but the account has had its share.
	FairShare bool

	at    time.Duration // when it was made
	probe uint64
}

// RetryAfter returns Wait in whole seconds, rounded up, at least 1: the value
// of a Retry-After header (RFC 9110 section 10.2.3).
func (d Decision) RetryAfter() int {
	return max(1, int((d.Wait+time.Second-1)/time.Second))
}

// Transition says what a Report did to the gate.
type Transition uint8

// The transitions.
const (
	Unchanged Transition = iota
	Closed               // it closed, or is now closed for longer
	Opened               // it opened
)

// Admit decides about a request of an account. While the gate is open and has
// been for a while, every request is admitted, without a lock or an allocation.
// When the time of a closed gate is up, the next request is admitted as the
// probe; others wait for its outcome.
func (g *Gate) Admit(account string) Decision {
	now := g.clock.Monotonic()
	if !g.engaged.Load() {
		g.sent.add(now)
		return Decision{Admitted: true, at: now}
	}
	wall := g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.share.ask(account, now)
	if !g.closed {
		wait := g.share.admit(a, now, &g.sent)
		if wait > 0 {
			return Decision{Wait: wait, Reason: reason.RateLimited, FairShare: true}
		}
		g.engaged.Store(g.share.active)
		g.sent.add(now)
		return Decision{Admitted: true, at: now}
	}
	if wait := min(g.until-now, g.untilWall.Sub(wall)); wait > 0 {
		return Decision{Wait: wait, Reason: g.why}
	}
	if g.probe != 0 && now-g.probeAt < probeBound {
		return Decision{Wait: probeWait, Reason: g.why}
	}
	g.lastProbe++
	g.probe, g.probeAt = g.lastProbe, now
	a.admitted()
	g.sent.add(now)
	return Decision{Admitted: true, at: now, probe: g.probe}
}

// Report tells the gate the outcome of an admitted request: Spotify's status,
// the Retry-After header if there was one, and whether the reason was
// QUOTA_EXCEEDED. A status of 0 means that there was no answer, or that it
// says nothing of the app's limit; it frees the place of a probe.
//
// A 429 closes the gate for as long as Retry-After says, at least a second and
// at most MaxClosed. Without a valid one, for 5 seconds, doubling to 30 as the
// gate keeps closing; from a minute, doubling to 15, if the quota is exceeded.
// Any other answer to the probe opens it.
func (g *Gate) Report(d Decision, status int, retryAfter string, quotaExceeded bool) Transition {
	if status == http.StatusTooManyRequests {
		return g.refused(d, g.clock.Monotonic(), retryAfter, quotaExceeded)
	}
	if status > 0 {
		// Spotify counts a request when it comes, not when it is answered.
		g.answered.add(d.at)
	}
	if d.probe == 0 {
		return Unchanged
	}
	now := g.clock.Monotonic()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed || d.probe != g.probe {
		return Unchanged
	}
	g.probe = 0
	if status <= 0 {
		return Unchanged
	}
	g.closed, g.openedAt = false, now
	g.share.press(now)
	g.engaged.Store(g.share.active)
	return Opened
}

// refused handles a 429.
func (g *Gate) refused(d Decision, now time.Duration, retryAfter string, quota bool) Transition {
	wall := g.clock.Now()
	wait, told := retryafter.Parse(retryAfter, wall)
	why := reason.RateLimited
	if quota {
		why = reason.QuotaExceeded
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.closed:
		if now-g.openedAt > window {
			g.strikes = 0
		}
		g.strikes++
		if !quota {
			g.share.learn(float64(g.answered.sum(now, window)), now)
		}
	case d.probe != 0 && d.probe == g.probe:
		g.strikes++
	case !told:
		return Unchanged // sent before the gate closed; nothing new
	}
	if !told {
		wait = g.patience(quota)
	}
	return g.close(now, wall, wait, why)
}

// patience is the wait when Spotify names none.
func (g *Gate) patience(quota bool) time.Duration {
	first, most := 5*time.Second, 30*time.Second
	if quota {
		first, most = time.Minute, 15*time.Minute
	}
	return min(most, first<<min(g.strikes-1, 8))
}

// close closes the gate, or keeps it closed for longer. It never shortens.
func (g *Gate) close(now time.Duration, wall time.Time, wait time.Duration, why reason.Reason) Transition {
	wait = min(max(wait, time.Second), MaxClosed)
	left := time.Duration(0)
	if g.closed {
		left = max(0, min(g.until-now, g.untilWall.Sub(wall)))
	}
	if left > 0 && why == reason.QuotaExceeded {
		g.why = why
	}
	if left > 0 && wait <= left {
		return Unchanged
	}
	if left == 0 || g.why != reason.QuotaExceeded {
		g.why = why
	}
	g.closed, g.probe = true, 0
	g.until, g.untilWall = now+wait, wall.Add(wait)
	g.share.press(g.until)
	g.engaged.Store(true)
	if wait-left < time.Second && left > 0 {
		return Unchanged // many answers to one rush: not worth telling anyone
	}
	return Closed
}

// Snapshot returns until when the gate is closed and why, for people. The time
// is zero if the gate is open, and may be past while a closed gate waits for a
// probe.
func (g *Gate) Snapshot() (until time.Time, why reason.Reason) {
	if !g.engaged.Load() {
		return time.Time{}, ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		return time.Time{}, ""
	}
	return g.untilWall, g.why
}
