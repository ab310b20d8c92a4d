package attack_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// logLine is what a line of the log has of interest here.
type logLine struct {
	Logger, Msg string
	ClientIP    string `json:"client_ip"`
	Request     struct {
		URI      string
		ClientIP string `json:"client_ip"`
	}
}

// linesOf returns the lines of the log.
func linesOf(t *testing.T, s *proxytest.Proxy) (lines []logLine) {
	t.Helper()
	for text := range strings.Lines(s.Log.String()) {
		var l logLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// O62: no query keeps a request out of the access log. The callback is not in it,
// since its URL may hold a code, but its login is logged.
func TestNoRequestAvoidsTheAccessLog(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{
		Auth: "expose_token\noptional_scopes streaming\naccess_keys\nrequire_login /app*",
	})
	b := s.NewBrowser()
	b.Login("")
	for _, path := range []string{
		"/spotify/session", "/spotify/token", "/spotify/client.js", "/spotify/popup", "/spotify/health", "/spotify/keys", "/spotify/v1/me", "/spotify/share",
		"/spotify/nothing", "/spotify/callbacks", "/spotify/callback/more", "/app", "/",
	} {
		for _, query := range []string{"?code=1", "?state=1", "?code=1&state=1", "?mode=code=", ""} {
			b.Fetch("GET", path+query, "")
			b.Fetch("POST", path+query, "")
			n := 0
			for _, l := range linesOf(t, s) {
				if strings.HasPrefix(l.Logger, "http.log.access") && l.Request.URI == path+query {
					n++
				}
			}
			if n != 2 {
				t.Errorf("%s%s: %d lines in the access log, want 2", path, query, n)
			}
		}
	}
	for _, path := range []string{"/spotify/callback", "/spotify/callback/", "/spotify//callback", "/spotify/./callback", "/Spotify//CALLBACK"} {
		b.Do(http.MethodGet, path+"?code=geheim&state=geheim", "")
	}
	if strings.Contains(s.Log.String(), "geheim") {
		t.Error("the log has a code that came to the callback")
	}
}

// O62: what the log says of logins, tokens and keys has the client's address, as
// the access log has it.
func TestLogNamesTheClient(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{
		Global: "servers {\ntrusted_proxies static 127.0.0.1/8\n}",
		Auth:   "expose_token\noptional_scopes streaming\naccess_keys\nshare {\nowner mira\nallow /v1/me/top/artists\nscopes user-top-read\n}",
	})
	const address = "203.0.113.7"
	b := s.NewBrowser()
	b.Client.Transport = forwardedFor(address)
	login := func(target string) {
		t.Helper()
		b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+target, "mira")), http.StatusSeeOther)
	}
	login("/spotify/login?scope=streaming")
	b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusOK)
	b.CreateKey(proxytest.KeyForm("music"))
	b.WantStatus(b.Fetch("DELETE", "/spotify/keys/"+b.Keys()[0].Key, ""), http.StatusNoContent)
	login("/spotify/share/connect")
	login("/spotify/login")
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	b.ComeBack(s.Origin + "/spotify/callback?" + url.Values{"state": {"x"}, "code": {"y"}}.Encode())
	b.WantStatus(b.Do("GET", "/spotify/session", "", proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusForbidden)

	lines := linesOf(t, s)
	for _, msg := range []string{
		"login started", "login", "token exposed", "access key created", "access key revoked", "shared account connected",
		"session ended", "logout", "login failed", "request not served",
	} {
		n := 0
		for _, l := range lines {
			if l.Msg != msg {
				continue
			}
			n++
			if l.ClientIP != address {
				t.Errorf("%q is said of %q", msg, l.ClientIP)
			}
		}
		if n == 0 {
			t.Errorf("there is no line %q", msg)
		}
	}
}

// forwardedFor is a proxy in front of the site that says whose a request is.
type forwardedFor string

func (f forwardedFor) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(f))
	return http.DefaultTransport.RoundTrip(r)
}
