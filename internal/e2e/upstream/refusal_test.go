package upstream_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Refusals pass byte for byte, with their reason in a header.
func TestReasons(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
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
			refreshes := s.Sim.Refreshes()
			s.Sim.Inject(c.fault)
			a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), c.fault.Status)
			if got := a.Header.Get("Spotify-Proxy-Reason"); got != c.reason || a.Text != c.fault.Body {
				t.Errorf("reason %q, body %q", got, a.Text)
			}
			if s.Sim.Refreshes() != refreshes {
				t.Error("it was refreshed for nothing")
			}
		})
	}
}

func TestMissingScopeIsNamed(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "optional_scopes user-library-read"})
	b := s.NewBrowser()
	b.Login("")
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/tracks", ""), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Reason") != "insufficient_scope" || a.Header.Get("Spotify-Proxy-Missing-Scope") != "user-library-read" {
		t.Errorf("headers: %v", a.Header)
	}
	login := a.Header.Get("Spotify-Proxy-Login-Url")
	if login == "" {
		t.Fatal("no login URL")
	}
	b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+login, "")), http.StatusSeeOther)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/tracks", ""), http.StatusOK)
	// A scope that cannot be had here gets no login URL.
	a = b.WantStatus(b.Fetch("GET", "/spotify/v1/me/following?type=artist", ""), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Missing-Scope") == "" || a.Header.Get("Spotify-Proxy-Login-Url") != "" {
		t.Errorf("headers: %v", a.Header)
	}
}

func TestReauthorizationIsAnnounced(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "store memory\nsession {\nidle 180d\nlifetime 400d\n}"})
	b := s.NewBrowser()
	b.Login("")
	advance := func(days int) {
		fake.Advance(time.Duration(days) * 24 * time.Hour)
		s.Sim.Advance(time.Duration(days) * 24 * time.Hour)
	}
	advance(150)
	if a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK); a.Header.Get("Spotify-Proxy-Reauthorize-By") != "" {
		t.Errorf("too early: %v", a.Header)
	}
	advance(25)
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	by, err := time.Parse(time.RFC3339, a.Header.Get("Spotify-Proxy-Reauthorize-By"))
	if err != nil || !by.Equal(b.Session().ReauthorizeBy) || by.Sub(fake.Now()) > 14*24*time.Hour {
		t.Errorf("reauthorize by %v: %v", by, err)
	}
	// Fresh consent starts the clock again and comes back to the page.
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?return_to=/app", "")
	if got := b.WantStatus(b.ComeBack(callback), http.StatusSeeOther).Header.Get("Location"); got != "/app" {
		t.Errorf("back to %q", got)
	}
	if a := b.Fetch("GET", "/spotify/v1/me", ""); a.Header.Get("Spotify-Proxy-Reauthorize-By") != "" {
		t.Errorf("after consent: %v", a.Header)
	}
}

// The end of what lives no longer than the notice is not announced from its
// beginning on.
func TestEndOfShortLifeIsAnnounced(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "store memory\nsession {\nlifetime 4d\n}\naccess_keys"})
	visitor := s.NewBrowser()
	visitor.Login("")
	program := s.Program(visitor.CreateKey(proxytest.KeyForm("a", "life", "1d")))
	for i, test := range []struct {
		who       *proxytest.Browser
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
		s.Sim.Advance(d)
		a := test.who.WantStatus(test.who.Me(), http.StatusOK)
		if by := a.Header.Get("Spotify-Proxy-Reauthorize-By"); (by != "") != test.announced {
			t.Errorf("step %d: announced for %q", i, by)
		}
	}
}

func TestRemovedOperationsAreMarked(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	a := b.Fetch("GET", "/spotify/v1/recommendations", "")
	if a.Header.Get("Deprecation") == "" || !strings.Contains(a.Header.Get("Link"), "rel=") {
		t.Errorf("headers: %v", a.Header)
	}
	if a := b.Fetch("GET", "/spotify/v1/me", ""); a.Header.Get("Deprecation") != "" {
		t.Errorf("headers: %v", a.Header)
	}
}

func TestExposeToken(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "expose_token\noptional_scopes streaming"})
	b := s.NewBrowser()
	if e := b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusUnauthorized).APIError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	b.Login("")
	e := b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusForbidden).APIError(t)
	if e.Reason != "insufficient_scope" || e.LoginURL != "/spotify/login?scope="+url.QueryEscape("streaming") {
		t.Errorf("error: %+v", e)
	}
	b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+e.LoginURL, "")), http.StatusSeeOther)
	b.WantStatus(b.Fetch("GET", "/spotify/token", ""), http.StatusMethodNotAllowed)
	b.WantStatus(b.Fetch("POST", "/spotify/token", "", proxytest.Header("Sec-Fetch-Site", "same-site")), http.StatusForbidden)
	a := b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusOK)
	if a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.Text, `"expires_in":3`) {
		t.Errorf("answer: %v %s", a.Header, a.Text)
	}
	for _, secret := range s.Sim.TokensIssued() {
		if strings.Contains(s.Log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestTokenIsNotExposedByDefault(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusNotFound)
}
