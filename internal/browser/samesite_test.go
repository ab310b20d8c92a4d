package browser

import (
	"strings"
	"testing"
)

// P45: allow_origin takes the origins whose pages browsers send the cookie for,
// as they write them, and refuses all others when the config is loaded.
func TestAllowedOriginsAreOfTheSite(t *testing.T) {
	for _, c := range []struct{ site, origin, want string }{
		{"https://api.example.com", "https://www.example.com", "https://www.example.com"},
		{"https://api.example.com", "https://example.com", "https://example.com"},
		{"https://example.com", "https://a.b.c.example.com:8443", "https://a.b.c.example.com:8443"},
		{"https://api.example.com", "https://api.example.com:8443", "https://api.example.com:8443"},
		{"https://api.example.com", "HTTPS://WWW.Example.COM:443", "https://www.example.com"},
		{"https://api.example.com", "https://www.example.com:", "https://www.example.com"},
		{"https://api.example.com", "https://www.example.com:08443", "https://www.example.com:8443"},
		{"https://api.shop.co.uk", "https://www.shop.co.uk", "https://www.shop.co.uk"},
		{"https://api.me.github.io", "https://www.me.github.io", "https://www.me.github.io"},
		{"https://api.xn--bcher-kva.example", "https://www.bücher.example", "https://www.xn--bcher-kva.example"},
		{"https://api.xn--bcher-kva.example", "https://www.BÜCHER.example", "https://www.xn--bcher-kva.example"},
		{"https://api.city.kawasaki.jp", "https://www.city.kawasaki.jp", "https://www.city.kawasaki.jp"}, // an exception of the list
		{"https://api.my_team.example", "https://web_1.my_team.example", "https://web_1.my_team.example"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:5173", "http://127.0.0.1:5173"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:80", "http://127.0.0.1"},
		{"http://[::1]:8080", "http://[::1]:5173", "http://[::1]:5173"},
		{"http://[::1]:8080", "http://[0:0:0::1]:5173", "http://[::1]:5173"},
		{"https://192.0.2.7", "https://192.0.2.7:8443", "https://192.0.2.7:8443"},

		{"https://a.github.io", "https://b.github.io", ""},
		{"https://a.github.io", "https://github.io", ""},
		{"https://api.a.co.uk", "https://api.b.co.uk", ""},
		{"https://x.co.uk", "https://y.co.uk", ""},
		{"https://x.co.uk", "https://co.uk", ""},
		{"https://a.pages.dev", "https://b.pages.dev", ""},
		{"https://a.eu-west-1.elasticbeanstalk.com", "https://b.eu-west-1.elasticbeanstalk.com", ""},
		{"https://a.x.kawasaki.jp", "https://a.y.kawasaki.jp", ""}, // a wildcard of the list
		{"https://api.example.com", "https://www.example.net", ""},
		{"https://api.example.com", "https://example.com.evil.example", ""},
		{"https://api.example.com", "https://notexample.com", ""},
		{"https://api.example.com", "http://www.example.com", ""},
		{"http://127.0.0.1:8080", "https://127.0.0.1:8443", ""},
		{"http://127.0.0.1:8080", "http://127.0.0.2:8080", ""},
		{"http://127.0.0.1:8080", "http://[::1]:8080", ""},
		{"http://127.0.0.1:8080", "http://localhost:8080", ""},
		{"https://10.0.0.1", "https://11.0.0.1", ""}, // the last two labels are the same
		{"https://[2001:db8::1]", "https://[2001:db8::2]", ""},
		{"http://[::1]:8080", "http://[::1%25eth0]:5173", "has a zone"},
		{"http://127.0.0.1:8080", "http://127.1:5173", "write it like 127.0.0.1"},
		{"http://127.0.0.1:8080", "http://2130706433:5173", "write it like 127.0.0.1"},
		{"http://127.0.0.1:8080", "http://0x7f.0.0.0x1:5173", "write it like 127.0.0.1"},
		{"https://api.example.com", "https://www.example.com.", "leave it out"},
		{"https://api.example.com", "https://www.example.com:0", "give one from 1 to 65535"},
		{"https://api.example.com", "https://www.example.com:65536", "give one from 1 to 65535"},
		{"https://api.example.com", "https://a..example.com", ""},
		{"https://api.xn--bcher-kva.example", "https://www.b\u200dücher.example", "cannot be a name"},
		{"https://api.example.com", "https://www.example.com:443/", "leave out what follows"},
		{"https://api.example.com", "https://user@www.example.com", "leave out what follows"},
		{"https://api.example.com", "https://www.example.com?", "leave out what follows"},
		{"https://api.example.com", "https://www.example.com#", "leave out what follows"},
		{"https://api.example.com", "chrome-extension://abcdef", "is not an origin"},
		{"https://api.example.com", "file://", "is not an origin"},
	} {
		site, err := ParseRedirectURI(c.site + "/spotify/callback")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseAllowedOrigin(c.origin, site)
		switch ok := strings.HasPrefix(c.want, "http"); {
		case ok && (err != nil || got != c.want):
			t.Errorf("%s for %s: %q, %v", c.origin, c.site, got, err)
		case !ok && err == nil:
			t.Errorf("%s for %s is accepted as %s", c.origin, c.site, got)
		case !ok && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "allow_origin") || !strings.Contains(err.Error(), ":")):
			t.Errorf("%s for %s: %v", c.origin, c.site, err)
		}
	}
}

// O57: the public origin is compared with what browsers say, so it is written
// as they write it.
func TestRedirectURIIsWrittenAsBrowsersDo(t *testing.T) {
	for raw, want := range map[string]string{
		"https://bücher.example/spotify/callback":          "browsers write as xn--bcher-kva.example",
		"https://app.example.com./spotify/callback":        "leave it out",
		"https://app.example.com:70000/spotify/callback":   "give one from 1 to 65535",
		"https://10.1/spotify/callback":                    "write it like 127.0.0.1",
		"https://[2001:db8:0:0::1]/spotify/callback":       "browsers write as 2001:db8::1",
		"https://*.example.com/spotify/callback":           "no wildcard",
		"https://a.example,b.example/spotify/callback":     "a host that is no name",
		`https://a".example/spotify/callback`:              "a host that is no name",
		"https://a..example/spotify/callback":              "a host that is no name",
		"https://.example.com/spotify/callback":            "a host that is no name",
		"https://APP.example.com:443/spotify/callback":     "",
		"https://app.example.com:8443/spotify/callback":    "",
		"http://[::1]:8080/spotify/callback":               "",
		"https://xn--bcher-kva.example/spotify/callback":   "",
		"https://192.0.2.7/spotify/callback":               "",
		"https://app_1.example.com/spotify/callback":       "",
		"https://app.example.com:08443/spotify/callback":   "",
		"http://127.0.0.1:80/spotify/callback":             "",
		"https://xn--bcher-kva.example:1/spotify/callback": "",
	} {
		_, err := ParseRedirectURI(raw)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}
