package ratelimit

import (
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

const (
	// familySpan is the time within which two operations of a family have to be
	// closed for it to be closed as a whole.
	familySpan = time.Minute

	// wideFamilies is how many closed families close the app.
	wideFamilies = 3

	// maxOperations bounds the operations told apart. Any that are refused beyond
	// it are one.
	maxOperations = 1024

	// staleAfter is how long after its end a closure that nobody probes is kept.
	staleAfter = time.Hour

	// never is a time before all others.
	never = time.Duration(-1 << 62)

	// otherOperations is the name of those that are not told apart.
	otherOperations = "other operations"
)

// refusal is a 429.
type refusal struct {
	why   reason.Reason
	wait  time.Duration
	told  bool // whether Spotify said how long
	short bool // it may be for the window
}

// operation is an operation that has been refused.
type operation struct {
	closure
	refusedAt time.Duration // when it was last refused while it was open
	openedAt  time.Duration
	strikes   int  // times closed in a row
	short     bool // the refusal was short
	shared    bool // its requests share what the window allows
}

// family is a family of which an operation has been refused.
type family struct {
	closure
	served time.Duration // when the latest request that was served was admitted
}

// find returns the operation's record, or nil.
func (g *Gate) find(name string) *operation {
	if o := g.operations[name]; o != nil {
		return o
	}
	if len(g.operations) < maxOperations {
		return nil
	}
	return g.operations[otherOperations]
}

// record returns the operation's record, which it makes if need be.
func (g *Gate) record(name, familyName string) *operation {
	if o := g.find(name); o != nil {
		return o
	}
	if len(g.operations) >= maxOperations-1 {
		name = otherOperations
	}
	o := &operation{closure: closure{scope: ScopeOperation, name: name, family: familyName}, refusedAt: never, openedAt: never}
	g.operations[name] = o
	if g.families[familyName] == nil {
		g.families[familyName] = &family{closure: closure{scope: ScopeFamily, name: familyName, family: familyName}, served: never}
	}
	return o
}

// refused handles a 429.
func (g *Gate) refused(d Decision, r refusal, now time.Duration, wall time.Time) Change {
	o := g.find(d.operation)
	own := o != nil && o.probed(d.probe)
	ofWindow := g.window.probed(d.probe)
	if f := g.families[d.family]; f != nil {
		f.probed(d.probe) // the next of its operations may try
	}
	g.wide.probed(d.probe)
	switch {
	case ofWindow && r.short:
		return g.windowOn(d, r, now, wall)
	case own:
		o.failed++
		g.closeOn(o, r, now, wall)
		return Change{Transition: Closed, Limit: o.limit()}
	case g.window.closed && r.short, o != nil && o.closed:
		// It was sent before that closed.
		c := &g.window
		if o != nil && o.closed {
			c = &o.closure
		}
		if !r.told || !c.extend(now, wall, r.wait, r.why) {
			return Change{}
		}
		if r.short {
			g.share.press(c.until)
		}
		return Change{Transition: Closed, Limit: c.limit()}
	}
	return g.refusedFirst(g.record(d.operation, d.family), r, now, wall)
}

// refusedFirst handles a 429 for an operation that was open.
func (g *Gate) refusedFirst(o *operation, r refusal, now time.Duration, wall time.Time) Change {
	if now-o.openedAt > window {
		o.strikes = 0
	}
	o.strikes++
	o.failed, o.refusedAt, o.short = 0, now, r.short
	if !r.told {
		r.wait = patience(o.strikes, r.why, longPatience)
	}
	g.shut(&o.closure, now, wall, r.wait, r.why)
	if r.short {
		if !g.share.active {
			g.appWide = false
			for _, other := range g.operations {
				other.shared = false
			}
		}
		g.share.learn(float64(g.answered.sum(now, window)), now)
		g.share.press(o.until)
		o.shared = true
		if g.closeWindow(o, now, wall) {
			return Change{Transition: Closed, Limit: g.window.limit()}
		}
	}
	if f := g.closeFamily(o, now, wall); f != nil {
		if g.closeWide(now, wall) {
			return Change{Transition: Closed, Limit: g.wide.limit()}
		}
		return Change{Transition: Closed, Limit: f.limit()}
	}
	return Change{Transition: Closed, Limit: o.limit()}
}

// closeOn keeps an operation closed whose probe was refused. What Spotify says last
// counts. If it keeps refusing when its own time is up, it is asked less often.
func (g *Gate) closeOn(o *operation, r refusal, now time.Duration, wall time.Time) {
	if !r.told {
		o.strikes++
		r.wait = max(o.left(now, wall), patience(o.strikes, r.why, longPatience))
	}
	g.shut(&o.closure, now, wall, max(r.wait, untrue(o.failed)), r.why)
	if r.short {
		g.share.press(o.until)
	}
}

// windowOn keeps the app closed after its probe was refused. The operation that was
// refused is closed itself, so that others come first with the next one.
func (g *Gate) windowOn(d Decision, r refusal, now time.Duration, wall time.Time) Change {
	g.strikes++
	if !r.told {
		r.wait = patience(g.strikes, r.why, window)
	}
	g.shut(&g.window, now, wall, r.wait, r.why)
	g.share.press(g.window.until)
	o := g.record(d.operation, d.family)
	o.failed++
	g.shut(&o.closure, now, wall, g.window.left(now, wall)+untrue(o.failed), r.why)
	return Change{Transition: Closed, Limit: g.window.limit()}
}

// closeWindow closes the app if the operation is not the only one that was refused
// within the window. Those that it was learned from are then no longer closed by
// themselves.
func (g *Gate) closeWindow(o *operation, now time.Duration, wall time.Time) bool {
	wait, others := o.left(now, wall), false
	for _, other := range g.operations {
		if other != o && other.short && now-other.refusedAt <= window {
			wait, others = max(wait, other.left(now, wall)), true
		}
	}
	if !others {
		return false
	}
	if now-g.openedAt > window {
		g.strikes = 0
	}
	g.strikes++
	g.shut(&g.window, now, wall, wait, reason.RateLimited)
	g.share.press(g.window.until)
	g.appWide = true
	for _, other := range g.operations {
		if other.closed && other.short && other.failed == 0 && now-other.refusedAt <= window {
			g.open(&other.closure)
		}
	}
	return true
}

// closeFamily closes the operation's family, and returns it, if another operation of
// it was closed a moment ago and none has been served since.
func (g *Gate) closeFamily(o *operation, now time.Duration, wall time.Time) *family {
	f := g.families[o.family]
	if f == nil || f.closed {
		return nil
	}
	for _, other := range g.operations {
		if other == o || !other.closed || other.family != o.family || now-other.refusedAt > familySpan || f.served >= other.refusedAt {
			continue
		}
		why := o.why
		if other.why == reason.QuotaExceeded {
			why = other.why
		}
		g.shut(&f.closure, now, wall, min(o.left(now, wall), other.left(now, wall)), why)
		return f
	}
	return nil
}

// closeWide closes the app if several families are closed, and not because of quotas:
// each of those is for some operations only.
func (g *Gate) closeWide(now time.Duration, wall time.Time) bool {
	families, wait := 0, MaxClosed
	for _, f := range g.families {
		if f.left(now, wall) > 0 && f.why != reason.QuotaExceeded {
			families++
			wait = min(wait, f.left(now, wall))
		}
	}
	if families < wideFamilies || g.wide.closed {
		return false
	}
	g.shut(&g.wide, now, wall, wait, reason.RateLimited)
	return true
}

// shut closes, or sets the time of what is closed.
func (g *Gate) shut(c *closure, now time.Duration, wall time.Time, wait time.Duration, why reason.Reason) {
	if !c.closed {
		g.closed++
	}
	c.set(now, wall, wait, why)
}

// longPatience is the most of patience for an operation: the window is over sooner.
const longPatience = 15 * time.Minute

// patience is the wait when Spotify names none, after so many refusals in a row.
func patience(strikes int, why reason.Reason, most time.Duration) time.Duration {
	first := 5 * time.Second
	if why == reason.QuotaExceeded {
		first = time.Minute
	}
	return min(most, first<<min(strikes-1, 8))
}

// untrue is the least wait after so many probes refused in a row: a Retry-After of a
// second need not be true.
func untrue(failed int) time.Duration { return min(longPatience, time.Second<<min(failed, 10)) }

// sweep opens, now and then, what was closed on a guess and is over, and what nobody
// has asked for since, and forgets what no longer matters.
func (g *Gate) sweep(now time.Duration, wall time.Time) {
	g.share.expire(now)
	for _, f := range g.families {
		if f.closed && f.left(now, wall) == 0 {
			g.open(&f.closure)
		}
	}
	if g.wide.closed && g.wide.left(now, wall) == 0 {
		g.open(&g.wide)
	}
	if now-g.sweptAt < familySpan {
		return
	}
	g.sweptAt = now
	for name, o := range g.operations {
		if o.closed && min(o.until-now, o.untilWall.Sub(wall)) < -staleAfter {
			g.open(&o.closure)
		}
		if !o.closed && !(o.shared && g.share.active) && now-max(o.refusedAt, o.openedAt) > familySpan {
			delete(g.operations, name)
		}
	}
}
