package attack_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// P42: wherever Spotify's servers send a request on, no token, code or verifier
// follows.
func TestAttackRedirectsFromUpstream(t *testing.T) {
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other server got %s %s with %v", r.Method, r.URL, r.Header)
	}))
	defer evil.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			b := attacked(t, proxytest.Options{})
			away := func(path string) spotifytest.Fault {
				return spotifytest.Fault{Path: path, Status: status, Header: http.Header{"Location": {evil.URL + "/steal"}}, Times: 1}
			}
			b.Sim.Inject(away("/v1/me"))
			a := one(b, attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+"Connection: close\n\n"))
			if a.StatusCode != status || a.Header.Get("Location") != evil.URL+"/steal" {
				t.Errorf("the API's redirect: %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
			b.Sim.ExpireAccessTokens()
			b.Sim.Inject(away("/api/token"))
			b.Fetch("GET", "/spotify/v1/me", "")

			other := b.NewBrowser()
			l := begin(other)
			b.Sim.Inject(away("/api/token"))
			if a := callback(other, "state="+l.state+"&code="+l.code, l.name+"="+l.pending); sessionStarted(a) != "" || a.StatusCode < 500 {
				t.Errorf("a login whose code was sent elsewhere: %d", a.StatusCode)
			}
			l = begin(other)
			b.Sim.Inject(away("/v1/me"))
			callback(other, "state="+l.state+"&code="+l.code, l.name+"="+l.pending)
		})
	}
}

// P51: an answer cannot speak for the site, however its headers are written.
func TestAttackAnswersFromUpstream(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	b.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Status: 200, Body: "<script>alert(document.domain)</script>", Header: http.Header{
		"Content-Type":                     {"text/html"},
		"Set-Cookie":                       {"spotify_session=evil; Path=/", "__Host-spotify_session=evil; Secure; Path=/"},
		"SET-COOKIE2":                      {"x=y"},
		"access-control-allow-origin":      {"https://evil.example"},
		"Access-Control-Allow-Credentials": {"true"},
		"Cross-Origin-Resource-Policy":     {"cross-origin"},
		"Content-Security-Policy":          {"script-src *"},
		"Service-Worker-Allowed":           {"/"},
		"Refresh":                          {"0; url=https://evil.example"},
		"Clear-Site-Data":                  {`"*"`},
		"X-Accel-Redirect":                 {"/etc/passwd"},
		"X-Sendfile":                       {"/etc/passwd"},
		"Spotify-Proxy-Reason":             {"login_required"},
		"Cache-Control":                    {"public, s-maxage=600"},
	}})
	a := one(b, attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+"Connection: close\n\n"))
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	for name, values := range a.Header {
		for _, bad := range []string{"evil", "passwd", "public", "script-src", "login_required", "cross-origin"} {
			if strings.Contains(strings.Join(values, ","), bad) {
				t.Errorf("%s: %q", name, values)
			}
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
		"Cache-Control": "private", "Vary": "Cookie",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
