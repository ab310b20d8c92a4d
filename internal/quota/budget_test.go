package quota

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// crowd asks for requests as a budget lets it.
type crowd struct {
	t      *testing.T
	ledger *Ledger
	budget *Budget
	sent   map[Caller][]time.Time
	asked  map[Caller]int
}

func newCrowd(t *testing.T, b Budget) *crowd {
	// Without a folder to read, refreshing costs nothing.
	l := New("app", "i", newDisk().handle(), pkce.SystemClock{}, zap.NewNop())
	return &crowd{t, l, &b, make(map[Caller][]time.Time), make(map[Caller]int)}
}

// ask asks for one request.
func (c *crowd) ask(who Caller) (time.Duration, bool) {
	c.asked[who]++
	e := c.ledger.Begin("GET /me/player", who)
	wait, ok := c.ledger.Admit(c.budget, &e, who)
	if ok {
		c.sent[who] = append(c.sent[who], time.Now())
		e.Sent()
	}
	return wait, ok
}

// since returns how many requests of some callers went out in the last while.
func (c *crowd) since(d time.Duration, who ...Caller) int {
	n := 0
	for _, w := range who {
		for _, at := range c.sent[w] {
			if time.Since(at) < d {
				n++
			}
		}
	}
	return n
}

func (c *crowd) stop() {
	_ = c.ledger.Stop()
	time.Sleep(2 * readEvery)
}

func visitors(n int) []Caller {
	all := make([]Caller, n)
	for i := range all {
		all[i] = Caller{Account, fmt.Sprint("account-", i)}
	}
	return all
}

// Q04: with a budget that runs short, one who asks for everything does not take from
// those who ask for little what they need, and no day has more than the budget.
func TestFairShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 1100})
		defer c.stop()
		all := visitors(5)
		greedy, modest := all[0], all[1:]
		most := 0
		for minute := range 2 * day {
			for range 10 {
				c.ask(greedy)
			}
			if minute%10 == 0 {
				for _, who := range modest {
					c.ask(who)
				}
			}
			time.Sleep(time.Minute)
			if minute%30 == 0 {
				most = max(most, c.since(24*time.Hour, all...))
			}
		}
		if most > 1100 || most < 1000 {
			t.Errorf("%d requests went out in 24 hours", most)
		}
		for _, who := range modest {
			if n := c.since(48*time.Hour, who); n < c.asked[who]*95/100 {
				t.Errorf("%s got %d of %d", who.Name, n, c.asked[who])
			}
		}
		if n := c.since(24*time.Hour, greedy); n < 400 || n > 600 {
			t.Errorf("who asks for everything got %d in the second day", n)
		}
	})
}

// Q04: those who come when one has used nearly everything up get something at once, and
// their equal share within a day.
func TestNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 1000})
		defer c.stop()
		all := visitors(4)
		for range 6 * 60 {
			for range 10 {
				c.ask(all[0])
			}
			time.Sleep(time.Minute)
		}
		if n := c.since(24*time.Hour, all[0]); n != 900 {
			t.Fatalf("one visitor alone got %d of 1000", n)
		}
		for _, who := range all[1:] {
			for range 20 {
				if wait, ok := c.ask(who); !ok {
					t.Errorf("%s is told to wait %s", who.Name, wait)
				}
			}
		}
		for range 2 * day {
			for _, who := range all {
				c.ask(who)
			}
			time.Sleep(time.Minute)
		}
		for _, who := range all {
			if n := c.since(24*time.Hour, who); n < 220 || n > 280 {
				t.Errorf("%s got %d of 1000 in the third day", who.Name, n)
			}
		}
	})
}

// Q04: a tenth is kept for those who have had less than half of their share.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 1000})
		defer c.stop()
		all := visitors(3)
		for range 500 {
			c.ask(all[0])
		}
		for range 500 {
			c.ask(all[1])
		}
		for range 50 {
			c.ask(all[2])
		}
		// The fair share of the second is 450, but there are but 400 up to what is kept.
		for i, want := range []int{500, 400, 50} {
			if n := c.since(time.Hour, all[i]); n != want {
				t.Errorf("%s got %d, not %d", all[i].Name, n, want)
			}
		}
	})
}

// Q04: the parts of the budget keep off each other.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 1000, Share: 30, Keys: 20})
		defer c.stop()
		lines := []Caller{{Line, "/v1/me/player"}, {Line, "/v1/me/top/tracks?limit=5"}}
		keys := []Caller{{Key, "aaaaaaaaaaaa"}, {Key, "bbbbbbbbbbbb"}}
		people := append(visitors(2), Caller{Login, "logins"})
		for range 1000 {
			for _, group := range [][]Caller{lines, keys} {
				for _, who := range group {
					c.ask(who)
				}
			}
		}
		if n := c.since(time.Hour, lines...); n > 300 || n < 270 {
			t.Errorf("%d requests went out for what is shared, of a part of 300", n)
		}
		if n := c.since(time.Hour, keys...); n > 200 || n < 180 {
			t.Errorf("%d requests went out for keys, of a part of 200", n)
		}
		for range 200 {
			for _, who := range people {
				c.ask(who)
			}
		}
		if n := c.since(time.Hour, people...); n > 500 || n < 450 {
			t.Errorf("%d requests of visitors went out, of a part of 500", n)
		}
	})
}

// Q04: after the time that a refusal names there is room, and not before.
func TestRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 100})
		defer c.stop()
		who := visitors(1)[0]
		time.Sleep(20 * time.Second)
		for range 90 {
			if _, ok := c.ask(who); !ok {
				t.Fatal("refused below the limit")
			}
			time.Sleep(10 * time.Minute)
		}
		wait, ok := c.ask(who)
		if ok || wait > 9*time.Hour+10*time.Minute || wait < 9*time.Hour {
			t.Fatalf("told to wait %s: %v", wait, ok)
		}
		if h := c.ledger.Header(c.budget, who); h != fmt.Sprintf("limit=100, remaining=0, reset=%d", int(wait.Seconds())) {
			t.Errorf("the header says %q", h)
		}
		time.Sleep(wait - time.Second)
		if _, ok := c.ask(who); ok {
			t.Error("admitted too early")
		}
		time.Sleep(time.Second)
		if h := c.ledger.Header(c.budget, who); !strings.HasPrefix(h, "limit=100, remaining=1, reset=") {
			t.Errorf("the header says %q", h)
		}
		if wait, ok := c.ask(who); !ok {
			t.Errorf("told to wait another %s", wait)
		}
	})
}

// Q04: what another instance has sent counts against the budget, and what could not be
// sent does not.
func TestBudgetAcrossInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		a, b := d.start("a"), d.start("b")
		budget, who := &Budget{Limit: 100}, Caller{Account, "mira"}
		for range 60 {
			e := a.Begin("GET /me", who)
			if _, ok := a.Admit(budget, &e, who); !ok {
				t.Fatal("refused")
			}
			e.Sent()
		}
		e := a.Begin("GET /me", who)
		if _, ok := a.Admit(budget, &e, who); !ok {
			t.Fatal("refused")
		}
		e.Withdraw()
		time.Sleep(writeEvery)
		b.Ready(t.Context())
		synctest.Wait()
		got := 0
		for range 100 {
			e := b.Begin("GET /me", who)
			if _, ok := b.Admit(budget, &e, who); ok {
				got++
				e.Sent()
			}
		}
		if got != 30 {
			t.Errorf("another instance sent %d, with 60 of 100 spent and 10 kept", got)
		}
		_, _ = a.Stop(), b.Stop()
		time.Sleep(2 * readEvery)
	})
}

// Q03: the rows are bounded, and what has none of its own is counted still.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, Budget{Limit: 1})
		defer c.stop()
		l := c.ledger
		for i := range 3 * maxCallers {
			e := l.Begin(fmt.Sprint("GET /made/up", i), Caller{Account, fmt.Sprint(i)})
			e.Sent()
		}
		e := l.Begin("GET /me/player", Caller{Account, "0"})
		e.Sent()
		r := l.Report()
		if len(r.Operations) > maxOperations+2 || len(r.Callers) > maxCallers+1 || r.Used != 3*maxCallers+1 {
			t.Errorf("%d operations, %d callers, %d requests", len(r.Operations), len(r.Callers), r.Used)
		}
		var sum, known int
		for _, op := range r.Operations {
			sum += op.Used
			if op.Name == "GET /me/player" {
				known = op.Used
			}
		}
		if sum != r.Used || known != 1 {
			t.Errorf("operations add up to %d of %d, and a known one has %d", sum, r.Used, known)
		}
		// A day later there is room again.
		time.Sleep(25 * time.Hour)
		e = l.Begin("GET /made/another", Caller{Account, "new"})
		e.Sent()
		if r := l.Report(); r.Used != 1 || r.Callers[0].Name != "new" || r.Operations[0].Name != "GET /made/another" {
			t.Errorf("a day later: %+v", r)
		}
	})
}

// Q03: what was spent when Spotify first says QUOTA_EXCEEDED is kept for a day, also
// for other instances.
func TestLikelySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		i := d.start("a")
		refuse := func() {
			e := i.Begin("GET /me/player", Caller{Account, "mira"})
			e.Sent()
			e.Refused("GET /me/player", true)
		}
		for n := range 144 {
			e := i.Begin([]string{"GET /me", "GET /me/player"}[n%2], Caller{Account, "mira"})
			e.Sent()
		}
		refuse()
		time.Sleep(time.Hour)
		e := i.Begin("GET /me/player", Caller{Account, "mira"})
		e.Sent()
		refuse()
		_ = i.Stop()
		later := d.start("b")
		if err := later.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := later.Report()
		if len(r.Observed) != 1 || r.Observed[0].Used != 72 || r.Observed[0].UsedInAll != 144 || r.Refused != 2 || r.Used != 145 || r.Size() != 144 {
			t.Errorf("%+v", r)
		}
		_ = later.Stop()
		time.Sleep(2 * readEvery)
	})
}

func BenchmarkCount(b *testing.B) {
	l := New("app", "i", newDisk().handle(), pkce.SystemClock{}, zap.NewNop())
	defer func() { _ = l.Stop() }()
	who := Caller{Account, "mira"}
	b.Run("nothing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e Entry
			e.Sent()
		}
	})
	b.Run("count", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e := l.Begin("GET /me/player", who)
			e.Sent()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				e := l.Begin("GET /me/player", who)
				e.Sent()
			}
		})
	})
	b.Run("budget", func(b *testing.B) {
		b.ReportAllocs()
		budget := &Budget{Limit: 1 << 40}
		for b.Loop() {
			e := l.Begin("GET /me/player", who)
			if _, ok := l.Admit(budget, &e, who); ok {
				e.Sent()
			}
		}
	})
}
