package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// play is a gate with operations, each "family/name".
type play struct {
	t *testing.T
	g *ratelimit.Gate
}

func (p play) admit(operation string) ratelimit.Decision {
	var family string
	if _, err := fmt.Sscanf(operation, "%1s", &family); err != nil {
		p.t.Fatal(err)
	}
	return p.g.Admit("account", operation, family)
}

// refused sends a request for an operation, which must be admitted, and has Spotify
// refuse it.
func (p play) refused(operation, retryAfter string, quota bool) ratelimit.Change {
	p.t.Helper()
	d := p.admit(operation)
	if !d.Admitted {
		p.t.Fatalf("%s is not sent: %+v", operation, d)
	}
	return p.g.Report(d, 429, retryAfter, quota)
}

// served is the same for a request that Spotify serves.
func (p play) served(operations ...string) {
	p.t.Helper()
	for _, operation := range operations {
		d := p.admit(operation)
		if !d.Admitted {
			p.t.Fatalf("%s is not sent: %+v", operation, d)
		}
		p.g.Report(d, 200, "", false)
	}
}

// closed checks that operations are not sent, because of something of that scope.
func (p play) closed(scope ratelimit.Scope, operations ...string) {
	p.t.Helper()
	for _, operation := range operations {
		if d := p.admit(operation); d.Admitted || d.FairShare || d.Limit.Scope != scope {
			p.t.Fatalf("%s: %+v, want it closed by scope %s", operation, d, scope)
		}
	}
}

// Q01: a 429 closes one operation. Others of its family close the family, and quotas
// never more.
func TestQuotasCloseNoMoreThanFamilies(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	if c := p.refused("a1", "48925", true); c.Scope != ratelimit.ScopeOperation || c.Name != "a1" || c.Operation != "a1" ||
		!c.Until.Equal(noon.Add(48925*time.Second)) || !c.NextProbe.Equal(noon.Add(15*time.Minute)) || c.Reason != reason.QuotaExceeded {
		t.Errorf("change: %+v", c)
	}
	p.closed(ratelimit.ScopeOperation, "a1")
	clock.Advance(30 * time.Second)
	p.served("b1", "c1") // another family says nothing
	if c := p.refused("a2", "40000", true); c.Scope != ratelimit.ScopeFamily || c.Name != "a" || c.Operation != "a2" {
		t.Errorf("change: %+v", c)
	}
	p.closed(ratelimit.ScopeFamily, "a3", "a4")
	p.closed(ratelimit.ScopeOperation, "a1", "a2")
	for _, family := range []string{"b", "c", "d", "e", "f"} {
		p.refused(family+"1", "48925", true)
		p.refused(family+"2", "48925", true)
		p.closed(ratelimit.ScopeFamily, family+"3")
	}
	p.served("g1")
	if n := len(g.Limits()); n != 6*3 {
		t.Errorf("%d are closed", n)
	}
	// The first that is served opens the family. The refused ones remain closed.
	clock.Advance(15 * time.Minute)
	p.served("a3")
	for _, l := range g.Limits() {
		if l.Family == "a" && l.Scope != ratelimit.ScopeOperation {
			t.Errorf("%+v is still closed", l)
		}
	}
	p.served("a4", "a5")
	p.refused("a1", "48025", true)
	clock.Advance(30*time.Minute - time.Second)
	p.closed(ratelimit.ScopeOperation, "a1")
	clock.Advance(time.Second)
	p.served("a1")
	p.served("a1")
}

// Q01: what was served in between shows that it is not the family.
func TestFamilyOfWhichOneIsServedStaysOpen(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	p.refused("a1", "48925", true)
	clock.Advance(time.Second)
	p.served("a3")
	p.refused("a2", "48925", true)
	p.served("a3")
	clock.Advance(61 * time.Second)
	p.refused("a4", "48925", true)
	p.served("a3", "a5")
}

// Q01: the family closes for two operations within a minute only.
func TestFamilyStaysOpenAfterAMinute(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	p.refused("a1", "48925", false)
	clock.Advance(61 * time.Second)
	p.refused("a2", "48925", false)
	p.served("a3")
}

// Q01: three families that Spotify closed without naming a quota are the app; one
// operation that is served opens it.
func TestThreeFamiliesAreTheApp(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	for _, family := range []string{"a", "b", "c"} {
		p.served("z1")
		p.refused(family+"1", "40000", false)
		p.refused(family+"2", "40000", false)
	}
	p.closed(ratelimit.ScopeApp, "z1", "y1")
	p.closed(ratelimit.ScopeOperation, "a1")
	clock.Advance(15 * time.Minute)
	p.refused("z2", "40000", false) // which does not prolong it
	p.served("z1")
	p.served("y1", "y2")
	p.closed(ratelimit.ScopeOperation, "z2")
}

// Q01: the window is the app's. Refused with waits of seconds, two operations close
// it for those seconds, and then all share what it allows.
func TestWindowClosesTheApp(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	for range 300 {
		p.served("a1", "b1")
	}
	p.refused("a1", "7", false)
	p.served("b1", "a2") // one may have a limit of its own
	clock.Advance(time.Second)
	if c := p.refused("b1", "9", false); c.Scope != ratelimit.ScopeApp || !c.Until.Equal(noon.Add(10*time.Second)) {
		t.Errorf("change: %+v", c)
	}
	p.closed(ratelimit.ScopeApp, "a1", "b1", "c1")
	clock.Advance(9 * time.Second)
	probe := p.admit("c1")
	p.closed(ratelimit.ScopeApp, "a1", "b1", "c1")
	if c := g.Report(probe, 200, "", false); c.Transition != ratelimit.Opened || c.Scope != ratelimit.ScopeApp {
		t.Errorf("change: %+v", c)
	}
	clock.Advance(20 * time.Second)
	n := 0
	for p.admit(fmt.Sprintf("d%d", n)).Admitted {
		if n++; n > 1000 {
			t.Fatal("nothing is shared out")
		}
	}
}

// Q01: an operation with a limit of its own, refused for seconds again and again, does
// not keep the app closed.
func TestOneOperationDoesNotKeepTheAppClosed(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	p.refused("a1", "", false)
	p.refused("b1", "", false)
	p.closed(ratelimit.ScopeApp, "c1")
	for range 120 {
		clock.Advance(time.Second)
		for _, bad := range []string{"a1", "b1"} {
			if d := p.admit(bad); d.Admitted {
				g.Report(d, 429, "", false)
			}
		}
		if d := p.admit("c1"); d.Admitted {
			g.Report(d, 200, "", false)
			if d.Wait != 0 {
				t.Errorf("%+v", d)
			}
			return
		}
	}
	t.Error("an operation that Spotify would serve was not sent for two minutes")
}

// A Retry-After of a second that is never true is not believed for ever.
func TestOperationIsAskedLessOften(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	asked := 0
	for range 3600 {
		if d := p.admit("a1"); d.Admitted {
			asked++
			g.Report(d, 429, "1", false)
		}
		clock.Advance(time.Second)
	}
	if asked > 15 {
		t.Errorf("it was asked %d times in an hour", asked)
	}
}

// Q02: the operator opens an operation, a family with its operations, or all.
func TestOpen(t *testing.T) {
	closeAll := func(t *testing.T) play {
		g, _ := newGate()
		p := play{t, g}
		for _, operation := range []string{"a1", "a2", "b1"} {
			p.refused(operation, "48925", true)
		}
		return p
	}
	for name, test := range map[string]struct {
		opens int
		sent  []string
	}{
		"a1":           {2, []string{"a1", "a3"}}, // with the family
		"a":            {3, []string{"a1", "a2", "a3"}},
		"b1":           {1, []string{"b1"}},
		ratelimit.All:  {4, []string{"a1", "a2", "a3", "b1"}},
		"app":          {},
		"none of them": {},
	} {
		t.Run(name, func(t *testing.T) {
			p := closeAll(t)
			if n := len(p.g.Open(name)); n != test.opens || len(p.g.Limits()) != 4-n {
				t.Errorf("%d opened, want %d: %v remain", n, test.opens, p.g.Limits())
			}
			p.served(test.sent...)
		})
	}
}

// What nobody asks for any more is forgotten, and what has no end in memory neither.
//
// O55
func TestOperationsAreBounded(t *testing.T) {
	g, clock := newGate()
	p := play{t, g}
	var rush []ratelimit.Decision
	for i := range 3000 {
		rush = append(rush, p.admit(fmt.Sprint("x", i)))
	}
	for _, d := range rush {
		g.Report(d, 429, "80000", true)
	}
	if n := ratelimit.Operations(g); n != ratelimit.MaxOperations {
		t.Errorf("%d operations are remembered", n)
	}
	clock.Advance(48 * time.Hour)
	p.served("y1")
	if n := ratelimit.Operations(g); n != 0 || len(g.Limits()) != 0 {
		t.Errorf("%d operations are remembered after two days", n)
	}
}
