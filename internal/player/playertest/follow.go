package playertest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
)

// Result is what following a life cost and how late it was.
type Result struct {
	Days     int
	Requests int
	lags     [Stopped + 1][]time.Duration
}

// PerDay is how many requests a day cost, on average.
func (r *Result) PerDay() float64 { return float64(r.Requests) / float64(r.Days) }

// Lag returns how late changes of the given causes, or of all, were seen at a quantile,
// and how many there were.
func (r *Result) Lag(quantile float64, causes ...Cause) (lag time.Duration, changes int) {
	var all []time.Duration
	for cause, lags := range r.lags {
		if len(causes) == 0 || slices.Contains(causes, Cause(cause)) {
			all = append(all, lags...)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(quantile*float64(len(all))))], len(all)
}

// Network is how long requests take, and how far behind what Spotify says is.
type Network struct {
	RoundTrip time.Duration // at most; half of it at least
	Behind    time.Duration // at most
}

// UsualNetwork is what a server on a usual connection sees.
var UsualNetwork = Network{RoundTrip: 240 * time.Millisecond, Behind: 300 * time.Millisecond}

// Planner decides when to ask. player.Schedule is one.
type Planner interface {
	Next() time.Duration
	Observed(at time.Duration, st player.State) player.Change
}

// Fixed is a planner that asks at fixed intervals.
type Fixed struct {
	Every time.Duration
	next  time.Duration
}

// Next implements Planner.
func (f *Fixed) Next() time.Duration { return f.next }

// Observed implements Planner.
func (f *Fixed) Observed(at time.Duration, _ player.State) player.Change {
	for f.next <= at {
		f.next += f.Every
	}
	return player.None
}

// Follow asks when a planner says, for as long as a life goes on.
func Follow(l *Life, n Network, seed uint64, p Planner) *Result {
	rng := rand.New(rand.NewPCG(seed, 2))
	r := &Result{Days: int(l.Length / day)}
	seen := -1 // the last moment that was seen, or one after it
	for asked := time.Duration(0); asked < l.Length; asked = max(p.Next(), asked+50*time.Millisecond) {
		r.Requests++
		trip := n.RoundTrip/2 + time.Duration(rng.Int64N(int64(n.RoundTrip/2)))
		arrived := asked + trip
		looked := asked + trip/2
		shown := l.index(looked)
		for seen < shown {
			seen++
			cause := l.moments[seen].cause
			r.lags[cause] = append(r.lags[cause], arrived-l.moments[seen].from)
		}
		st := l.At(looked)
		if st.Playing {
			st.Progress = max(0, st.Progress-time.Duration(rng.Int64N(int64(n.Behind))))
		}
		p.Observed(looked, st)
		asked = arrived
	}
	return r
}

// Best returns the fixed interval that costs at most as much as a result, and what
// it is worth.
func Best(l *Life, n Network, seed uint64, r *Result) (time.Duration, *Result) {
	every := time.Duration(cmp.Compare(r.Requests, 0)) * l.Length / time.Duration(max(1, r.Requests))
	every = every.Round(time.Second)
	return every, Follow(l, n, seed, &Fixed{Every: every})
}
