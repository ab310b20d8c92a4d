package keys_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// loadRewriting loads a config in which a request for a profile becomes one for
// playlists, after spotify_auth, which has the given options.
func loadRewriting(s *proxytest.Proxy, options string) {
	s.T.Helper()
	if err := caddy.Load(proxytest.Adapt(s.T, fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
}
%s {
	%s
	route {
		spotify_auth {
			client_id     %s
			redirect_uri  %s/spotify/callback
			authorize_url %s
			token_url     %s
			api_url       %s
			%s
		}
		@api spotify_api
		handle @api {
			rewrite /v1/me /v1/me/playlists
			reverse_proxy %s {
				transport spotify {
					api_url %s
				}
			}
		}
	}
}`, s.Storage, s.Origin, s.Bind, proxytest.ClientID, s.Origin, s.Sim.AuthorizeURL, s.Sim.TokenURL, s.Sim.APIURL, options,
		strings.TrimPrefix(s.Sim.APIURL, "http://"), s.Sim.APIURL)), true); err != nil {
		s.T.Fatal(err)
	}
}

// What leaves for Spotify is checked, not just what came in: handlers in between
// may have made something else of it.
func TestShareRewrittenInBetween(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	loadRewriting(s, `
			scopes user-read-private
			share {
				owner mira
				allow /v1/me /v1/search?q=the&type=track
			}`)
	sh := &sharing{Proxy: s}
	owner, a := sh.connect("mira")
	owner.WantStatus(a, http.StatusSeeOther)
	s.Sim.ForgetRequests()
	v := s.NewBrowser()
	v.WantStatus(v.Fetch("GET", "/spotify/v1/search?q=the&type=track", ""), 200)
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me", ""), 503)
	if n := len(s.Sim.RequestsTo("/v1/me")); n > 0 {
		t.Errorf("Spotify was asked %d times for what is not shared", n)
	}
}

// Of several owners that are connected, the first one listed is shown.
func TestShareSeveralOwners(t *testing.T) {
	s := startSharing(t, strings.Replace(shareOptions, "owner  mira", "owner mira jonas", 1))
	whose := func() string {
		s.Sim.ForgetRequests()
		s.wantShared(200, "")
		all := s.Sim.RequestsTo(nowPlaying)
		if len(all) != 1 {
			t.Fatalf("Spotify was asked %d times", len(all))
		}
		return all[0].User
	}
	for _, step := range []struct{ connect, shown string }{{"jonas", "jonas"}, {"mira", "mira"}, {"jonas", "mira"}} {
		b, a := s.connect(step.connect)
		b.WantStatus(a, http.StatusSeeOther)
		if got := whose(); got != step.shown {
			t.Errorf("after %s connected, %s is shown, want %s", step.connect, got, step.shown)
		}
	}
	// An owner who is listed no more is shown no more.
	s.Auth = strings.Replace(shareOptions, "owner  mira", "owner jonas", 1)
	s.Load("")
	if got := whose(); got != "jonas" {
		t.Errorf("%s is shown, want jonas", got)
	}
}

// A scope that the owner did not grant is the operator's matter, and the log
// says so.
func TestShareMissingScope(t *testing.T) {
	s := startSharing(t, strings.Replace(shareOptions, "user-read-currently-playing ", "", 1))
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	if e := s.wantShared(503, "").APIError(t); e.Reason != "insufficient_scope" || e.LoginURL != "" {
		t.Errorf("error: %+v", e)
	}
	if !strings.Contains(s.Log.String(), "lacks the scope") {
		t.Error("the log does not say that a scope is missing")
	}
}

// S24, P44
// What is stored and logged does not show the owner's token.
func TestShareKeepsSecrets(t *testing.T) {
	s := startSharing(t, shareOptions+"\nstore memory")
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.wantShared(200, "")
	all := s.Sim.RequestsTo("/v1/")
	bearer := strings.TrimPrefix(all[len(all)-1].Header.Get("Authorization"), "Bearer ")
	if bearer == "" || strings.Contains(s.Log.String(), bearer) {
		t.Error("the owner's access token is in the log")
	}
	for _, r := range s.Sim.RequestsTo("/v1/") {
		if len(r.Violations) > 0 {
			t.Errorf("%s: %v", r.Path, r.Violations)
		}
	}
}

// Q03: unless an interval is chosen, what is shared spends 960 requests a day at most, however
// much it is, which an app in development mode has. More is warned of.
func TestShareFitsADaysQuota(t *testing.T) {
	const warning = "share may spend a day's quota"
	s := startSharing(t, strings.Replace(shareOptions, "cache  5s", "", 1))
	if strings.Contains(s.Log.String(), warning) {
		t.Error("the default is warned of")
	}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.Sim.ForgetRequests()
	const interval = 3 * 90 * time.Second // three paths
	for i := range 4 {
		s.wantShared(200, "")
		s.clock.Advance(interval - time.Second)
		if a := s.wantShared(200, ""); a.Header.Get("Cache-Control") != "public, max-age=270" {
			t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
		}
		if got := s.asked(nowPlaying); got != i+1 {
			t.Fatalf("Spotify was asked %d times in %d intervals", got, i+1)
		}
		s.clock.Advance(time.Second)
	}
	s.Auth = shareOptions
	s.Load("")
	if log := s.Log.String(); !strings.Contains(log, warning) || !strings.Contains(log, `"requests_per_day":51840`) {
		t.Error("three paths each 5 seconds are not warned of")
	}
}
