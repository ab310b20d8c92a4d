package spotifytest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// visit gets the authorize URL as a browser does, without following redirects.
func (a *app) visit(q url.Values) (*http.Response, string) {
	a.t.Helper()
	browser := *a.browser
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := browser.Get(a.s.AuthorizeURL + "?" + q.Encode())
	if err != nil {
		a.t.Fatal(err)
	}
	return resp, readAll(a.t, resp)
}

func TestAuthorizeRefusals(t *testing.T) {
	a := newApp(t, spotifytest.Options{ClientIDs: []string{clientID}, RedirectURIs: []string{redirectURI, "http://127.0.0.1/any-port", "http://localhost:8080/cb", "https://localhost/cb", "http://example.com/cb"}})
	page := func(text string) string { return "page " + text }
	back := func(code string) string { return "back " + code }
	for _, tc := range []struct {
		name   string
		change []string
		want   string
	}{
		{"no client id", []string{"client_id", ""}, page("Missing required parameter: client_id")},
		{"unknown client id", []string{"client_id", "ffffffffffffffffffffffffffffffff"}, page("INVALID_CLIENT: Invalid client")},
		{"no redirect URI", []string{"redirect_uri", ""}, page("INVALID_CLIENT: Missing redirect URI")},
		{"another path", []string{"redirect_uri", redirectURI + "/"}, page("INVALID_CLIENT: Invalid redirect URI")},
		{"another port", []string{"redirect_uri", "http://127.0.0.1:8081/spotify/callback"}, page("INVALID_CLIENT: Invalid redirect URI")},
		{"localhost, though registered", []string{"redirect_uri", "http://localhost:8080/cb"}, page("INVALID_CLIENT: Invalid redirect URI")},
		{"localhost with https", []string{"redirect_uri", "https://localhost/cb"}, page("INVALID_CLIENT: Invalid redirect URI")},
		{"plain http, though registered", []string{"redirect_uri", "http://example.com/cb"}, page("INVALID_CLIENT: Invalid redirect URI")},
		{"loopback registered without a port", []string{"redirect_uri", "http://127.0.0.1:54321/any-port"}, "consent"},
		{"implicit grant", []string{"response_type", "token"}, back("unsupported_response_type")},
		{"plain challenge", []string{"code_challenge_method", "plain"}, back("invalid_request")},
		{"no method", []string{"code_challenge_method", ""}, back("invalid_request")},
		{"no challenge", []string{"code_challenge", ""}, back("invalid_request")},
		{"challenge too short", []string{"code_challenge", "abc"}, back("invalid_request")},
		{"unknown scope", []string{"scope", "user-read-private everything"}, back("invalid_scope")},
		{"no scope", []string{"scope", ""}, "consent"},
		{"all well", nil, "consent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := a.visit(authorizeQuery(tc.change...))
			var got string
			switch resp.StatusCode {
			case http.StatusBadRequest:
				got = page(body)
			case http.StatusOK:
				got = "consent"
				if !strings.Contains(body, `id="agree"`) || !strings.Contains(body, `id="cancel"`) {
					t.Error("no consent page")
				}
			default:
				location, err := resp.Location()
				if err != nil {
					t.Fatal(err)
				}
				got = back(location.Query().Get("error"))
				if location.Query().Get("state") != "the-state" {
					t.Errorf("state is not returned: %s", location)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	repeated := authorizeQuery()
	repeated.Add("redirect_uri", "https://elsewhere.example/cb")
	if resp, body := a.visit(repeated); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Repeated parameter") {
		t.Errorf("repeated redirect_uri: %d %q", resp.StatusCode, body)
	}
}

func TestRegisterMakesStrict(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	if resp, _ := a.visit(authorizeQuery()); resp.StatusCode != http.StatusOK {
		t.Fatalf("without registration: %d", resp.StatusCode)
	}
	a.s.Register("https://app.example/cb")
	if resp, _ := a.visit(authorizeQuery()); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("unregistered URI: %d", resp.StatusCode)
	}
	if resp, _ := a.visit(authorizeQuery("redirect_uri", "https://app.example/cb")); resp.StatusCode != http.StatusOK {
		t.Errorf("registered URI: %d", resp.StatusCode)
	}
}

func TestConsentIsRemembered(t *testing.T) {
	a := newApp(t, spotifytest.Options{Issuer: "https://accounts.example"})
	skips := func(change ...string) bool {
		resp, _ := a.visit(authorizeQuery(change...))
		return resp.StatusCode == http.StatusSeeOther
	}
	if skips() {
		t.Fatal("a stranger is not asked")
	}
	if iss := a.approve("jonas").Get("iss"); iss != "https://accounts.example" {
		t.Errorf("iss is %q", iss)
	}
	if !skips() {
		t.Error("asked again")
	}
	if skips("show_dialog", "true") {
		t.Error("show_dialog does not show")
	}
	if skips("scope", "user-read-private streaming") {
		t.Error("a new scope is not asked for")
	}
	if skips("client_id", "ffffffffffffffffffffffffffffffff") {
		t.Error("another app profits")
	}
	a.s.Advance(200 * 24 * time.Hour)
	if skips() {
		t.Error("consent outlives six months")
	}
	a.approve("jonas")
	a.s.RevokeUser("jonas")
	if skips() {
		t.Error("consent outlives revocation")
	}
}

func TestCancel(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	callback := spotifytest.Decline(t, a.browser, a.s.AuthorizeURL+"?"+authorizeQuery().Encode())
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("error") != "access_denied" || q.Get("state") != "the-state" || q.Has("code") {
		t.Errorf("callback %s", callback)
	}
	if len(a.s.Grants()) != 0 {
		t.Error("a grant was made")
	}
}

func TestConsentCannotBeForged(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	req, err := http.NewRequest(http.MethodPost, a.s.AuthorizeURL+"?"+authorizeQuery().Encode(), strings.NewReader("user=mira&action=agree"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := a.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || len(a.s.Grants()) != 0 {
		t.Errorf("status %d, %d grants", resp.StatusCode, len(a.s.Grants()))
	}
}

func TestConsentPageEscapesNames(t *testing.T) {
	a := newApp(t, spotifytest.Options{Users: []spotifytest.User{{ID: "x", DisplayName: `<script>alert("1")</script> & Co`}}})
	_, body := a.visit(authorizeQuery())
	if strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script&gt;") {
		t.Error("the name is not escaped")
	}
}
