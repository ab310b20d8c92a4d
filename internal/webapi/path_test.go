package webapi

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// parseTarget reads a request target as a server does, without tidying it.
func parseTarget(t testing.TB, target string) *http.Request {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: app.example\r\n\r\n")))
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	return req
}

// P41, P59
func TestPlainAPIPath(t *testing.T) {
	for target, want := range map[string]bool{
		"/v1/me":                             true,
		"/v1/":                               true,
		"/v1/me/":                            true,
		"/spotify/v1/me":                     true,
		"/v1/playlists/37i9dQZF1DX/tracks":   true,
		"/v1/search?q=a/../b&type=track":     true,
		"/v1/search?q=%2e%2e%2f%5c":          true,
		"/v1/users/a%20b":                    true,
		"/v1/users/j%C3%B6rg":                true,
		"/v1/users/.hidden":                  true,
		"/v1/users/..a":                      true,
		"/v1/users/a..":                      true,
		"/v1/users/...":                      true,
		"/v1/users/a;b":                      true,
		"/v1/users/a%3Fb%23c":                true,
		"/v1/users/%252e%252e/me":            true, // decoded by nobody
		"/v1/users/%252fme":                  true,
		"/v1/users/a%2Bb":                    true,
		"/v1/tracks/%c0%ae%c0%ae":            false, // overlong dots
		"/v1/tracks/%c0%afx":                 false, // and slash
		"/v1/users/%f8%80%80%80%ae":          false,
		"/v1/users/%ed%a0%80":                false, // half of a character of UTF-16
		"/v1/users/a%80":                     false,
		"/v1/users/j%F6rg":                   false, // Latin-1
		"/v1/users/%EF%BF%BD":                true,
		"/v1/../me":                          false,
		"/v1/..":                             false,
		"/v1/.":                              false,
		"/v1/./me":                           false,
		"/v1/a/../../token":                  false,
		"/v1/%2e%2e/token":                   false,
		"/v1/%2E%2e/token":                   false,
		"/v1/.%2e/token":                     false,
		"/v1/..;/token":                      false,
		"/v1/..;x=1/token":                   false,
		"/v1/.;/me":                          false,
		"/v1//me":                            false,
		"//v1/me":                            false,
		"/v1/me//":                           false,
		"/v1/a%2fb":                          false,
		"/v1/a%2Fb":                          false,
		"/v1/..%2ftoken":                     false,
		"/v1/%2e%2e%2ftoken":                 false,
		`/v1/a\b`:                            false,
		`/v1\me`:                             false,
		"/v1/a%5cb":                          false,
		"/v1/..%5Ctoken":                     false,
		"/v1/me%00":                          false,
		"/v1/me%0d%0aX-Evil:1":               false,
		"/v1/me%1f":                          false,
		"/v1/me%7f":                          false,
		"http:v1/me":                         false,
		"*":                                  false,
		"http://api.spotify.com":             false,
		"https://evil.example//v1/me":        false,
		"http://evil.example/v1/..":          false,
		"http://user:pw@evil.example/v1/%2f": false,
	} {
		if got := PlainPath(parseTarget(t, target).URL); got != want {
			t.Errorf("plainAPIPath(%q) = %v, want %v", target, got, want)
		}
	}
}

// P41: what was judged is what is sent, whatever a rewrite did to the URL.
func TestPlainAPIPathOfRewrittenURL(t *testing.T) {
	u := parseTarget(t, "/v1/me").URL
	u.RawPath = "/v1/%2e%2e/token" // no encoding of Path, so it is not sent
	if !PlainPath(u) || u.RequestURI() != "/v1/me" {
		t.Errorf("%q is sent for a plain path with a RawPath that does not belong to it", u.RequestURI())
	}
	u.Path, u.RawPath = "/v1/a/b", "/v1/a%2Fb"
	if PlainPath(u) {
		t.Error("an encoded slash is plain")
	}
	u.Path, u.RawPath, u.Opaque = "/v1/me", "", "//evil.example/v1/me"
	if PlainPath(u) {
		t.Error("an opaque URL is plain")
	}
}

func BenchmarkPlainAPIPath(b *testing.B) {
	u := parseTarget(b, "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/tracks?limit=50").URL
	for b.Loop() {
		if !PlainPath(u) {
			b.Fatal("not plain")
		}
	}
}
