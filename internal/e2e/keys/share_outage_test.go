package keys_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// wantShared asks as a visitor and returns the answer.
func (s *sharing) wantShared(status int, stale string) proxytest.Response {
	s.T.Helper()
	v := s.NewBrowser()
	a := v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, ""), status)
	if got := a.Header.Get("Spotify-Proxy-Stale"); got != stale {
		s.T.Fatalf("status %d, Spotify-Proxy-Stale %q, want %q", status, got, stale)
	}
	return a
}

// While Spotify is down, visitors see the last answer, marked, then a 503, and
// Spotify is still asked once in an interval only.
func TestShareOutageOfTheAPI(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	good := s.wantShared(200, "")

	for name, fault := range map[string]spotifytest.Fault{
		"500":     {Path: "/v1/", Status: 500, Body: "{}"},
		"429":     {Path: "/v1/", Status: 429, Header: http.Header{"Retry-After": {"1"}}},
		"no one":  {Path: "/v1/", Cut: true},
		"cut off": {Path: "/v1/", CutAfter: 20},
	} {
		t.Run(name, func(t *testing.T) {
			in := s.Sim.Inject(fault)
			s.clock.Advance(6 * time.Second)
			a := s.wantShared(200, "1")
			if a.Text != good.Text || a.Header.Get("Cache-Control") != "public, no-cache" || a.Header.Get("Age") == "0" {
				t.Errorf("stale answer: %v %s", a.Header, a.Text)
			}
			hits := in.Hits()
			for range 20 {
				s.wantShared(200, "1")
			}
			if in.Hits() != hits {
				t.Errorf("Spotify was asked %d times more", in.Hits()-hits)
			}
			in.Clear()
			s.clock.Advance(6 * time.Second)
			good = s.wantShared(200, "")
		})
	}

	s.Sim.Inject(spotifytest.Fault{Path: "/v1/", Status: 503})
	s.clock.Advance(11 * time.Minute)
	a = s.wantShared(503, "")
	if e := a.APIError(t); e.Reason != "upstream_unavailable" || a.Header.Get("Retry-After") != "5" {
		t.Errorf("error: %+v, Retry-After %q", e, a.Header.Get("Retry-After"))
	}
	// It does not come back from the dead.
	s.clock.Advance(time.Second)
	s.wantShared(503, "")
	s.Sim.ClearFaults()
	s.clock.Advance(5 * time.Second)
	s.wantShared(200, "")
}

// P58: what Spotify refuses the owner is no data: it does not take the place of the
// last good response, no cache keeps it, and it says truly why.
func TestShareRefused(t *testing.T) {
	for name, test := range map[string]struct {
		fault      spotifytest.Fault
		status     int
		reason     string
		retryAfter string
	}{
		"forbidden":   {spotifytest.Fault{Status: 403, Body: `{"error":{"status":403,"message":"Forbidden."}}`}, 403, "forbidden", "5"},
		"premium":     {spotifytest.Fault{Status: 403, Body: `{"error":{"status":403,"message":"Premium required","reason":"PREMIUM_REQUIRED"}}`}, 403, "premium_required", "5"},
		"owner":       {spotifytest.Fault{Status: 403, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."}, 403, "premium_required", "5"},
		"withdrawn":   {spotifytest.Fault{Status: 410, Body: `{"error":{"status":410,"message":"Gone"}}`}, 410, "forbidden", "5"},
		"not found":   {spotifytest.Fault{Status: 404, Body: `{"error":{"status":404,"message":"Service not found"}}`}, 404, "forbidden", "5"},
		"query":       {spotifytest.Fault{Status: 400, Body: `{"error":{"status":400,"message":"Invalid limit"}}`}, 400, "forbidden", "5"},
		"rate limit":  {spotifytest.Fault{Effect: spotifytest.RateLimitedBare}, 429, "rate_limited", "5"},
		"until then":  {spotifytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"90"}}}, 429, "rate_limited", "90"},
		"quota":       {spotifytest.Fault{Effect: spotifytest.QuotaExceeded}, 429, "quota_exceeded", "60"},
		"until later": {spotifytest.Fault{Effect: spotifytest.QuotaExceeded, RetryAfter: 10 * time.Hour}, 429, "quota_exceeded", "36000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSharing(t, shareOptions)
			b, a := s.connect("mira")
			b.WantStatus(a, http.StatusSeeOther)
			test.fault.Path = "/v1/"
			in := s.Sim.Inject(test.fault)
			a = s.wantShared(test.status, "")
			if e := a.APIError(t); e.Reason != test.reason || a.Header.Get("Retry-After") != test.retryAfter {
				t.Errorf("error: %+v, header %v", e, a.Header)
			}
			v := s.NewBrowser()
			if page := v.WantStatus(v.Navigate("/spotify"+nowPlaying), test.status); !strings.Contains(page.Text, "<code>"+test.reason+"</code>") {
				t.Errorf("page: %s", page.Text)
			}
			in.Clear()
			s.clock.Advance(11 * time.Hour) // past any gate
			good := s.wantShared(200, "")
			s.Sim.Inject(test.fault)
			s.clock.Advance(6 * time.Second)
			if a := s.wantShared(200, "1"); a.Text != good.Text || a.Header.Get("Cache-Control") != "public, no-cache" {
				t.Errorf("header %v: %s", a.Header, a.Text)
			}
		})
	}
}

// P54: visitors learn as much of an API that is out of reach as those who are
// logged in.
func TestShareUnreachableAPI(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/", Cut: true})
	for range 2 { // the second is told what came of the first
		a := s.wantShared(502, "")
		if e := a.APIError(t); e.Reason != "upstream_unavailable" || a.Header.Get("Retry-After") != "5" {
			t.Errorf("error: %+v, Retry-After %q", e, a.Header.Get("Retry-After"))
		}
	}
	v := s.NewBrowser()
	page := v.WantStatus(v.Navigate("/spotify"+nowPlaying), 502)
	if !strings.Contains(page.Text, "<code>upstream_unavailable</code>") || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v, page %s", page.Header, page.Text)
	}
}

// R36: while the token endpoint is down and the Web API is not, the owner's token
// is used to its end. Then visitors see the last answer, marked, and at last a
// 503, and the owner has to do nothing about it.
func TestShareOutageOfTheTokenEndpoint(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.wantShared(200, "")
	in := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Status: 503})
	s.clock.Advance(time.Hour - 30*time.Second)
	last := s.wantShared(200, "")

	asked := s.asked(nowPlaying)
	for range 9 {
		s.clock.Advance(time.Minute)
		if a := s.wantShared(200, "1"); a.Text != last.Text {
			t.Errorf("stale answer: %s", a.Text)
		}
	}
	s.clock.Advance(2 * time.Minute)
	if e := s.wantShared(503, "").APIError(t); e.Reason != "upstream_unavailable" {
		t.Errorf("error: %+v", e)
	}
	if n := s.asked(nowPlaying) - asked; n > 0 {
		t.Errorf("Spotify was asked %d times with a token that had expired", n)
	}
	if strings.Contains(s.Log.String(), "shared account is not connected") {
		t.Error("the log sends the owner to log in again")
	}
	in.Clear()
	s.clock.Advance(2 * time.Minute)
	s.wantShared(200, "")
}

// The owner's access ends: visitors get the last answer, then a 503 that says
// why, and the owner finds the way back in the log, the health endpoint and on
// the page. Then all is well at once.
func TestShareOwnersTokenDead(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.wantShared(200, "")

	s.Sim.RevokeUser("mira")
	s.Sim.ExpireAccessTokens()
	s.clock.Advance(6 * time.Second)
	s.wantShared(200, "1")
	s.clock.Advance(6 * time.Second)
	s.wantShared(200, "1")
	s.clock.Advance(11 * time.Minute)
	if e := s.wantShared(503, "").APIError(t); e.Reason != "share_not_connected" || e.LoginURL != "" {
		t.Errorf("error: %+v", e)
	}
	if n := strings.Count(s.Log.String(), "shared account is not connected"); n != 1 {
		t.Errorf("the log says %d times that the account is not connected", n)
	}
	v := s.NewBrowser()
	if a := v.Fetch("GET", "/spotify/health", ""); a.StatusCode != 200 || !strings.Contains(a.Text, "not_connected") {
		t.Errorf("health: %d %s", a.StatusCode, a.Text)
	}
	if page := v.WantStatus(v.Navigate("/spotify/share"), 200).Text; !strings.Contains(page, "No account is connected") || !strings.Contains(page, `href="/spotify/share/connect"`) {
		t.Errorf("page: %s", page)
	}

	b, a = s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.wantShared(200, "")
}

// Visitors who come at once share one request, and one who goes away takes it
// from nobody.
func TestShareCoalesces(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	held := s.Sim.Inject(spotifytest.Fault{Path: nowPlaying, Hold: true})

	var wg sync.WaitGroup
	ctx, hangUp := context.WithCancel(t.Context())
	first, err := http.NewRequestWithContext(ctx, "GET", s.Origin+"/spotify"+nowPlaying, nil)
	if err != nil {
		t.Fatal(err)
	}
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		if res, err := http.DefaultClient.Do(first); err == nil {
			_ = res.Body.Close()
			t.Error("the visitor who hung up was answered")
		}
	}()
	<-held.Entered()
	hangUp()
	<-hungUp
	for range 50 {
		wg.Go(func() {
			res, err := http.Get(s.Origin + "/spotify" + nowPlaying)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	held.Release()
	wg.Wait()
	if n := s.asked(nowPlaying); n != 1 {
		t.Errorf("Spotify was asked %d times", n)
	}
}

// The record outlives the process, and the key that seals it is in Caddy's
// storage or in the config.
func TestShareOutlivesTheProcess(t *testing.T) {
	const key = "an-operators-own-secret-of-thirty-two-characters"
	withKey := strings.Replace(shareOptions, "cache", "key "+key+"\n\t\tcache", 1)
	for name, options := range map[string]string{"generated": shareOptions, "given": withKey} {
		t.Run(name, func(t *testing.T) {
			s := startSharing(t, options)
			b, a := s.connect("mira")
			b.WantStatus(a, http.StatusSeeOther)
			s.Restart()
			s.wantShared(200, "")
			// Long enough for a refresh.
			s.clock.Advance(2 * time.Hour)
			s.wantShared(200, "")
			// With another key, the record is found no more.
			s.Auth = strings.Replace(withKey, key, "another-"+key, 1)
			s.Load("")
			s.wantShared(503, "")
		})
	}
}

// The owner's own login and the share's do not end each other, though the
// server rotates refresh tokens and revokes used ones.
func TestShareBesideTheOwnersSession(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{proxytest.Start(t, proxytest.Options{
		Auth: shareOptions, Sim: spotifytest.Options{Now: clock.Now, Rotation: spotifytest.RotateRevoke},
	}), clock}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	b.Login("mira")
	for range 4 {
		clock.Advance(2 * time.Hour)
		s.wantShared(200, "")
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	}
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), 204)
	clock.Advance(2 * time.Hour)
	s.wantShared(200, "")
}
