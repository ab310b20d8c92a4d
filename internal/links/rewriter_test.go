package links_test

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

const (
	api   = "https://api.spotify.com/v1/"
	proxy = "http://127.0.0.1:8080/spotify/v1/"
)

func TestRewriteURL(t *testing.T) {
	for _, tc := range []struct {
		name, from, to, in, want string
		changed                  bool
	}{
		{"location", api, proxy, api + "me/playlists?offset=50&limit=50", proxy + "me/playlists?offset=50&limit=50", true},
		{"the prefix alone", api, proxy, api, proxy, true},
		{"another host", api, proxy, "https://open.spotify.com/track/1", "https://open.spotify.com/track/1", false},
		{"another version", api, proxy, "https://api.spotify.com/v10/me", "https://api.spotify.com/v10/me", false},
		{"another scheme", api, proxy, "http://api.spotify.com/v1/me", "http://api.spotify.com/v1/me", false},
		{"another case", api, proxy, "https://API.spotify.com/v1/me", "https://API.spotify.com/v1/me", false},
		{"in the middle", api, proxy, "/x?u=" + api, "/x?u=" + api, false},
		{"empty", api, proxy, "", "", false},
		{"no prefix given", "", proxy, api, api, false},
		{"same prefix", api, api, api, api, false},
		{"unsafe characters", api, "https://x/\r\n\"\\<é>/", api + "me", "https://x/%0D%0A%22%5C%3C%C3%A9%3E/me", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, changed := links.New(tc.from, tc.to).RewriteURL(tc.in)
			if got != tc.want || changed != tc.changed {
				t.Errorf("RewriteURL(%q) = %q, %v; want %q, %v", tc.in, got, changed, tc.want, tc.changed)
			}
		})
	}
	if got, changed := new(links.Rewriter).RewriteURL(api); got != api || changed {
		t.Errorf("the zero value changed a URL to %q", got)
	}
}

func TestRewriteLink(t *testing.T) {
	rw := links.New(api, proxy)
	in := `<` + api + `me?offset=20>; rel="next", <` + api + `me>; rel="first"; title="` + api + `", <https://x/>; rel=help`
	want := `<` + proxy + `me?offset=20>; rel="next", <` + proxy + `me>; rel="first"; title="` + api + `", <https://x/>; rel=help`
	if got, changed := rw.RewriteLink(in); got != want || !changed {
		t.Errorf("RewriteLink = %q, %v; want %q, true", got, changed, want)
	}
	if got, changed := rw.RewriteLink("<https://x/>"); got != "<https://x/>" || changed {
		t.Errorf("RewriteLink changed a foreign link: %q, %v", got, changed)
	}
}

func TestIsJSON(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/json":                true,
		"application/json; charset=utf-8": true,
		"Application/JSON ;charset=utf-8": true,
		"text/json":                       true,
		"application/problem+json":        true,
		"application/vnd.spotify+JSON":    true,
		"":                                false,
		"json":                            false,
		"/json":                           false,
		"application/":                    false,
		"application/+json":               false,
		"application/jsonp":               false,
		"application/json-seq":            false,
		"application/x-ndjson":            false,
		"image/json":                      false,
		"image/jpeg":                      false,
		"text/html; x=application/json":   false,
	} {
		if got := links.IsJSON(contentType); got != want {
			t.Errorf("IsJSON(%q) = %v, want %v", contentType, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { links.IsJSON("application/vnd.x+json; charset=utf-8") }); n != 0 {
		t.Errorf("IsJSON allocates %v times", n)
	}
}
