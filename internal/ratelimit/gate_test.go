package ratelimit_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// An operation, and its family.
const op, family = "GET /me/player", "player"

var noon = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func newGate() (*ratelimit.Gate, *fakeclock.Clock) {
	clock := fakeclock.New(noon)
	return ratelimit.New(clock), clock
}

// mustAdmit asks and fails the test if the answer is no.
func mustAdmit(t *testing.T, g *ratelimit.Gate, account string) ratelimit.Decision {
	t.Helper()
	d := g.Admit(account, op, family)
	if !d.Admitted || d.Reason() != "" {
		t.Fatalf("%s was not admitted: %+v", account, d)
	}
	return d
}

// mustRefuse asks and fails the test unless the answer is no, for that long.
func mustRefuse(t *testing.T, g *ratelimit.Gate, seconds int, why reason.Reason) {
	t.Helper()
	d := g.Admit("anyone", op, family)
	if d.Admitted || d.RetryAfter() != seconds || d.Reason() != why || d.FairShare {
		t.Fatalf("got %+v (%d s), want a refusal for %d s because of %s", d, d.RetryAfter(), seconds, why)
	}
}

// snapshot returns until when the only thing that is closed is closed, and why.
func snapshot(g *ratelimit.Gate) (until time.Time, why reason.Reason) {
	limits := g.Limits()
	if len(limits) != 1 {
		return time.Time{}, ""
	}
	return limits[0].Until, limits[0].Reason
}

func TestGateIsOpenAtFirst(t *testing.T) {
	g, clock := newGate()
	for range 10_000 {
		if got := g.Report(mustAdmit(t, g, "a"), 200, "", false).Transition; got != ratelimit.Unchanged {
			t.Fatalf("Report = %v", got)
		}
		clock.Advance(time.Millisecond)
	}
	if until, why := snapshot(g); !until.IsZero() || why != "" {
		t.Errorf("Snapshot = %v, %q", until, why)
	}
}

func TestGateClosesForAsLongAsItIsTold(t *testing.T) {
	date := func(d time.Duration) string { return noon.Add(d).Format(http.TimeFormat) }
	for _, tc := range []struct {
		name, header string
		quota        bool
		want         time.Duration
		why          reason.Reason
	}{
		{"seconds", "7", false, 7 * time.Second, reason.RateLimited},
		{"spaces", " 7 ", false, 7 * time.Second, reason.RateLimited},
		{"hours", "13749", false, 13749 * time.Second, reason.RateLimited},
		{"a day", "86400", false, 24 * time.Hour, reason.RateLimited},
		{"more than a day", "86401", false, 24 * time.Hour, reason.RateLimited},
		{"absurd", "99999999999999999999999999", false, 24 * time.Hour, reason.RateLimited},
		{"zero", "0", false, time.Second, reason.RateLimited},
		{"date", date(90 * time.Second), false, 90 * time.Second, reason.RateLimited},
		{"date that is past", date(-time.Hour), false, time.Second, reason.RateLimited},
		{"date a year ahead", date(365 * 24 * time.Hour), false, 24 * time.Hour, reason.RateLimited},
		{"missing", "", false, 5 * time.Second, reason.RateLimited},
		{"negative", "-3", false, 5 * time.Second, reason.RateLimited},
		{"not a number", "soon", false, 5 * time.Second, reason.RateLimited},
		{"quota, told", "3600", true, time.Hour, reason.QuotaExceeded},
		{"quota, not told", "", true, time.Minute, reason.QuotaExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g, clock := newGate()
			if got := g.Report(mustAdmit(t, g, "a"), 429, tc.header, tc.quota).Transition; got != ratelimit.Closed {
				t.Errorf("Report = %v, want Closed", got)
			}
			if until, why := snapshot(g); !until.Equal(noon.Add(tc.want)) || why != tc.why {
				t.Errorf("Snapshot = %v, %q; want %v, %q", until, why, noon.Add(tc.want), tc.why)
			}
			probe := min(tc.want, ratelimit.FirstProbe)
			mustRefuse(t, g, int(probe/time.Second), tc.why)
			clock.Advance(probe - time.Millisecond)
			mustRefuse(t, g, 1, tc.why) // rounded up
			clock.Advance(time.Millisecond)
			mustAdmit(t, g, "a")
		})
	}
}

func TestGateProbes(t *testing.T) {
	g, clock := newGate()
	late := mustAdmit(t, g, "slow")
	g.Report(mustAdmit(t, g, "a"), 429, "10", false)
	clock.Advance(10 * time.Second)

	probe := mustAdmit(t, g, "a")
	mustRefuse(t, g, 1, reason.RateLimited)
	if got := g.Report(late, 200, "", false).Transition; got != ratelimit.Unchanged {
		t.Errorf("an answer to a request from before the closing was taken for the probe's: %v", got)
	}
	mustRefuse(t, g, 1, reason.RateLimited)

	if got := g.Report(probe, 429, "20", false).Transition; got != ratelimit.Closed {
		t.Errorf("Report of a failed probe = %v, want Closed", got)
	}
	mustRefuse(t, g, 20, reason.RateLimited)
	if got := g.Report(probe, 200, "", false).Transition; got != ratelimit.Unchanged {
		t.Errorf("a second Report of a probe = %v", got)
	}
	clock.Advance(20 * time.Second)
	for _, status := range []int{200, 204, 404, 500} {
		probe = mustAdmit(t, g, "a")
		mustRefuse(t, g, 1, reason.RateLimited)
		if got := g.Report(probe, status, "", false).Transition; got != ratelimit.Opened {
			t.Errorf("Report(%d) of the probe = %v, want Opened", status, got)
		}
		mustAdmit(t, g, "b")
		g.Report(mustAdmit(t, g, "c"), 429, "1", false)
		clock.Advance(time.Second)
	}
}

// Whoever sent a probe may have gone, and nobody may wait for ever.
func TestGateFreesALostProbe(t *testing.T) {
	g, clock := newGate()
	g.Report(mustAdmit(t, g, "a"), 429, "1", false)
	clock.Advance(time.Second)

	probe := mustAdmit(t, g, "a")
	g.Report(probe, 0, "", false) // no answer: the next one may try at once
	lost := mustAdmit(t, g, "b")
	mustRefuse(t, g, 1, reason.RateLimited)
	clock.Advance(15*time.Second - 1)
	mustRefuse(t, g, 1, reason.RateLimited)
	clock.Advance(1)
	second := mustAdmit(t, g, "c")
	mustRefuse(t, g, 1, reason.RateLimited)
	if got := g.Report(lost, 200, "", false).Transition; got != ratelimit.Unchanged {
		t.Errorf("the lost probe's late answer = %v", got)
	}
	if got := g.Report(second, 200, "", false).Transition; got != ratelimit.Opened {
		t.Errorf("the second probe's answer = %v", got)
	}
}

func TestGateIsPatientWithoutRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		quota bool
		waits []int
	}{
		{false, []int{5, 10, 20, 40, 80, 160, 320, 640, 900, 900}},
		{true, []int{60, 120, 240, 480, 900, 900}},
	} {
		g, clock := newGate()
		why := reason.RateLimited
		if tc.quota {
			why = reason.QuotaExceeded
		}
		for _, wait := range tc.waits {
			g.Report(mustAdmit(t, g, "a"), 429, "", tc.quota)
			mustRefuse(t, g, wait, why)
			clock.Advance(time.Duration(wait) * time.Second)
		}
		// Having been open for a window, it starts again.
		g.Report(mustAdmit(t, g, "a"), 200, "", false)
		clock.Advance(31 * time.Second)
		g.Report(mustAdmit(t, g, "a"), 429, "", tc.quota)
		mustRefuse(t, g, tc.waits[0], why)
	}
}

// A rush has many requests under way when the first 429 comes. Theirs add
// nothing unless they ask for more.
func TestGateHearsTheRestOfARush(t *testing.T) {
	g, clock := newGate()
	var rush []ratelimit.Decision
	for range 6 {
		rush = append(rush, mustAdmit(t, g, "a"))
	}
	g.Report(rush[0], 429, "4", false)
	clock.Advance(500 * time.Millisecond)
	for i, tc := range []struct {
		header string
		quota  bool
		want   ratelimit.Transition
		wait   int
		why    reason.Reason
	}{
		{"", false, ratelimit.Unchanged, 4, reason.RateLimited},
		{"3", false, ratelimit.Unchanged, 4, reason.RateLimited},
		{"4", false, ratelimit.Unchanged, 4, reason.RateLimited}, // half a second more
		{"60", true, ratelimit.Closed, 60, reason.QuotaExceeded},
		{"90", false, ratelimit.Closed, 90, reason.QuotaExceeded}, // the quota is still exceeded
	} {
		if got := g.Report(rush[i+1], 429, tc.header, tc.quota).Transition; got != tc.want {
			t.Errorf("Retry-After %q: Report = %v, want %v", tc.header, got, tc.want)
		}
		mustRefuse(t, g, tc.wait, tc.why)
	}
	clock.Advance(90 * time.Second)
	g.Report(mustAdmit(t, g, "a"), 429, "5", false)
	mustRefuse(t, g, 5, reason.RateLimited)
}

// A wait is over when either clock says so, and a wall clock set back
// does not prolong it.
func TestGateAndClocksThatJump(t *testing.T) {
	g, clock := newGate()
	g.Report(mustAdmit(t, g, "a"), 429, "3600", false)
	clock.Jump(-24 * time.Hour)
	mustRefuse(t, g, 900, reason.RateLimited)
	clock.Advance(15 * time.Minute)
	g.Report(mustAdmit(t, g, "a"), 429, "3600", false)
	clock.Jump(30 * time.Minute) // the machine slept
	mustAdmit(t, g, "a")
}

func TestGateSnapshot(t *testing.T) {
	g, clock := newGate()
	g.Report(mustAdmit(t, g, "a"), 429, "60", false)
	clock.Advance(time.Minute)
	if until, _ := snapshot(g); !until.Equal(noon.Add(time.Minute)) {
		t.Errorf("Snapshot while a probe is due = %v", until)
	}
	g.Report(mustAdmit(t, g, "a"), 200, "", false)
	if until, _ := snapshot(g); !until.IsZero() {
		t.Errorf("Snapshot of an open gate = %v", until)
	}
}

// However many ask at once, one probe goes.
func TestGateLetsOneProbeThrough(t *testing.T) {
	g, clock := newGate()
	for range 20 {
		g.Report(mustAdmit(t, g, "a"), 429, "1", false)
		clock.Advance(time.Second)
		var wg sync.WaitGroup
		admitted := make(chan ratelimit.Decision, 64)
		for range 64 {
			wg.Go(func() {
				if d := g.Admit("a", op, family); d.Admitted {
					admitted <- d
				}
			})
		}
		wg.Wait()
		if len(admitted) != 1 {
			t.Fatalf("%d probes went through", len(admitted))
		}
		g.Report(<-admitted, 200, "", false)
	}
}

// The gate under everything at once, for the race detector.
func TestGateConcurrently(t *testing.T) {
	g, clock := newGate()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			account := string(rune('a' + i))
			for n := range 500 {
				d := g.Admit(account, op, family)
				switch {
				case !d.Admitted:
					clock.Advance(d.Wait / 8)
				case n%50 == 0:
					g.Report(d, 429, "1", n%100 == 0)
				default:
					g.Report(d, 200, "", false)
				}
				if n%100 == i {
					g.Limits()
				}
			}
		})
	}
	wg.Wait()
	clock.Advance(time.Hour)
	g.Report(mustAdmit(t, g, "a"), 200, "", false)
	mustAdmit(t, g, "b")
}
