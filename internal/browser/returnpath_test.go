package browser

import (
	"net/url"
	"strings"
	"testing"
)

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
func TestReturnPath(t *testing.T) {
	for _, c := range returnPaths {
		if got := ReturnPath(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// L12
func FuzzReturnPath(f *testing.F) {
	for _, c := range returnPaths {
		f.Add(c.in)
	}
	base, err := url.Parse("https://app.example.com/spotify/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ReturnPath(s)
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q: %q does not parse: %v", s, got, err)
		}
		if to := base.ResolveReference(u); to.Scheme != "https" || to.Host != "app.example.com" {
			t.Errorf("%q: leads to %s", s, to)
		}
		if strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00 ") || ReturnPath(got) != got {
			t.Errorf("%q: %q", s, got)
		}
	})
}
