package caddyspotify

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// SetClock replaces the clock of the servers that a test starts.
func SetClock(t testing.TB, c pkce.Clock) {
	old := clock
	clock = c
	t.Cleanup(func() { clock = old })
}

// ReturnPath is returnPath.
func ReturnPath(s string) string { return returnPath(s) }
