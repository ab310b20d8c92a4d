package ratelimit

import (
	"cmp"
	"slices"
	"time"
)

// Names that are no operation's and no family's.
const (
	appName = "app"
	// All is the name of everything that is closed, for Open.
	All = "all"
)

// Limits returns what is closed, the widest first.
func (g *Gate) Limits() []Limit {
	if !g.engaged.Load() {
		return nil
	}
	now, wall := g.clock.Monotonic(), g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep(now, wall)
	var limits []Limit
	g.each(func(c *closure) { limits = append(limits, c.limit()) })
	slices.SortFunc(limits, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.Scope.rank(), b.Scope.rank()), cmp.Compare(a.Name, b.Name), a.Since.Compare(b.Since))
	})
	return limits
}

func (s Scope) rank() int { return slices.Index([]Scope{ScopeApp, ScopeFamily, ScopeOperation}, s) }

// each calls do with everything that is closed.
func (g *Gate) each(do func(*closure)) {
	for _, c := range []*closure{&g.window, &g.wide} {
		if c.closed {
			do(c)
		}
	}
	for _, f := range g.families {
		if f.closed {
			do(&f.closure)
		}
	}
	for _, o := range g.operations {
		if o.closed {
			do(&o.closure)
		}
	}
}

// Open opens what has that name, of an operation, of a family with its operations,
// "app" or All, and returns what it opened. With an operation it opens the family, and
// the app if that is closed because of families. Spotify may close it again.
func (g *Gate) Open(name string) []Limit {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.operations[name]
	wanted := func(c *closure) bool {
		return name == All || name == c.name || name == c.family ||
			o != nil && o.closed && (c == &g.wide || c.scope == ScopeFamily && c.name == o.family)
	}
	var open []*closure
	g.each(func(c *closure) {
		if wanted(c) {
			open = append(open, c)
		}
	})
	var opened []Limit
	for _, c := range open {
		opened = append(opened, c.limit())
		g.open(c)
	}
	g.settle()
	return opened
}

// Standing returns what keeps an operation of a family from being sent, and the time
// until the next probe may go, which may be 0. ok is false if the operation is open.
func (g *Gate) Standing(operation, family string) (limit Limit, wait time.Duration, ok bool) {
	if !g.engaged.Load() {
		return Limit{}, 0, false
	}
	now, wall := g.clock.Monotonic(), g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep(now, wall)
	barriers, n := g.barriers(g.find(operation), family)
	for i, c := range barriers[:n] {
		if w := c.wait(now, wall); i == 0 || w > wait {
			limit, wait = c.limit(), w
		}
	}
	return limit, wait, n > 0
}
