package caddyspotify_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestGateAnswersForSpotify(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	one, two := s.newBrowser(), s.newBrowser()
	one.login("mira")
	two.login("jonas")
	s.sim.ForgetRequests()
	s.sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 429, RetryAfter: 20 * time.Second, Body: `{"error":{"status":429,"message":"API rate limit exceeded"}}`})
	a := one.wantStatus(one.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if a.Header.Get("Retry-After") != "20" || a.Header.Get("Spotify-Proxy-Reason") != "rate_limited" {
		t.Errorf("Spotify's own: %v", a.Header)
	}
	fake.Advance(5 * time.Second)
	a = two.wantStatus(two.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if e := a.apiError(t); e.Reason != "rate_limited" || a.Header.Get("Retry-After") != "15" {
		t.Errorf("the gate's: %+v %v", e, a.Header)
	}
	if n := len(s.sim.RequestsTo("/v1/me")); n != 1 {
		t.Errorf("%d requests reached Spotify", n)
	}
	// A reload does not open it.
	s.load("grace_period 1s")
	two.wantStatus(two.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	fake.Advance(16 * time.Second)
	two.wantStatus(two.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	one.wantStatus(one.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

func TestQuotaIsToldApart(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	s.sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Effect: spotifytest.QuotaExceeded})
	a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if got := a.Header.Get("Spotify-Proxy-Reason"); got != "quota_exceeded" {
		t.Errorf("reason %q: %s", got, a.body)
	}
	if e := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests).apiError(t); e.Reason != "quota_exceeded" {
		t.Errorf("error: %+v", e)
	}
}

func TestRetryHoldsRequestsBack(t *testing.T) {
	s := start(t, startOptions{auth: "retry 3 5s"})
	b := s.newBrowser()
	b.login("")
	s.sim.ForgetRequests()
	s.sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 2, Status: 502, Body: "bad gateway"})
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if n := len(s.sim.RequestsTo("/v1/me")); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	// What is not safe is sent once, and what asks for too much patience is
	// passed on.
	s.sim.Inject(spotifytest.Fault{Path: "/v1/me/player", Times: 1, Status: 503, Body: "no"})
	b.wantStatus(b.fetch("PUT", "/spotify/v1/me/player/pause", ""), http.StatusServiceUnavailable)
	s.sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 503, RetryAfter: time.Minute, Body: "no"})
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusServiceUnavailable)
}
