package session_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// R40: the machine's clock jumps, back and forth, and users notice nothing. No
// jump costs more than one refresh, and no token is used that has expired.
func TestClockJumps(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.NewBrowser()
	b.Login("")
	for _, jump := range []time.Duration{
		time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, -48 * time.Hour, 48 * time.Hour, 20 * 24 * time.Hour, -20 * 24 * time.Hour,
	} {
		clock.Jump(jump)
		before := s.Sim.Refreshes()
		if got := together(b, 20, "GET", "/spotify/v1/me", ""); got[http.StatusOK] != 20 {
			t.Errorf("after a jump of %s: statuses %v", jump, got)
		}
		if !b.Session().Authenticated {
			t.Errorf("after a jump of %s the session is over", jump)
		}
		if n := s.Sim.Refreshes() - before; n > 1 {
			t.Errorf("a jump of %s cost %d refreshes", jump, n)
		}
	}
	// Time itself goes on all the while, however the clock is set.
	clock.Jump(-24 * time.Hour)
	s.Sim.ExpireAccessTokens()
	clock.Advance(time.Hour)
	before := len(s.Sim.RequestsTo("/v1/me"))
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	for _, r := range s.Sim.RequestsTo("/v1/me")[before:] {
		if r.Status == http.StatusUnauthorized {
			t.Error("a token was used that had expired")
		}
	}
}
