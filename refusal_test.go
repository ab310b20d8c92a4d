package caddyspotify_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Refusals pass byte for byte, with their reason in a header.
func TestReasons(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	for name, c := range map[string]struct {
		fault  spotifytest.Fault
		reason string
	}{
		"scope":     {spotifytest.Fault{Status: 403, Body: `{"error":{"status":403,"message":"Insufficient client scope"}}`}, "insufficient_scope"},
		"allowlist": {spotifytest.Fault{Status: 403, Body: "User not registered in the Developer Dashboard"}, "user_not_allowlisted"},
		"empty":     {spotifytest.Fault{Status: 403, Header: http.Header{"Content-Length": {"0"}}}, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Path, c.fault.Times = "/v1/me", 1
			refreshes := s.sim.Refreshes()
			s.sim.Inject(c.fault)
			a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), c.fault.Status)
			if got := a.Header.Get("Spotify-Proxy-Reason"); got != c.reason || a.body != c.fault.Body {
				t.Errorf("reason %q, body %q", got, a.body)
			}
			if s.sim.Refreshes() != refreshes {
				t.Error("it was refreshed for nothing")
			}
		})
	}
}

func TestMissingScopeIsNamed(t *testing.T) {
	s := start(t, startOptions{auth: "optional_scopes user-library-read"})
	b := s.newBrowser()
	b.login("")
	a := b.wantStatus(b.fetch("GET", "/spotify/v1/me/tracks", ""), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Reason") != "insufficient_scope" || a.Header.Get("Spotify-Proxy-Missing-Scope") != "user-library-read" {
		t.Errorf("headers: %v", a.Header)
	}
	login := a.Header.Get("Spotify-Proxy-Login-Url")
	if login == "" {
		t.Fatal("no login URL")
	}
	b.wantStatus(b.comeBack(spotifytest.Approve(t, b.client, s.origin+login, "")), http.StatusSeeOther)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me/tracks", ""), http.StatusOK)
	// A scope that cannot be had here gets no login URL.
	a = b.wantStatus(b.fetch("GET", "/spotify/v1/me/following?type=artist", ""), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Missing-Scope") == "" || a.Header.Get("Spotify-Proxy-Login-Url") != "" {
		t.Errorf("headers: %v", a.Header)
	}
}

func TestReauthorizationIsAnnounced(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{auth: "store memory\nsession {\nidle 180d\nlifetime 400d\n}"})
	b := s.newBrowser()
	b.login("")
	advance := func(days int) {
		fake.Advance(time.Duration(days) * 24 * time.Hour)
		s.sim.Advance(time.Duration(days) * 24 * time.Hour)
	}
	advance(150)
	if a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK); a.Header.Get("Spotify-Proxy-Reauthorize-By") != "" {
		t.Errorf("too early: %v", a.Header)
	}
	advance(25)
	a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	by, err := time.Parse(time.RFC3339, a.Header.Get("Spotify-Proxy-Reauthorize-By"))
	if err != nil || !by.Equal(b.session().ReauthorizeBy) || by.Sub(fake.Now()) > 14*24*time.Hour {
		t.Errorf("reauthorize by %v: %v", by, err)
	}
	// Fresh consent starts the clock anew and comes back to the page.
	callback := spotifytest.Approve(t, b.client, s.origin+"/spotify/login?return_to=/app", "")
	if got := b.wantStatus(b.comeBack(callback), http.StatusSeeOther).Header.Get("Location"); got != "/app" {
		t.Errorf("back to %q", got)
	}
	if a := b.fetch("GET", "/spotify/v1/me", ""); a.Header.Get("Spotify-Proxy-Reauthorize-By") != "" {
		t.Errorf("after consent: %v", a.Header)
	}
}

// The end of what lives no longer than the notice is not announced from its
// beginning on.
func TestEndOfShortLifeIsAnnounced(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{auth: "store memory\nsession {\nlifetime 4d\n}\naccess_keys"})
	visitor := s.newBrowser()
	visitor.login("")
	program := s.program(visitor.createKey(keyForm("a", "life", "1d")))
	for i, test := range []struct {
		who       *browser
		hours     int // later than the row before
		announced bool
	}{
		{visitor, 0, false},
		{program, 0, false},
		{program, 11, false},
		{program, 2, true},
		{program, 10, true},
		{visitor, 0, false},
		{visitor, 24, false},
		{visitor, 2, true},
	} {
		d := time.Duration(test.hours) * time.Hour
		fake.Advance(d)
		s.sim.Advance(d)
		a := test.who.wantStatus(test.who.me(), http.StatusOK)
		if by := a.Header.Get("Spotify-Proxy-Reauthorize-By"); (by != "") != test.announced {
			t.Errorf("step %d: announced for %q", i, by)
		}
	}
}

func TestRemovedOperationsAreMarked(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	a := b.fetch("GET", "/spotify/v1/recommendations", "")
	if a.Header.Get("Deprecation") == "" || !strings.Contains(a.Header.Get("Link"), "rel=") {
		t.Errorf("headers: %v", a.Header)
	}
	if a := b.fetch("GET", "/spotify/v1/me", ""); a.Header.Get("Deprecation") != "" {
		t.Errorf("headers: %v", a.Header)
	}
}

func TestExposeToken(t *testing.T) {
	s := start(t, startOptions{auth: "expose_token\noptional_scopes streaming"})
	b := s.newBrowser()
	if e := b.wantStatus(b.fetch("POST", "/spotify/token", ""), http.StatusUnauthorized).apiError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	b.login("")
	e := b.wantStatus(b.fetch("POST", "/spotify/token", ""), http.StatusForbidden).apiError(t)
	if e.Reason != "insufficient_scope" || e.LoginURL != "/spotify/login?scope="+url.QueryEscape("streaming") {
		t.Errorf("error: %+v", e)
	}
	b.wantStatus(b.comeBack(spotifytest.Approve(t, b.client, s.origin+e.LoginURL, "")), http.StatusSeeOther)
	b.wantStatus(b.fetch("GET", "/spotify/token", ""), http.StatusMethodNotAllowed)
	b.wantStatus(b.fetch("POST", "/spotify/token", "", header("Sec-Fetch-Site", "same-site")), http.StatusForbidden)
	a := b.wantStatus(b.fetch("POST", "/spotify/token", ""), http.StatusOK)
	if a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.body, `"expires_in":3`) {
		t.Errorf("answer: %v %s", a.Header, a.body)
	}
	for _, secret := range s.sim.TokensIssued() {
		if strings.Contains(s.logs.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestTokenIsNotExposedByDefault(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	b.wantStatus(b.fetch("POST", "/spotify/token", ""), http.StatusNotFound)
}
