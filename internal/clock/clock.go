// Package clock holds the one clock of the process, which tests set.
package clock

import (
	"sync/atomic"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// held gives the values of an atomic.Pointer one type.
type held struct{ pkce.Clock }

var current atomic.Pointer[held]

func init() { current.Store(&held{pkce.SystemClock{}}) }

// Get returns the clock. What outlives a request keeps the clock that it got
// when it was made. Safe for concurrent use.
func Get() pkce.Clock { return current.Load().Clock }

// Set replaces the clock of whatever is made from now on, and returns a
// function that puts the former one back. It is for tests. Safe for concurrent
// use.
func Set(c pkce.Clock) (restore func()) {
	old := current.Swap(&held{c})
	return func() { current.Store(old) }
}
