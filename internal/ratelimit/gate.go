// Package ratelimit stops calling Spotify when Spotify says so.
//
// Spotify limits an app in two ways. It counts the requests of all the app's users
// in a rolling window of 30 seconds, and it has quotas over a rolling day for groups
// of operations that it does not publish. Beyond either it responds 429, and an app
// that goes on calling is shut out for longer. A Gate, one per client ID, therefore
// responds in Spotify's place until the time it asked for has passed.
//
// The unit is the operation: a 429 closes the one it was for. What several 429s say
// in common closes more: the operation's family, or the whole app. A closed one lets
// single requests through, the probes, long before a wait of hours is over, and opens
// when one of them is served. After a rush on the window, the Gate shares what it has
// learned of the limit fairly among the accounts.
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
	// window is the span over which Spotify counts all of an app's requests.
	// https://developer.spotify.com/documentation/web-api/concepts/rate-limits
	window = 30 * time.Second

	// shortWait is the longest wait that can be for the window. Spotify asks for 1
	// to 11 seconds typically; for a quota, for hours.
	shortWait = 2 * window
)

// Clock tells the time. Both clocks are asked because either may mislead: the
// wall clock can be set back, the monotonic one stands still while a machine
// sleeps. A wait is over when either says so. pkce.Clock implements Clock.
type Clock interface {
	Now() time.Time
	Monotonic() time.Duration
}

// Gate decides which requests may go to Spotify. Use New. It is safe for
// concurrent use; while it has nothing to restrict, it takes no lock. It has no
// goroutine and writes nothing down: a new one is open.
type Gate struct {
	clock Clock

	// engaged is false while everything is open and nothing is shared out. Then
	// the fields below mu only tell what was.
	engaged  atomic.Bool
	sent     counter // requests admitted
	answered counter // requests that Spotify answered with anything but 429

	mu         sync.Mutex
	operations map[string]*operation
	families   map[string]*family
	window     closure // of the app, for Spotify's window
	wide       closure // of the app, because several families are closed
	closed     int     // closures of all kinds
	lastProbe  uint64
	sweptAt    time.Duration
	openedAt   time.Duration // when window was last opened
	strikes    int           // times that window was closed in a row
	share      share
	appWide    bool // the share is for all operations, not only for those marked as shared
}

// New returns an open Gate.
func New(clock Clock) *Gate {
	app := closure{scope: ScopeApp, name: appName}
	return &Gate{clock: clock, operations: make(map[string]*operation), families: make(map[string]*family), window: app, wide: app}
}

// Decision is the answer to one request. Report takes it back.
type Decision struct {
	// Admitted says that the request may go to Spotify. Then Report must be
	// called with its outcome. Otherwise the request is to be answered 429.
	Admitted bool
	// Wait is the time after which asking again makes sense, if not admitted:
	// until the next probe may go.
	Wait time.Duration
	// Left is the time until Spotify is expected to serve it again, if not admitted
	// and not because of FairShare. It may be longer than Wait, and may be 0.
	Left time.Duration
	// Limit is what is closed, if not admitted. It is the zero Limit if FairShare.
	Limit Limit
	// FairShare says that the operation is open, but the account has had its share.
	FairShare bool

	operation, family string
	at                time.Duration // when it was made
	probe             uint64
}

// RetryAfter returns Wait in whole seconds, rounded up, at least 1: the value
// of a Retry-After header (RFC 9110 section 10.2.3).
func (d Decision) RetryAfter() int {
	return max(1, int((d.Wait+time.Second-1)/time.Second))
}

// Reason is why the request is not admitted: RateLimited or QuotaExceeded. It is
// empty if it is admitted.
func (d Decision) Reason() reason.Reason {
	switch {
	case d.Admitted:
		return ""
	case d.FairShare:
		return reason.RateLimited
	}
	return d.Limit.Reason
}

// Transition says what a Report did to the gate.
type Transition uint8

// The transitions.
const (
	Unchanged Transition = iota
	Closed               // something closed, or is now closed for longer
	Opened               // something opened
)

// Change is what a Report did, and to what: to the widest if to several.
type Change struct {
	Transition
	Limit
	Operation string // that the request was for
}

// Admit decides about a request of an account for an operation of a family, as
// webapi.Bucket names them. While everything is open and has been for a while, every
// request is admitted, without a lock or an allocation. When what is closed may be
// probed, the next request is admitted as the probe; others wait for its outcome.
func (g *Gate) Admit(accountID, operation, family string) Decision {
	now := g.clock.Monotonic()
	d := Decision{Admitted: true, operation: operation, family: family, at: now}
	if !g.engaged.Load() {
		g.sent.add(now)
		return d
	}
	wall := g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep(now, wall)
	o := g.find(operation)
	var a *account
	shared := g.share.active && (g.appWide || o != nil && o.shared)
	if shared {
		a = g.share.ask(accountID, now)
	}
	barriers, n := g.barriers(o, family)
	for _, c := range barriers[:n] {
		wait := c.wait(now, wall)
		if c == &g.window && o != nil && o.closed {
			wait = max(wait, c.due(now, wall)+yield)
		}
		if wait > d.Wait {
			d.Admitted, d.Wait, d.Left, d.Limit = false, wait, c.left(now, wall), c.limit()
		}
	}
	switch {
	case !d.Admitted:
		return d
	case n > 0:
		g.lastProbe++
		d.probe = g.lastProbe
		for _, c := range barriers[:n] {
			c.probe, c.probeAt = d.probe, now
		}
		a.admitted()
	case shared:
		if wait := g.share.admit(a, now, &g.sent); wait > 0 {
			d.Admitted, d.Wait, d.FairShare = false, wait, true
			return d
		}
	}
	g.settle()
	g.sent.add(now)
	return d
}

// barriers are the closures in a request's way. An operation that is closed itself
// has its own probes: what is closed on a guess, the family and all families, does
// not hold it up as well.
func (g *Gate) barriers(o *operation, name string) (barriers [3]*closure, n int) {
	add := func(c *closure) {
		if c.closed {
			barriers[n] = c
			n++
		}
	}
	if o != nil && o.closed {
		add(&o.closure)
	} else {
		if f := g.families[name]; f != nil {
			add(&f.closure)
		}
		add(&g.wide)
	}
	add(&g.window)
	return barriers, n
}

// Report tells the gate the outcome of an admitted request: Spotify's status,
// the Retry-After header if there was one, and whether the reason was
// QUOTA_EXCEEDED. A status of 0 means that there was no answer; it frees the place
// of a probe.
//
// A 429 closes the operation for as long as Retry-After says, at least a second and
// at most MaxClosed. Without a valid one, for 5 seconds, doubling to 15 minutes as
// it is refused again; from a minute if the quota is exceeded. Any other answer to a
// probe opens what it was the probe of.
//
// Several operations refused within 30 seconds, with waits of seconds, close the app
// instead. Two closed operations of a family within a minute, none of the family
// having been served in between, close the family. Three families closed without a
// quota being named close the app.
func (g *Gate) Report(d Decision, status int, retryAfter string, quotaExceeded bool) Change {
	if status == http.StatusTooManyRequests {
		now, wall := g.clock.Monotonic(), g.clock.Now()
		r := refusal{why: reason.RateLimited}
		if quotaExceeded {
			r.why = reason.QuotaExceeded
		}
		r.wait, r.told = retryafter.Parse(retryAfter, wall)
		r.short = !quotaExceeded && (!r.told || r.wait <= shortWait)
		g.mu.Lock()
		defer g.mu.Unlock()
		change := g.refused(d, r, now, wall)
		change.Operation = d.operation
		g.settle()
		return change
	}
	if status > 0 {
		// Spotify counts a request when it comes, not when it is answered.
		g.answered.add(d.at)
	}
	if d.probe == 0 && !g.engaged.Load() {
		return Change{}
	}
	now := g.clock.Monotonic()
	g.mu.Lock()
	defer g.mu.Unlock()
	if status > 0 {
		if f := g.families[d.family]; f != nil {
			f.served = max(f.served, d.at)
		}
	}
	if d.probe == 0 {
		return Change{}
	}
	return g.probed(d, now, status > 0)
}

// probed handles the outcome of a probe that was not refused.
func (g *Gate) probed(d Decision, now time.Duration, served bool) (change Change) {
	open := func(c *closure) {
		if c.closed {
			change = Change{Opened, c.limit(), d.operation}
			g.open(c)
		}
	}
	guesses := []*closure{&g.wide}
	if f := g.families[d.family]; f != nil {
		guesses = append(guesses, &f.closure)
	}
	its := false // whether it still is the probe of one of them
	for _, c := range guesses {
		if c.probed(d.probe) && served {
			its = true
		}
	}
	if o := g.find(d.operation); o != nil && o.probed(d.probe) && served {
		its = true
		open(&o.closure)
		o.openedAt = now
	}
	if its {
		// One operation that is served shows that not all of them are limited.
		for _, c := range guesses {
			open(c)
		}
	}
	if g.window.probed(d.probe) && served {
		open(&g.window)
		g.openedAt = now
	}
	if change.Transition == Opened {
		g.share.press(now)
		g.settle()
	}
	return change
}

// open opens a closure.
func (g *Gate) open(c *closure) {
	if c.closed {
		g.closed--
	}
	*c = closure{name: c.name, family: c.family, scope: c.scope}
}

// settle works out whether there is anything to restrict.
func (g *Gate) settle() { g.engaged.Store(g.share.active || g.closed > 0) }
