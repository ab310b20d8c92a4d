package notify

import "time"

// before are the times before the end at which a notice is due, the longest first.
var before = [...]time.Duration{30 * day, 7 * day, day}

const day = 24 * time.Hour

// stage returns how many notices are due by a time about access that begins and ends as given. One
// that would come in the first half of the access is left out: it announces nothing. The
// zero time is before all of them.
func stage(at, begins, ends time.Time) int {
	n := 0
	for _, d := range before {
		if d <= ends.Sub(begins)/2 && !at.Before(ends.Add(-d)) {
			n++
		}
	}
	if !at.Before(ends) {
		n++
	}
	return n
}

// daysLeft returns the days until the end, of which one that has begun counts.
func daysLeft(now, ends time.Time) int {
	return int((max(0, ends.Sub(now)) + day - 1) / day)
}
