package caddyspotify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// O57
// Each wrong option is one line that names it and the remedy.
func TestShareWrongOptions(t *testing.T) {
	t.Setenv("SHARE_NOTHING", "")
	const owner, allow = "owner mira\n", "allow /v1/me\n"
	for _, c := range []struct{ options, want string }{
		{"", "share has no options"},
		{allow, "share owner is missing"},
		{owner, "share allow is missing"},
		{owner + owner + allow, "share owner is given twice"},
		{"owner mira mira\n" + allow, `share owner "mira" is given twice`},
		{"owner {env.SHARE_NOTHING}\n" + allow, "share owner is missing"},
		{owner + "allow /me", `share allow "/me" is not a path of the Web API`},
		{owner + "allow https://api.spotify.com/v1/me", "is not a path of the Web API"},
		{owner + "allow /v1/*", "write each path out"},
		{owner + "allow /v1/a/../b", "is not a plain path"},
		{owner + "allow /v1/me?a=%zz", "the query cannot be read"},
		{owner + "allow /v1/a?x=1&y=2 /v1/a?y=2&x=1", "is given twice"},
		{owner + "allow " + strings.Repeat("/v1/x ", 65), "list at most 64"},
		{owner + allow + "cache 10ms", "share cache 10ms is too short"},
		{owner + allow + "cache soon", `share cache "soon" is not a duration`},
		{owner + allow + "stale 1ms", "share stale 1ms is too short"},
		{owner + allow + "cors https://a.example/", `share cors "https://a.example/" is not an origin`},
		{owner + allow + "cors a.example", "is not an origin"},
		{owner + allow + "cors null", "is not an origin"},
		{owner + allow + "cors * https://a.example", "give it alone"},
		{owner + allow + "key short", "share key has 5 characters"},
		{owner + allow + "key {env.SHARE_NOTHING}", "share key is empty"},
		{owner + allow + "}\nallow GET /v1/albums/*\nrefresh {\nmargin 60s", "is not among what allow lets pass"},
		{owner + allow + "banana", `unknown option "banana" in share`},
	} {
		err := checkCaddyfile(t, fmt.Sprintf("http://127.0.0.1:8080 {\nspotify_proxy {\nclient_id %s\nredirect_uri http://127.0.0.1:8080/spotify/callback\nshare {\n%s\n}\n}\n}", testClientID, c.options))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with %q", c.options, err, c.want)
		}
	}
}

func checkCaddyfile(t *testing.T, caddyfile string) error {
	cfg, err := tryAdapt(caddyfile)
	if err != nil {
		return err
	}
	return validate(t, cfg)
}

// loadRewriting loads a config in which a request for a profile becomes one for
// playlists, after spotify_auth, which has the given options.
func (s *setup) loadRewriting(options string) {
	s.t.Helper()
	if err := caddy.Load(adapt(s.t, fmt.Sprintf(`{
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
}`, s.storage, s.origin, s.bind, testClientID, s.origin, s.sim.AuthorizeURL, s.sim.TokenURL, s.sim.APIURL, options,
		strings.TrimPrefix(s.sim.APIURL, "http://"), s.sim.APIURL)), true); err != nil {
		s.t.Fatal(err)
	}
}

// What leaves for Spotify is checked, not just what came in: handlers in between
// may have made something else of it.
func TestShareRewrittenInBetween(t *testing.T) {
	s := start(t, startOptions{})
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	s.loadRewriting(`
			scopes user-read-private
			share {
				owner mira
				allow /v1/me /v1/markets
			}`)
	sh := &sharing{setup: s}
	owner, a := sh.connect("mira")
	owner.wantStatus(a, http.StatusSeeOther)
	s.sim.ForgetRequests()
	v := s.newBrowser()
	v.wantStatus(v.fetch("GET", "/spotify/v1/markets", ""), 200)
	v.wantStatus(v.fetch("GET", "/spotify/v1/me", ""), 503)
	if n := len(s.sim.RequestsTo("/v1/me")); n > 0 {
		t.Errorf("Spotify was asked %d times for what is not shared", n)
	}
}

// Of several owners that are connected, the first one listed is shown.
func TestShareSeveralOwners(t *testing.T) {
	s := startSharing(t, strings.Replace(shareOptions, "owner  mira", "owner mira jonas", 1))
	whose := func() string {
		s.sim.ForgetRequests()
		s.wantShared(200, "")
		all := s.sim.RequestsTo(nowPlaying)
		if len(all) != 1 {
			t.Fatalf("Spotify was asked %d times", len(all))
		}
		return all[0].User
	}
	for _, step := range []struct{ connect, shown string }{{"jonas", "jonas"}, {"mira", "mira"}, {"jonas", "mira"}} {
		b, a := s.connect(step.connect)
		b.wantStatus(a, http.StatusSeeOther)
		if got := whose(); got != step.shown {
			t.Errorf("after %s connected, %s is shown, want %s", step.connect, got, step.shown)
		}
	}
	// An owner who is listed no more is shown no more.
	s.options = strings.Replace(shareOptions, "owner  mira", "owner jonas", 1)
	s.load("")
	if got := whose(); got != "jonas" {
		t.Errorf("%s is shown, want jonas", got)
	}
}

// A scope that the owner did not grant is the operator's matter, and the log
// says so.
func TestShareMissingScope(t *testing.T) {
	s := startSharing(t, strings.Replace(shareOptions, "user-read-currently-playing ", "", 1))
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	if e := s.wantShared(503, "").apiError(t); e.Reason != "insufficient_scope" || e.LoginURL != "" {
		t.Errorf("error: %+v", e)
	}
	if !strings.Contains(s.logs.String(), "lacks the scope") {
		t.Error("the log does not say that a scope is missing")
	}
}

// S24, P44
// What is stored and logged does not show the owner's token.
func TestShareKeepsSecrets(t *testing.T) {
	s := startSharing(t, shareOptions+"\nstore memory")
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	s.wantShared(200, "")
	all := s.sim.RequestsTo("/v1/")
	bearer := strings.TrimPrefix(all[len(all)-1].Header.Get("Authorization"), "Bearer ")
	if bearer == "" || strings.Contains(s.logs.String(), bearer) {
		t.Error("the owner's access token is in the log")
	}
	for _, r := range s.sim.RequestsTo("/v1/") {
		if len(r.Violations) > 0 {
			t.Errorf("%s: %v", r.Path, r.Violations)
		}
	}
}
