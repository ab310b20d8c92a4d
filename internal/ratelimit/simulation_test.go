package ratelimit_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// upstream is Spotify's limit: so many requests in any 30 s.
type upstream struct {
	limit        int
	countRefused bool
	counted      []time.Duration // times of the requests in the window
	sent         []time.Duration // of all requests ever
}

const rolling = 30 * time.Second

// take returns the seconds to wait, 0 if the request is answered.
func (u *upstream) take(now time.Duration) int {
	u.sent = append(u.sent, now)
	for len(u.counted) > 0 && now-u.counted[0] >= rolling {
		u.counted = u.counted[1:]
	}
	full := len(u.counted) >= u.limit
	if !full || u.countRefused {
		u.counted = append(u.counted, now)
	}
	if !full {
		return 0
	}
	wait := rolling - (now - u.counted[len(u.counted)-u.limit])
	return max(1, int((wait+time.Second-1)/time.Second))
}

// worst returns the most requests that arrived in any 30 s from the given time on.
func (u *upstream) worst(from time.Duration) int {
	most, first := 0, 0
	for i, at := range u.sent {
		for at-u.sent[first] >= rolling {
			first++
		}
		if at >= from+rolling {
			most = max(most, i-first+1)
		}
	}
	return most
}

// connection is one client connection of an account. It sends its next
// request some time after it has got an answer.
type connection struct {
	account int
	think   time.Duration // mean
	polite  bool          // honours Retry-After
	at      time.Duration
	arrives func() // what happens at that time
}

type queue []*connection

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*connection)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

type scenario struct {
	name         string
	polite       bool
	think        time.Duration // of the 19 accounts with two connections each
	countRefused bool
	operations   int // that are asked for at random
}

type outcome struct {
	up       *upstream
	answered []int // per account
	refused  int   // 429 by Spotify
	local    int   // 429 by the gate
}

const (
	limit    = 300
	accounts = 20
	length   = 10 * time.Minute
)

// simulate runs 64 connections of 20 accounts. The first account has 26 of
// them, and never pauses.
func simulate(sc scenario, gated bool) outcome {
	r := rand.New(rand.NewPCG(1, 2))
	clock := fakeclock.New(time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC))
	gate := ratelimit.New(clock)
	out := outcome{up: &upstream{limit: limit, countRefused: sc.countRefused}, answered: make([]int, accounts)}
	var q queue
	now := func() time.Duration { return clock.Monotonic() }
	jitter := func(d time.Duration) time.Duration { return time.Duration(float64(d) * (0.5 + r.Float64())) }

	for i := range 64 {
		c := &connection{think: sc.think, polite: sc.polite, account: 1 + i/2}
		if i >= 38 {
			c.account, c.think = 0, 0
		}
		c.at = jitter(c.think) + time.Duration(i)*time.Millisecond
		var send func()
		next := func(in time.Duration, f func()) { c.at, c.arrives = now()+in, f }
		retry := func(seconds int) {
			if c.polite {
				next(time.Duration(seconds)*time.Second+jitter(20*time.Millisecond), send)
			} else {
				next(jitter(300*time.Millisecond), send)
			}
		}
		send = func() {
			d := ratelimit.Decision{Admitted: true}
			account := "account" + strconv.Itoa(c.account)
			if gated {
				n := r.IntN(sc.operations)
				d = gate.Admit(account, "GET /operation"+strconv.Itoa(n), "family"+strconv.Itoa(n%4))
			}
			if !d.Admitted {
				out.local++
				retry(d.RetryAfter())
				return
			}
			next(jitter(30*time.Millisecond), func() { // on the wire
				wait := out.up.take(now())
				next(jitter(30*time.Millisecond), func() { // and back
					if wait > 0 {
						out.refused++
						if gated {
							gate.Report(d, 429, strconv.Itoa(wait), false)
						}
						retry(wait)
						return
					}
					out.answered[c.account]++
					if gated {
						gate.Report(d, 200, "", false)
					}
					next(jitter(c.think), send)
				})
			})
		}
		c.arrives = send
		q = append(q, c)
	}
	heap.Init(&q)
	for q[0].at < length {
		c := q[0]
		clock.Advance(c.at - now())
		c.arrives()
		heap.Fix(&q, 0)
	}
	return out
}

// With the gate, Spotify sees hardly more than its limit and every account gets
// most of its fair share, however the clients behave. Without, the busiest
// account takes nearly everything.
func TestSimulation(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "clients\tgate\tsent to Spotify\tof its limit\tworst 30 s\tanswered\t429 by Spotify\t429 by the gate\tleast/account\tmedian\tmost\t")
	capacity := limit * int(length/rolling)
	for _, sc := range []scenario{
		{name: "all busy, polite", polite: true, think: 2 * time.Second},
		{name: "all busy, impatient", think: 2 * time.Second},
		{name: "one busy, polite", polite: true, think: 20 * time.Second},
		{name: "one busy, impatient", think: 20 * time.Second},
		{name: "all busy, impatient, refused count", think: 2 * time.Second, countRefused: true},
		{name: "all busy, polite, 12 operations", polite: true, think: 2 * time.Second, operations: 12},
		{name: "all busy, impatient, 12 operations", think: 2 * time.Second, operations: 12},
		{name: "one busy, impatient, 12 operations", think: 20 * time.Second, operations: 12},
	} {
		sc.operations = max(1, sc.operations)
		for _, gated := range []bool{false, true} {
			out := simulate(sc, gated)
			answered := 0
			for _, n := range out.answered {
				answered += n
			}
			each := slices.Sorted(slices.Values(out.answered))
			least, median, most := each[0], each[len(each)/2], each[len(each)-1]
			share := 100 * float64(len(out.up.sent)) / float64(capacity)
			worst := out.up.worst(rolling)
			fair := min(capacity/accounts, 2*int(length/sc.think))
			switch {
			case !gated:
				if share < 150 || least > fair*3/4 {
					t.Errorf("%s: there is no rush to be stemmed", sc.name)
				}
			case share > 100 || worst > limit*107/100 || out.up.worst(-rolling) > limit+64:
				t.Errorf("%s: Spotify saw %.1f %% of its limit, %d in the worst 30 s", sc.name, share, worst)
			case least < fair*3/4:
				t.Errorf("%s: an account got %d answers, its fair share being %d", sc.name, least, fair)
			case answered < capacity*3/4:
				t.Errorf("%s: only %d of %d possible answers", sc.name, answered, capacity)
			}
			fmt.Fprintf(w, "%s\t%v\t%d\t%.1f %%\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", sc.name, gated, len(out.up.sent), share,
				worst, answered, out.refused, out.local, least, median, most)
		}
	}
	_ = w.Flush()
	t.Logf("64 connections, 20 accounts, limit %d per rolling 30 s, %s:\n%s", limit, length, table.String())
}
