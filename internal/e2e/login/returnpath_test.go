package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// returnPaths are values of return_to and where the browser goes after the login.
var returnPaths = []struct{ in, want string }{
	{"/", "/"},
	{"/app", "/app"},
	{"/app/page?x=1&y=%20#part", "/app/page?x=1&y=%20#part"},
	{"/app?next=https://example.com/", "/app?next=https://example.com/"},
	{"/spotify/v1/me", "/spotify/v1/me"},
	{"/caf%C3%A9", "/caf%C3%A9"},
	{"", "/"},
	{"app", "/"},
	{"//evil.example", "/"},
	{"///evil.example", "/"},
	{"//", "/"},
	{"//?@evil.example/", "/"},
	{"//#/evil.example", "/"},
	{"/\\evil.example", "/"},
	{"\\\\evil.example", "/"},
	{"/%2fevil.example", "/"},
	{"/%2Fevil.example", "/"},
	{"/%5cevil.example", "/"},
	{"/%252fevil.example", "/"},
	{"/%255cevil.example", "/"},
	{"/.//evil.example", "/"},
	{"/..//evil.example", "/"},
	{"/%2e%2e//evil.example", "/"},
	{"/\t/evil.example", "/"},
	{"/\n/evil.example", "/"},
	{"/%09/evil.example", "/"},
	{"/%0d%0aSet-Cookie:x=1", "/"},
	{"/a\x00b", "/"},
	{" /app", "/"},
	{"https://evil.example", "/"},
	{"https:evil.example", "/"},
	{"javascript:alert(1)", "/"},
	{"/%zz", "/"},
	{"/" + strings.Repeat("a", 2000), "/"},
}

// L12
func TestReturnPathOverTheWire(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	for _, c := range returnPaths {
		b := s.NewBrowser()
		callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login?return_to="+url.QueryEscape(c.in), "")
		a := b.ComeBack(callback)
		if strings.HasPrefix(c.want, "/spotify/") {
			if b.WantStatus(a, http.StatusOK); !strings.Contains(a.Text, `content="0; url=`+c.want+`"`) {
				t.Errorf("%q: %s", c.in, a.Text)
			}
			continue
		}
		if got := b.WantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != c.want {
			t.Errorf("%q: went on to %q, want %q", c.in, got, c.want)
		}
	}
}
