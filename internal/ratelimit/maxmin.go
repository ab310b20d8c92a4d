package ratelimit

import "slices"

// Level returns the most that each may get, so that what is granted of the demands
// together is no more than there is: the max-min fair share. Those who ask for less
// get it, and the others get equal parts of what remains. It sorts the demands.
func Level(demands []float64, available float64) float64 {
	slices.Sort(demands)
	left := available
	for i, d := range demands {
		equal := left / float64(len(demands)-i)
		if d > equal {
			return equal
		}
		left -= d
	}
	return available
}
