package spotifytest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	clientID    = "0123456789abcdef0123456789abcdef"
	redirectURI = "http://127.0.0.1:8080/spotify/callback"
	verifier    = "a-verifier-of-the-tests.0123456789_abcdefghijklmnop~"
)

// app is a public client that plays by the rules.
type app struct {
	t       *testing.T
	s       *spotifytest.Running
	browser *http.Client
}

func newApp(t *testing.T, opts spotifytest.Options) *app {
	t.Helper()
	return newAppOn(t, spotifytest.Start(t, opts))
}

// newAppOn is the app in another browser.
func newAppOn(t *testing.T, s *spotifytest.Running) *app {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &app{t: t, s: s, browser: &http.Client{Jar: jar}}
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeQuery is a correct request; the pairs in change replace or, with an
// empty value, remove parameters.
func authorizeQuery(change ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "state": {"the-state"},
		"code_challenge_method": {"S256"}, "code_challenge": {challengeOf(verifier)}, "scope": {"user-read-private user-top-read"},
	}
	edit(q, change)
	return q
}

func edit(q url.Values, change []string) {
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == "" {
			q.Del(change[i])
		} else {
			q.Set(change[i], change[i+1])
		}
	}
}

func (a *app) approve(user string, change ...string) url.Values {
	a.t.Helper()
	callback := spotifytest.Approve(a.t, a.browser, a.s.AuthorizeURL+"?"+authorizeQuery(change...).Encode(), user)
	u, err := url.Parse(callback)
	if err != nil {
		a.t.Fatal(err)
	}
	return u.Query()
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

func codeForm(code string, change ...string) url.Values {
	q := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {clientID},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	}
	edit(q, change)
	return q
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID}}
}

func (a *app) token(form url.Values) (int, tokens) {
	a.t.Helper()
	resp, err := http.PostForm(a.s.TokenURL, form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out tokens
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, out
}

// login goes all the way to the tokens.
func (a *app) login(user string, scopes string) tokens {
	a.t.Helper()
	status, out := a.token(codeForm(a.approve(user, "scope", scopes).Get("code")))
	if status != http.StatusOK {
		a.t.Fatalf("login: status %d, %+v", status, out)
	}
	return out
}

// api makes a request to the Web API and returns the answer and its whole body.
func (a *app) api(method, path, token, body string, header ...string) (*http.Response, string) {
	a.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = a.s.APIURL + path
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		a.t.Fatal(err)
	}
	return resp, readAll(a.t, resp)
}

func TestLogin(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	back := a.approve("mira")
	if back.Get("state") != "the-state" || back.Get("code") == "" {
		t.Fatalf("callback has %v", back)
	}
	status, tok := a.token(codeForm(back.Get("code")))
	if status != http.StatusOK || tok.TokenType != "Bearer" || tok.ExpiresIn != 3600 || tok.Scope != "user-read-private user-top-read" {
		t.Fatalf("token answer %d %+v", status, tok)
	}
	if len(tok.AccessToken) != 204 || len(tok.RefreshToken) != 131 {
		t.Errorf("tokens of %d and %d characters", len(tok.AccessToken), len(tok.RefreshToken))
	}
	resp, body := a.api("GET", "/v1/me", tok.AccessToken, "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"display_name":"Mira Okafor"`) {
		t.Errorf("/v1/me: %d %s", resp.StatusCode, body)
	}
}
