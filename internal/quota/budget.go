package quota

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

const (
	// reservePart is the part of a budget, one in so many, for callers that have had
	// less than half of their fair share.
	reservePart = 10

	// levelEvery is how often the fair share is worked out for many callers. That of a
	// few is always up to date.
	levelEvery = 250 * time.Millisecond
	few        = 16

	// soonest is the least time, in minutes, from which it is concluded how much a
	// caller asks for in a day.
	soonest = 60
)

// Budget limits what an app sends to Spotify in a rolling day.
type Budget struct {
	// Limit is the number of requests.
	Limit int
	// Share and Keys are the parts, in percent, that are set apart for what is shown
	// of a shared account and for access keys. 0 sets nothing apart: they then take
	// part in what is left for visitors.
	Share, Keys int
}

// pool is a part of a budget, and who it is for.
type pool struct {
	limit int
	kinds [len(callers)]bool
}

// poolOf returns the part for callers of a kind, and a number for it.
func (b *Budget) poolOf(k Kind) (p pool, number int) {
	parts := [len(callers)]int{}
	left := 100
	for i, kind := range callers {
		switch kind {
		case Line:
			parts[i] = b.Share
		case Key:
			parts[i] = b.Keys
		}
		left -= parts[i]
	}
	for i, kind := range callers {
		if kind == k && parts[i] > 0 {
			p.limit, p.kinds[i] = b.Limit*parts[i]/100, true
			return p, i
		}
		p.kinds[i] = parts[i] == 0
	}
	p.limit = b.Limit * left / 100
	return p, 0
}

// fairness shares out budgets.
type fairness struct {
	mu      sync.Mutex
	levels  [len(callers)]level
	demands []float64
	seen    map[string]struct{} // the aliases of a kind that this instance has counted for
}

// level is the most that one caller gets of a pool in a day.
type level struct {
	limit int
	most  float64
	at    time.Time
}

// Admit counts a request if the budget has room for it. Otherwise it returns when
// there will be, if nothing else is sent. While less than half of the budget is
// spent, there is. From there on each caller gets its fair share, the max-min one:
// those who ask for little get it, and the others get equal parts of what remains. How
// much a caller asks for in a day is concluded from what it has asked for so far. A tenth
// is kept for callers that have had less than half of their share.
//
// What other instances have sent in the last minute may not be known here, so several
// can together exceed a budget by that much. A single one does not.
func (l *Ledger) Admit(b *Budget, e *Entry, c Caller) (wait time.Duration, ok bool) {
	l.fair.mu.Lock()
	defer l.fair.mu.Unlock()
	s := l.standing(b, c, e.minute, false)
	if s.remaining > 0 {
		e.count(1)
		return 0, true
	}
	e.operation.held.add(e.minute, 1)
	e.caller.held.add(e.minute, 1)
	e.total.held.add(e.minute, 1)
	return l.until(s.room), false
}

// standing is how a caller stands.
type standing struct {
	limit     int   // of the pool
	remaining int   // what the caller may still send
	room      int64 // the minute at which there is room for more
}

// standing returns how a caller stands, always with when there is more room if that
// is wanted.
func (l *Ledger) standing(b *Budget, c Caller, minute int64, withRoom bool) standing {
	p, number := b.poolOf(c.Kind)
	used := 0
	for i, in := range p.kinds {
		if in {
			used += l.usedBy(i, minute)
		}
	}
	s := standing{limit: p.limit, remaining: p.limit - used}
	if 2*used < p.limit && !withRoom {
		return s
	}
	series := l.seriesOf(c)
	mine := 0
	for _, of := range series {
		mine += of.sum(minute)
	}
	level := max(1, int(math.Ceil(l.level(p, number, minute))))
	room := p.limit
	if 2*mine >= level {
		room -= p.limit / reservePart
	}
	s.remaining = max(0, min(level-mine, room-used))
	switch {
	case mine >= level:
		s.room = leaves(series, minute, level)
	case s.remaining == 0:
		s.room = leaves(l.seriesIn(p), minute, room)
	case withRoom:
		s.room = leaves(l.seriesIn(p), minute, used)
	}
	return s
}

// level returns the most that one caller gets of a pool. It must be called with the
// lock held.
func (l *Ledger) level(p pool, number int, minute int64) float64 {
	kept, now := &l.fair.levels[number], l.clock.Now()
	others := l.others.Load()
	n := 0
	for i, in := range p.kinds {
		if in {
			n += len(*l.own.callers[i].rows.Load()) + len(*others.callers[i].rows.Load())
		}
	}
	if age := now.Sub(kept.at); n > few && kept.limit == p.limit && age >= 0 && age < levelEvery {
		return kept.most
	}
	l.fair.demands = l.fair.demands[:0]
	if l.fair.seen == nil {
		l.fair.seen = make(map[string]struct{})
	}
	for i, in := range p.kinds {
		if !in {
			continue
		}
		clear(l.fair.seen)
		for name, r := range *l.own.callers[i].rows.Load() {
			alias := l.aliases.ofRow(callers[i], name, r)
			l.fair.seen[alias] = struct{}{}
			l.demand(callers[i], minute, r, others.callers[i].find(alias))
		}
		for name, r := range *others.callers[i].rows.Load() {
			if _, again := l.fair.seen[name]; !again {
				l.demand(callers[i], minute, r, nil)
			}
		}
	}
	*kept = level{p.limit, ratelimit.Level(l.fair.demands, float64(p.limit-p.limit/reservePart)), now}
	return kept.most
}

// demand adds what a caller asks for in a day, which has one row or two.
func (l *Ledger) demand(k Kind, minute int64, rows ...*row) {
	asked, since := 0, minute
	for _, r := range rows {
		if r == nil {
			continue
		}
		for _, s := range []*series{&r.spent, &r.held} {
			asked += s.sum(minute)
			if first, ok := s.first(minute); ok {
				since = min(since, first)
			}
		}
	}
	if asked == 0 {
		return
	}
	demand := float64(asked)
	if k != Login { // of which one does not tell of more
		demand = float64(asked) * day / float64(max(minute-since, soonest))
	}
	l.fair.demands = append(l.fair.demands, demand)
}

// seriesOf returns what a caller has spent, here and elsewhere.
func (l *Ledger) seriesOf(c Caller) []*series {
	var all []*series
	var name string
	if r := l.own.of(c.Kind).find(c.Name); r != nil {
		all = append(all, &r.spent)
		name = l.aliases.ofRow(c.Kind, c.Name, r)
	} else {
		name = l.aliases.of(c.Kind, c.Name)
	}
	if other := l.others.Load().of(c.Kind).find(name); other != nil {
		all = append(all, &other.spent)
	}
	return all
}

// seriesIn returns what was spent of a pool, here and elsewhere.
func (l *Ledger) seriesIn(p pool) []*series {
	var all []*series
	for i, in := range p.kinds {
		if in {
			all = append(all, &l.own.callers[i].total.spent, &l.others.Load().callers[i].total.spent)
		}
	}
	return all
}

// until returns how long it takes until a minute begins, at least a second.
func (l *Ledger) until(minute int64) time.Duration {
	return max(time.Second, time.Unix(minute*60, 0).Sub(l.clock.Now()))
}

// Header returns how a caller stands, as the value of the header that tells pages: a
// dictionary (RFC 9651 section 3.2) of the limit of the part of the budget that is for
// it, of what it may still send of that now, and of the seconds until there is more.
func (l *Ledger) Header(b *Budget, c Caller) string {
	l.fair.mu.Lock()
	s := l.standing(b, c, minuteOf(l.clock.Now()), true)
	l.fair.mu.Unlock()
	reset := int64(math.Ceil(l.until(s.room).Seconds()))
	value := make([]byte, 0, 64)
	value = strconv.AppendInt(append(value, "limit="...), int64(s.limit), 10)
	value = strconv.AppendInt(append(value, ", remaining="...), int64(s.remaining), 10)
	value = strconv.AppendInt(append(value, ", reset="...), reset, 10)
	return string(value)
}
