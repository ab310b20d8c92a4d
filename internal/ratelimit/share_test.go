package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// rushed returns a gate that has just opened after a rush in which Spotify
// answered n requests of a window.
func rushed(t *testing.T, n int) (*ratelimit.Gate, *fakeclock.Clock) {
	t.Helper()
	g, clock := newGate()
	for range n {
		g.Report(mustAdmit(t, g, "rush"), 200, "", false)
	}
	g.Report(mustAdmit(t, g, "rush"), 429, "32", false)
	clock.Advance(32 * time.Second)
	if got := g.Report(mustAdmit(t, g, "rush"), 200, "", false).Transition; got != ratelimit.Opened {
		t.Fatalf("the gate did not open: %v", got)
	}
	return g, clock
}

// use sends as many requests of an account as are admitted, at most n.
func use(g *ratelimit.Gate, account string, n int) int {
	for i := range n {
		d := g.Admit(account, op, family)
		if !d.Admitted {
			return i
		}
		g.Report(d, 200, "", false)
	}
	return n
}

func TestShareKeepsWithinTheLimit(t *testing.T) {
	g, clock := rushed(t, 300)
	sent := 1 // the probe
	for range 25 {
		sent += use(g, "a", 1000)
		sent += use(g, "b", 1000)
		clock.Advance(time.Second)
	}
	if sent < 240 || sent > 300 {
		t.Errorf("%d requests in a window in which 300 are allowed", sent)
	}
	d := g.Admit("a", op, family)
	if d.Admitted || !d.FairShare || d.RetryAfter() < 1 || d.RetryAfter() > 30 {
		t.Errorf("got %+v, want a refusal of up to 30 s for the sake of the others", d)
	}
}

func TestShareIsFair(t *testing.T) {
	g, clock := rushed(t, 300)
	got := map[string]int{}
	for range 6 * 5 * 4 { // a quarter of a second each
		got["greedy"] += use(g, "greedy", 100)
		for i := range 4 {
			name := fmt.Sprint("steady", i)
			got[name] += use(g, name, 1)
		}
		clock.Advance(250 * time.Millisecond)
	}
	for name, n := range got {
		if n < 35 || n > 110 {
			t.Errorf("%s got %d of some 270 requests shared among 5", name, n)
		}
	}
	// One who comes late finds room though the window is full.
	if n := use(g, "newcomer", 5); n < 5 {
		t.Errorf("a newcomer got %d requests", n)
	}
}

// What the modest do not ask for, the others may have.
func TestShareWastesNothing(t *testing.T) {
	g, clock := rushed(t, 300)
	modest, greedy := 0, 0
	for i := range 60 {
		for k := range 9 {
			if i%15 == k {
				modest += use(g, fmt.Sprint("modest", k), 1)
			}
		}
		greedy += use(g, "greedy", 50)
		clock.Advance(time.Second)
	}
	if modest != 36 {
		t.Errorf("the modest got %d of 36 requests", modest)
	}
	if greedy < 400 {
		t.Errorf("the greedy account got %d of some 540 requests in a minute", greedy)
	}
}

// A limit that was learned too low does not last.
func TestShareGrowsWhileSpotifyAgrees(t *testing.T) {
	g, clock := rushed(t, 1) // 60 per window is assumed
	perMinute := func() int {
		n := 0
		for range 60 {
			n += use(g, "a", 20)
			clock.Advance(time.Second)
		}
		return n
	}
	first := perMinute()
	if first < 60 || first > 150 {
		t.Errorf("%d requests in the first minute", first)
	}
	for range 10 {
		perMinute()
	}
	if later := perMinute(); later < 8*first {
		t.Errorf("%d requests in the first minute, %d ten minutes later", first, later)
	}
}

// When the rush is over, nothing is shared out any more.
func TestShareEnds(t *testing.T) {
	g, clock := rushed(t, 100)
	if n := use(g, "a", 1000); n == 1000 {
		t.Fatal("nothing was shared out")
	}
	clock.Advance(59 * time.Second)
	if n := use(g, "a", 1000); n == 1000 {
		t.Fatal("nothing was shared out a minute after the rush")
	}
	clock.Advance(60 * time.Second)
	if n := use(g, "a", 10_000); n != 10_000 {
		t.Errorf("after the rush, %d of 10000 requests were admitted", n)
	}
}

// The quota of a developer's account has nothing to do with the window.
func TestShareIgnoresTheQuota(t *testing.T) {
	g, clock := newGate()
	g.Report(mustAdmit(t, g, "a"), 429, "60", true)
	clock.Advance(60 * time.Second)
	g.Report(mustAdmit(t, g, "a"), 200, "", false)
	if n := use(g, "a", 10_000); n != 10_000 {
		t.Errorf("%d of 10000 requests were admitted", n)
	}
}

// An odd 429 while little is going on does not shut everyone out.
func TestShareAfterAnOdd429(t *testing.T) {
	g, clock := rushed(t, 300)
	clock.Advance(40 * time.Second)
	g.Report(mustAdmit(t, g, "a"), 429, "1", false)
	clock.Advance(time.Second)
	g.Report(mustAdmit(t, g, "a"), 200, "", false)
	sent := 0
	for range 20 {
		sent += use(g, "a", 100)
		clock.Advance(time.Second)
	}
	if sent < 120 {
		t.Errorf("after one odd 429 only %d requests were admitted, of 300 that Spotify once allowed", sent)
	}
}

// Visitors without number do not fill the memory, and are still served.
//
// O55
func TestShareBoundsItsMemory(t *testing.T) {
	g, clock := rushed(t, 300)
	for i := range 6000 {
		if d := g.Admit(fmt.Sprint("account", i), op, family); d.Admitted {
			g.Report(d, 200, "", false)
		}
	}
	if n := ratelimit.Accounts(g); n > ratelimit.MaxAccounts {
		t.Errorf("%d accounts are tracked", n)
	}
	clock.Advance(40 * time.Second)
	if n := use(g, "another", 10); n != 10 {
		t.Errorf("an account beyond the bound got %d requests", n)
	}
	for range 70 {
		use(g, "busy", 100)
		clock.Advance(time.Second)
	}
	if n := ratelimit.Accounts(g); n != 1 {
		t.Errorf("%d accounts are tracked, one being active", n)
	}
	clock.Advance(2 * time.Minute)
	mustAdmit(t, g, "a")
	if n := ratelimit.Accounts(g); n != 0 {
		t.Errorf("%d accounts are tracked after the rush", n)
	}
}
