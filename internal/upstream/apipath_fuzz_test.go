package upstream

import (
	"bufio"
	"net/http"
	"net/url"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"

	pathpkg "path"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// P41: whatever a request's target is, the URL it becomes is the Web API's, and
// means the same to everybody who reads it, allow included.
func FuzzUpstreamURL(f *testing.F) {
	for _, target := range []string{
		"/spotify/v1/me", "/spotify/v1/me?a=b", "/spotify/v1/../api/token", "/spotify/v1/%2e%2e/x", "/spotify/v1/a%2fb", "/spotify/v1/..%5cx", "//spotify/v1/me",
		"/spotify//v1/me", "/spotify/v1/%252e%252e/x", "http://evil.example/spotify/v1/me", "http:spotify/v1/me", "/spotify/v1/me%00", "/SPOTIFY/v1/me", "/spotify/v1/me;a=b",
		"/spotify/v1/me%3Fx%23y", "/%73potify/v1/me", "/spotify/%76%31/me", "/spotify/v1/me/%2A", "*", "/spotify/v1/..;/x", "/spotify/v1/@evil.example/", "/spotify/v1/me/top/../../x",
		"http://u:p@h/spotify/v1/\xff", "/spotify/v1/me/%252e%252e/x", "/spotify/v1/me/%252fx", "/spotify/v1/me/\u212a", "/spotify/v1/me/a%2bb+c%20d",
	} {
		f.Add(target)
	}
	s := browser.Redirect{Prefix: "/spotify", Origin: "https://app.example.com"}
	tr := &Transport{api: &Origin{Scheme: "https", host: "api.spotify.com", address: "api.spotify.com:443"}}
	rules := []webapi.Rule{{Paths: []string{"/v1/me/*"}}}
	strip := rewrite.Rewrite{StripPathPrefix: s.Prefix}
	f.Fuzz(func(t *testing.T, target string) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: app.example.com\r\n\r\n")))
		if err != nil {
			return
		}
		rest, ours := s.Below(req.URL.Path)
		if !ours || !strings.HasPrefix(rest, "/v1/") || !webapi.PlainPath(req.URL) {
			return
		}
		mayPass := webapi.Allowed(rules, req.Method, rest)
		if err := strip.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		strip.Rewrite(req, caddy.NewReplacer())
		req.URL.Scheme, req.URL.Host = "https", "api.spotify.com:443"
		if p := tr.check(req, true); p != nil {
			return
		}
		out := newCall(tr, &Exchange{Site: &Site{}, Header: http.Header{}}, req).out
		if out.URL.Scheme != "https" || out.URL.Host != "api.spotify.com" || out.Host != "api.spotify.com" || out.URL.User != nil || out.URL.Opaque != "" {
			t.Fatalf("%q is sent to %s of %s", target, out.URL, out.Host)
		}
		again, err := url.Parse(out.URL.String())
		if err != nil || again.Host != "api.spotify.com" || again.Path != out.URL.Path || !strings.HasPrefix(out.URL.RequestURI(), "/") {
			t.Fatalf("%q is sent as %s, which reads as %v, %v", target, out.URL, again, err)
		}
		path := out.URL.Path
		if clean := pathpkg.Clean(path); !strings.HasPrefix(path, "/v1/") || clean != path && clean+"/" != path {
			t.Errorf("%q is sent as %s, which somebody may read as %s", target, path, clean)
		}
		if strings.Count(out.URL.EscapedPath(), "/") != strings.Count(path, "/") {
			t.Errorf("%q is sent as %s, which some take for %s", target, out.URL.EscapedPath(), path)
		}
		if strings.ContainsAny(path, "\\\x00\r\n") || strings.ContainsAny(out.URL.RequestURI(), " \r\n\x00") {
			t.Errorf("%q is sent as %q", target, out.URL.RequestURI())
		}
		if webapi.Allowed(rules, out.Method, path) != mayPass {
			t.Errorf("%q: allow said %v, and says otherwise of %s", target, mayPass, path)
		}
		if decoded, err := url.PathUnescape(path); mayPass && (err != nil || decoded != path || !strings.HasPrefix(pathpkg.Clean(path), "/v1/me/")) {
			t.Errorf("%q: allow let %s pass", target, path)
		}
	})
}
