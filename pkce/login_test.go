package pkce_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

func loginRequest(change func(*pkce.LoginRequest)) pkce.LoginRequest {
	r := pkce.LoginRequest{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "http://127.0.0.1:8080/spotify/callback",
		State:       "st&te",
		Codes:       pkce.GenerateCodes(),
	}
	if change != nil {
		change(&r)
	}
	return r
}

// L01: whatever else is asked for, the challenge is there and its method S256.
func TestLoginRequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*pkce.LoginRequest)
		base   string
		want   url.Values // on top of what is always there
	}{
		{"least", nil, pkce.DefaultAuthorizeURL, nil},
		{"scopes", func(r *pkce.LoginRequest) {
			r.Scopes = []string{pkce.ScopeUserReadPrivate, pkce.ScopeUserTopRead}
		}, pkce.DefaultAuthorizeURL, url.Values{"scope": {"user-read-private user-top-read"}}},
		{"dialog", func(r *pkce.LoginRequest) { r.ShowDialog = true }, pkce.DefaultAuthorizeURL, url.Values{"show_dialog": {"true"}}},
		{"another server", func(r *pkce.LoginRequest) { r.AuthorizeURL = "http://127.0.0.1:9999/authorize" }, "http://127.0.0.1:9999/authorize", nil},
		{"endpoint with a query", func(r *pkce.LoginRequest) {
			r.AuthorizeURL = "https://a.example/x?locale=de&code_challenge_method=plain&response_type=token"
		}, "https://a.example/x", url.Values{"locale": {"de"}}},
		{"custom scheme", func(r *pkce.LoginRequest) { r.RedirectURI = "myapp://callback" }, pkce.DefaultAuthorizeURL, nil},
		{"custom scheme with one slash", func(r *pkce.LoginRequest) { r.RedirectURI = "com.example.app:/callback" }, pkce.DefaultAuthorizeURL, nil},
		{"IPv6", func(r *pkce.LoginRequest) { r.RedirectURI = "http://[::1]:8080/callback" }, pkce.DefaultAuthorizeURL, nil},
		{"characters to be escaped", func(r *pkce.LoginRequest) {
			r.ClientID, r.State, r.RedirectURI = "a&b=c d", "x#y+z%", "https://a.example/cb?x=1&y=2"
		}, pkce.DefaultAuthorizeURL, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := loginRequest(tc.change)
			got, err := r.URL()
			if err != nil {
				t.Fatal(err)
			}
			want := url.Values{
				"client_id": {r.ClientID}, "response_type": {"code"}, "redirect_uri": {r.RedirectURI}, "state": {r.State},
				"code_challenge_method": {"S256"}, "code_challenge": {r.Codes.Challenge},
			}
			for k, v := range tc.want {
				want[k] = v
			}
			base, query, _ := strings.Cut(got, "?")
			parsed, err := url.ParseQuery(query)
			if err != nil || base != tc.base || parsed.Encode() != want.Encode() {
				t.Errorf("URL = %s\nwant %s?%s", got, tc.base, want.Encode())
			}
			if strings.Contains(got, r.Codes.Verifier) {
				t.Error("the URL has the verifier in it")
			}
		})
	}
}

func TestLoginRequestRefuses(t *testing.T) {
	for _, tc := range []struct {
		names  string // what the error speaks of
		change func(*pkce.LoginRequest)
	}{
		{"client id", func(r *pkce.LoginRequest) { r.ClientID = "" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "/callback" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "//a.example/callback" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "myapp:" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "https://a.example/callback#x" }},
		{"redirect URI", func(r *pkce.LoginRequest) { r.RedirectURI = "https://a.example/\x00" }},
		{"state", func(r *pkce.LoginRequest) { r.State = "" }},
		{"code challenge", func(r *pkce.LoginRequest) { r.Codes = pkce.Codes{} }},
		{"code challenge", func(r *pkce.LoginRequest) { r.Codes.Challenge = "" }},
		{"authorize URL", func(r *pkce.LoginRequest) { r.AuthorizeURL = "/authorize" }},
		{"authorize URL", func(r *pkce.LoginRequest) { r.AuthorizeURL = "https:" }},
		{"authorize URL", func(r *pkce.LoginRequest) { r.AuthorizeURL = "http://a b/" }},
	} {
		got, err := loginRequest(tc.change).URL()
		if err == nil || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("URL = %q, %v; want an error about the %s", got, err, tc.names)
		}
	}
}

// Spotify's scopes as its documentation lists them.
func TestScopes(t *testing.T) {
	want := strings.Fields(`ugc-image-upload
		user-read-playback-state user-modify-playback-state user-read-currently-playing
		app-remote-control streaming
		playlist-read-private playlist-read-collaborative playlist-modify-private playlist-modify-public
		user-follow-modify user-follow-read
		user-read-playback-position user-top-read user-read-recently-played
		user-library-modify user-library-read
		user-read-email user-read-private`)
	got := pkce.Scopes()
	if len(got) != 19 || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("Scopes = %q, want %q", got, want)
	}
	got[0] = "changed"
	if pkce.Scopes()[0] == "changed" {
		t.Error("a caller can change what Scopes returns to others")
	}
}
