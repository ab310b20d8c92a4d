package demo

import (
	"net/netip"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// SimulateDebug is Simulate with the option debug.
func SimulateDebug(text string, addr netip.AddrPort, sim *spotifytest.Running) (string, error) {
	s, err := simulate(text, addr, sim, true)
	return s.caddyfile, err
}
