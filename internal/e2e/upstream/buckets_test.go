package upstream_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Q01, Q02: a quota of hours for one operation leaves the others alone, logins
// included, before and after a restart, and the operator can open it.
func TestBucketOfOneOperation(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	admin := freeport.Address(t)
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + admin, Sim: spotifytest.Options{Now: clock.Now}})
	b := s.NewBrowser()
	b.Login("mira")
	const limited = "/v1/me/player/devices"
	s.Sim.Inject(spotifytest.Fault{Path: limited, Exact: true, Effect: spotifytest.QuotaExceededHours})
	others := []string{"/v1/me", "/v1/me/player/queue", "/v1/me/playlists", "/v1/me/top/tracks", "/v1/search?q=x&type=track"}
	check := func(asked int) {
		t.Helper()
		s.Sim.ForgetRequests()
		for range 3 {
			a := b.WantStatus(b.Fetch("GET", "/spotify"+limited, ""), http.StatusTooManyRequests)
			if got := a.Header.Get("Spotify-Proxy-Limited"); got != "GET /me/player/devices" || a.Header.Get("Retry-After") == "" || a.Header.Get("Spotify-Proxy-Reason") != "quota_exceeded" {
				t.Errorf("headers: %v", a.Header)
			}
			for _, other := range others {
				if a := b.Fetch("GET", "/spotify"+other, ""); a.StatusCode == http.StatusTooManyRequests {
					t.Errorf("%s: %s", other, a.Text)
				}
			}
		}
		if n := len(s.Sim.RequestsTo(limited)); n != asked {
			t.Errorf("Spotify was asked %d times, want %d", n, asked)
		}
	}
	check(1)
	s.NewBrowser().Login("jonas")
	e := b.Fetch("GET", "/spotify"+limited, "").APIError(t)
	if want := "Spotify limits GET /me/player/devices for this app; try again in 13 h 35 min."; e.Message != want {
		t.Errorf("message %q, want %q", e.Message, want)
	}
	s.Load("grace_period 1s")
	check(0)
	s.Restart()
	check(1)
	clock.Advance(15 * time.Minute)
	check(1)
	check(0)

	caddy := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := proxytest.RunCaddy(t, append([]string{"spotify", "limits", "--address", admin}, args...)...)
		if code != 0 {
			t.Fatalf("limits %q: %s", args, stderr)
		}
		return stdout
	}
	if list := caddy(); !strings.Contains(list, "operation  GET /me/player/devices  quota_exceeded") {
		t.Errorf("limits: %s", list)
	}
	if opened := caddy("--open", "GET /me/player"); opened != "Nothing of that name is limited.\n" {
		t.Errorf("opened: %s", opened)
	}
	s.Sim.ClearFaults()
	if opened := caddy("--open", "GET /me/player/devices"); opened != "Opened GET /me/player/devices.\n" {
		t.Errorf("opened: %s", opened)
	}
	b.WantStatus(b.Fetch("GET", "/spotify"+limited, ""), http.StatusOK)
	if list := caddy(); list != "Nothing is limited.\n" {
		t.Errorf("limits: %s", list)
	}
	var none adminapi.Opened
	a := &proxytest.Administrator{T: t, Addr: admin}
	a.Call("DELETE", "/spotify/limits/all", http.StatusOK, &none)
	if none.Opened == nil || len(none.Opened) != 0 {
		t.Errorf("opened: %+v", none)
	}
}

// Q01: the simulator's own quota, over a rolling day of its clock.
func TestQuotaOfARollingDay(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{
		Now: clock.Now, TokenLife: 48 * time.Hour, Quota: spotifytest.Quota{Grouping: spotifytest.PerOperation, Size: 5},
	}})
	b := s.NewBrowser()
	b.Login("mira")
	for range 5 {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusOK)
		clock.Advance(time.Hour)
	}
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusTooManyRequests)
	if got := a.Header.Get("Retry-After"); got != "68400" { // 19 hours
		t.Errorf("Retry-After %s", got)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusTooManyRequests)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if got := s.Sim.Spent(proxytest.ClientID)["GET /me/playlists"]; got != (spotifytest.Spending{Served: 5, Refused: 1}) {
		t.Errorf("spent: %+v", got)
	}
	clock.Advance(19 * time.Hour)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusOK)
}
