package upstream_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestGateAnswersForSpotify(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	one, two := s.NewBrowser(), s.NewBrowser()
	one.Login("mira")
	two.Login("jonas")
	s.Sim.ForgetRequests()
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 429, RetryAfter: 20 * time.Second, Body: `{"error":{"status":429,"message":"API rate limit exceeded"}}`})
	a := one.WantStatus(one.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if a.Header.Get("Retry-After") != "20" || a.Header.Get("Spotify-Proxy-Reason") != "rate_limited" {
		t.Errorf("Spotify's own: %v", a.Header)
	}
	fake.Advance(5 * time.Second)
	a = two.WantStatus(two.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if e := a.APIError(t); e.Reason != "rate_limited" || a.Header.Get("Retry-After") != "15" {
		t.Errorf("the gate's: %+v %v", e, a.Header)
	}
	if n := len(s.Sim.RequestsTo("/v1/me")); n != 1 {
		t.Errorf("%d requests reached Spotify", n)
	}
	// A reload does not open it.
	s.Load("grace_period 1s")
	two.WantStatus(two.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	fake.Advance(16 * time.Second)
	two.WantStatus(two.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	one.WantStatus(one.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

func TestQuotaIsToldApart(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Effect: spotifytest.QuotaExceeded})
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if got := a.Header.Get("Spotify-Proxy-Reason"); got != "quota_exceeded" {
		t.Errorf("reason %q: %s", got, a.Text)
	}
	if e := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests).APIError(t); e.Reason != "quota_exceeded" {
		t.Errorf("error: %+v", e)
	}
}

func TestRetryHoldsRequestsBack(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "retry 3 5s"})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ForgetRequests()
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 2, Status: 502, Body: "bad gateway"})
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if n := len(s.Sim.RequestsTo("/v1/me")); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	// What is not safe is sent once, and what asks for too much patience is
	// passed on.
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/player", Times: 1, Status: 503, Body: "no"})
	b.WantStatus(b.Fetch("PUT", "/spotify/v1/me/player/pause", ""), http.StatusServiceUnavailable)
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 503, RetryAfter: time.Minute, Body: "no"})
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusServiceUnavailable)
}

// P58: a 429 that Spotify sends without Retry-After gets one: how long the proxy
// itself is going to wait.
func TestEvery429SaysHowLongToWait(t *testing.T) {
	const upload, volume = "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/images", "/v1/me/player/volume?volume_percent=7"
	for name, test := range map[string]struct {
		fault  spotifytest.Fault
		target string
		want   string
		second string // of the next request, which the gate responds to
	}{
		"none":             {spotifytest.Fault{Effect: spotifytest.RateLimitedBare}, volume, "5", "5"},
		"quota":            {spotifytest.Fault{Effect: spotifytest.QuotaExceeded}, volume, "60", "60"},
		"unreadable":       {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"soon"}}}, volume, "5", "5"},
		"Spotify's own":    {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, volume, "7", "7"},
		"a limit apart":    {spotifytest.Fault{Effect: spotifytest.RateLimitedBare}, upload, "5", "5"},
		"zero":             {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"0"}}}, volume, "1", "1"},
		"past":             {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"Sat, 01 Aug 2020 12:00:00 GMT"}}}, volume, "1", "1"},
		"hours":            {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"48925"}}}, volume, "48925", "900"},
		"in all its bytes": {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}, "Content-Encoding": {"br"}}, Body: "?"}, volume, "7", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeclock.New(time.Now()).Install(t) // it stands still
			s := proxytest.Start(t, proxytest.Options{})
			b := s.NewBrowser()
			b.Login("")
			test.fault.Times = 1
			s.Sim.Inject(test.fault)
			a := b.WantStatus(b.Fetch("PUT", "/spotify"+test.target, ""), http.StatusTooManyRequests)
			if got := a.Header["Retry-After"]; len(got) != 1 || got[0] != test.want {
				t.Errorf("Retry-After %q, want %q", got, test.want)
			}
			a = b.Fetch("PUT", "/spotify"+test.target, "")
			if got := a.Header.Get("Retry-After"); got != test.second || a.StatusCode != 429 {
				t.Errorf("then: status %d, Retry-After %q, want %q", a.StatusCode, got, test.second)
			}
		})
	}
}
