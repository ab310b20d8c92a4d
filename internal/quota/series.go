package quota

import (
	"sync/atomic"
	"time"
)

const (
	// day is the span over which Spotify counts, in minutes.
	day = 24 * 60
	// hours is how many hours of the clock a day can touch, and one more: the clocks of
	// instances differ.
	hours = 26
)

// minuteOf numbers the minutes of the wall clock, so that all instances agree.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// page has the counts of one hour, by the minute.
type page struct {
	hour  int64
	total atomic.Uint32
	cells [60]atomic.Uint32
}

// series counts by the minute, over a rolling day. It takes no lock, and allocates
// once an hour. The zero value has counted nothing. It is safe for concurrent use.
type series struct{ pages [hours]atomic.Pointer[page] }

// add counts n in a minute, or takes n back if it is negative. A minute that is more
// than a day old is not counted any more.
func (s *series) add(minute int64, n int32) {
	hour := minute / 60
	slot := &s.pages[hour%hours]
	p := slot.Load()
	for p == nil || p.hour < hour {
		slot.CompareAndSwap(p, &page{hour: hour})
		p = slot.Load()
	}
	if p.hour == hour {
		p.cells[minute%60].Add(uint32(n)) //nolint:gosec // wraps around for a count taken back, as it should
		p.total.Add(uint32(n))            //nolint:gosec // likewise
	}
}

// page returns the counts of an hour, or nil.
func (s *series) page(hour int64) *page {
	if p := s.pages[hour%hours].Load(); p != nil && p.hour == hour {
		return p
	}
	return nil
}

// sum returns the count of the day that ends in a minute: that minute and the day
// before it. What was counted in later ones, before the wall clock was set back, is
// part of it, since Spotify's was not.
func (s *series) sum(minute int64) int {
	n := 0
	first := minute - day
	for i := range s.pages {
		p := s.pages[i].Load()
		switch {
		case p == nil || p.hour < first/60:
		case p.hour > first/60:
			n += int(p.total.Load())
		default:
			for m := first % 60; m < 60; m++ {
				n += int(p.cells[m].Load())
			}
		}
	}
	return n
}

// at returns the count of one minute.
func (s *series) at(minute int64) int {
	if p := s.page(minute / 60); p != nil {
		return int(p.cells[minute%60].Load())
	}
	return 0
}

// first returns the first minute of the day up to a minute in which something was
// counted.
func (s *series) first(minute int64) (int64, bool) {
	for m := minute - day; m <= minute; {
		p := s.page(m / 60)
		if p == nil || p.total.Load() == 0 {
			m = (m/60 + 1) * 60
			continue
		}
		if p.cells[m%60].Load() > 0 {
			return m, true
		}
		m++
	}
	return 0, false
}

// leaves returns the minute at which the sum of several series will have sunk below
// a target, if nothing more is counted.
func leaves(of []*series, minute int64, target int) int64 {
	n := 0
	for _, s := range of {
		n += s.sum(minute)
	}
	for m := minute - day; m <= minute && n >= target; m++ {
		for _, s := range of {
			n -= s.at(m)
		}
		if n < target {
			return m + day + 1
		}
	}
	return minute + 1
}
