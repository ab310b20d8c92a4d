package login_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Spotify remembers who said yes in a browser, and lets them in without a word.
// With show_dialog somebody else can log in there, and the session before is
// over.
func TestSwitchingUsers(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	name := func() string {
		t.Helper()
		a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		_, rest, _ := strings.Cut(a.Text, `"display_name":"`)
		name, _, _ := strings.Cut(rest, `"`)
		return name
	}
	b.Login("mira")
	mira, miras := name(), b.SessionCookie()
	// The choice is Spotify's: without show_dialog it does not even ask.
	b.Login("jonas")
	if got := name(); got != mira {
		t.Fatalf("logged in as %q without being asked", got)
	}
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?show_dialog=true&return_to=/app", "jonas")
	if to := b.WantStatus(b.ComeBack(callback), http.StatusSeeOther).Header.Get("Location"); to != "/app" {
		t.Errorf("back to %q", to)
	}
	if got := name(); got == mira || got != b.Session().Account.DisplayName {
		t.Errorf("after switching: %q, %+v", got, b.Session().Account)
	}
	b.WantStatus(s.NewBrowser().Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Cookie", "spotify_session="+miras)), http.StatusUnauthorized)
}

// An account is known by the account_id, which never changes, or where the API
// gives none, by the id.
func TestAccountKey(t *testing.T) {
	var profile atomic.Pointer[string]
	s := proxytest.Start(t, proxytest.Options{API: func(simulated http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/me" {
				simulated.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, *profile.Load())
		})
	}})
	for name, test := range map[string]struct{ profile, key string }{
		"account_id":     {`{"id":"renamed","account_id":"6gY5IRPwmSgvhfRLwGhTKh","display_name":"Mira"}`, "6gY5IRPwmSgvhfRLwGhTKh"},
		"no account_id":  {`{"id":"mira","display_name":"Mira"}`, "mira"},
		"null":           {`{"id":"mira","account_id":null,"display_name":"Mira"}`, "mira"},
		"empty":          {`{"id":"mira","account_id":"","display_name":"Mira"}`, "mira"},
		"no name at all": {`{"id":"mira","display_name":null}`, "mira"},
	} {
		t.Run(name, func(t *testing.T) {
			profile.Store(&test.profile)
			b := s.NewBrowser()
			b.Login("mira")
			if got := b.Session().Account.ID; got != test.key {
				t.Errorf("the account is %q, want %q", got, test.key)
			}
		})
	}
}

// R39: Spotify says 401 for many reasons, some of them wrong ("Access token
// missing"). Each leads to one refresh and one replay, never two.
func TestOddUnauthorized(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	for _, effect := range []spotifytest.Effect{spotifytest.TokenMissing, spotifytest.TokenExpired, spotifytest.TokenInvalid} {
		t.Run(string(effect), func(t *testing.T) {
			b := s.NewBrowser()
			b.Login("mira")
			count := func() (requests, refreshes int) { return len(s.Sim.RequestsTo("/v1/me")), s.Sim.Refreshes() }
			requests, refreshes := count()
			once := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Effect: effect})
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
			once.Clear()
			if q, f := count(); q != requests+2 || f != refreshes+1 {
				t.Errorf("%d requests and %d refreshes, want 2 and 1", q-requests, f-refreshes)
			}
			requests, refreshes = count()
			always := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: effect})
			a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
			always.Clear()
			if q, f := count(); q != requests+2 || f != refreshes+1 {
				t.Errorf("of a lasting 401: %d requests and %d refreshes, want 2 and 1", q-requests, f-refreshes)
			}
			if a.Header.Get("Spotify-Proxy-Reason") != "reauthorization_required" || a.APIError(t).Reason != "" {
				t.Errorf("a lasting 401: %v %s", a.Header, a.Text)
			}
			// That was nobody's fault here, so the session lives.
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		})
	}
}
