package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const profileAuth = "access_keys\nshare {\nowner mira\nallow /v1/me/top/artists\n}"

// L24: what passes by itself is no reason for a login to fail: the profile is asked for
// again, as Retry-After says.
func TestProfileIsAskedForAgain(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	for name, fault := range map[string]spotifytest.Fault{
		"a 429":                {Status: 429, RetryAfter: time.Second, Body: `{"error":{"status":429,"message":"API rate limit exceeded"}}`},
		"a 500":                {Effect: spotifytest.ServerError},
		"nonsense":             {Status: 200, Body: "<html>"},
		"a profile of nobody":  {Status: 200, Body: "{}"},
		"a token not yet seen": {Effect: spotifytest.TokenMissing},
		"a lost connection":    {Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			fault.Path, fault.Times = "/v1/me", 1
			in := s.Sim.Inject(fault)
			defer in.Clear()
			b := s.NewBrowser()
			b.Login("mira")
			if b.Session().Account.ID == "" {
				t.Error("the session has no account")
			}
		})
	}
}

// L24: without an account there is no session, no access key and no shared account, and
// the person is told the true reason.
func TestProfileThatCannotBeHad(t *testing.T) {
	for name, c := range map[string]struct {
		fault   spotifytest.Fault
		status  int
		reason  string
		says    string
		german  string
		limited bool
	}{
		"not on the list":   {spotifytest.Fault{Effect: spotifytest.NotAllowlistedText}, 403, "user_not_allowlisted", "User Management", "User Management", false},
		"owner's premium":   {spotifytest.Fault{Status: 403, Body: "Active premium subscription required for the owner of the app."}, 403, "premium_required", "Spotify Premium", "Ohne Premium", false},
		"forbidden":         {spotifytest.Fault{Effect: spotifytest.ForbiddenEmpty}, 403, "forbidden", "Spotify refused to say", "wollte nicht sagen", false},
		"a long 429":        {spotifytest.Fault{Status: 429, RetryAfter: time.Hour, Body: `{"error":{"status":429}}`}, 429, "rate_limited", "as many requests as it may", "so viele Anfragen", true},
		"quota":             {spotifytest.Fault{Effect: spotifytest.QuotaExceeded}, 429, "quota_exceeded", "as many requests as it may", "so viele Anfragen", true},
		"away for too long": {spotifytest.Fault{Status: 503, RetryAfter: time.Minute, Body: "no"}, 502, "upstream_unavailable", "did not say whose account", "hat nicht gesagt", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := proxytest.Start(t, proxytest.Options{Auth: profileAuth})
			owner := s.NewBrowser()
			owner.Login("mira")
			owner.Keys() // has the secrets made
			s.NewBrowser().Fetch("GET", "/spotify/share", "")
			records := len(s.StoredSessions())
			c.fault.Path = "/v1/me"
			in := s.Sim.Inject(c.fault)
			defer in.Clear()
			b := s.NewBrowser()
			english, german := proxytest.Header("Accept-Language", "en"), proxytest.Header("Accept-Language", "de")
			want := func(a proxytest.Response, says string) {
				t.Helper()
				if a.StatusCode != c.status || a.Header.Get("Spotify-Proxy-Reason") != c.reason || !strings.Contains(a.Text, says) {
					t.Errorf("%d %s: %s", a.StatusCode, a.Header.Get("Spotify-Proxy-Reason"), a.Text)
				}
				if (c.status == 429 || c.status == 502) != (a.Header.Get("Retry-After") != "") {
					t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
				}
			}
			want(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "jonas"), english), c.says)
			if b.Session().Authenticated {
				t.Error("there is a session")
			}
			asked := len(s.Sim.RequestsTo("/v1/me"))
			want(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "jonas"), german), c.german)
			if n := len(s.Sim.RequestsTo("/v1/me")); c.limited && n != asked {
				t.Errorf("%d requests while Spotify limits the app", n-asked)
			}
			want(owner.ComeBack(owner.AskForKey("mira", proxytest.KeyForm("a key"))), c.says)
			want(owner.ComeBack(spotifytest.Approve(t, owner.Client, s.Origin+"/spotify/share/connect", "mira")), c.says)
			if n := len(s.StoredSessions()); n != records {
				t.Errorf("%d records more in the store", n-records)
			}
			in.Clear()
			if !c.limited {
				b.Login("jonas")
			}
		})
	}
}

// L24: a second login is not let past what the first has learned of the limit.
func TestLoginWhileSpotifyLimits(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 429, RetryAfter: time.Hour, Body: `{}`})
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	asked := len(s.Sim.RequestsTo("/v1/"))
	other := s.NewBrowser()
	a := other.ComeBack(spotifytest.Approve(t, other.Client, s.Origin+"/spotify/login", "jonas"))
	if other.WantStatus(a, http.StatusTooManyRequests); a.Header.Get("Retry-After") == "" || len(s.Sim.RequestsTo("/v1/")) != asked {
		t.Errorf("headers %v, %d more requests", a.Header, len(s.Sim.RequestsTo("/v1/"))-asked)
	}
}
