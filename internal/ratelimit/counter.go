package ratelimit

import (
	"sync/atomic"
	"time"
)

// counter counts events by the second, for the last minute. It is safe for
// concurrent use and takes no lock. The zero value has counted nothing.
type counter struct {
	// Each cell has a second in its upper half and a count in its lower one,
	// so that a cell of a past minute is told from one of now.
	cells [64]atomic.Uint64
}

// second numbers the seconds from 1: an empty cell must not be mistaken.
func second(now time.Duration) uint32 { return uint32(now/time.Second) + 1 }

// add counts one event. One that is over a minute old may go uncounted.
func (c *counter) add(now time.Duration) {
	s := second(now)
	cell := &c.cells[s%uint32(len(c.cells))]
	for {
		old := cell.Load()
		next := uint64(s)<<32 | 1
		switch at := uint32(old >> 32); {
		case at == s:
			next = old + 1
		case at > s:
			return // the cell has moved on
		}
		if cell.CompareAndSwap(old, next) {
			return
		}
	}
}

// at returns the count of one second.
func (c *counter) at(s uint32) uint32 {
	v := c.cells[s%uint32(len(c.cells))].Load()
	if uint32(v>>32) != s {
		return 0
	}
	return uint32(v)
}

// sum returns the events of the last span, which must be under a minute. The
// second in which it began counts as a whole, so the sum is never too low.
func (c *counter) sum(now, span time.Duration) int {
	n := 0
	for s, last := c.first(now, span), second(now); s <= last; s++ {
		n += int(c.at(s))
	}
	return n
}

// drop returns how long it takes until sum is lower than now.
func (c *counter) drop(now, span time.Duration) time.Duration {
	for s, last := c.first(now, span), second(now); s <= last; s++ {
		if c.at(s) > 0 {
			return time.Duration(s)*time.Second + span - now // the end of second s, and span
		}
	}
	return 0
}

// first is the first second that sum counts.
func (c *counter) first(now, span time.Duration) uint32 {
	return second(max(0, now-span))
}
