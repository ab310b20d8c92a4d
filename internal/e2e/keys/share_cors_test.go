package keys_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P51
// Pages of other origins read what is shared only where that was chosen, and
// never with credentials.
func TestShareCORS(t *testing.T) {
	const friend, stranger = "https://www.example.com", "https://evil.example"
	for _, c := range []struct {
		option, origin, want, vary string
	}{
		{"", friend, "", "Cookie"},
		{"cors " + friend + " https://other.example:8443", friend, friend, "Origin,Cookie"},
		{"cors " + friend, stranger, "", "Origin,Cookie"},
		{"cors " + friend, "", "", "Origin,Cookie"},
		{"cors *", stranger, "*", "Cookie"},
	} {
		t.Run(c.option+" "+c.origin, func(t *testing.T) {
			s := startSharing(t, strings.Replace(shareOptions, "cache", c.option+"\n\t\tcache", 1))
			owner, a := s.connect("mira")
			owner.WantStatus(a, http.StatusSeeOther)
			v := s.NewBrowser()
			from := []proxytest.Edit{proxytest.Header("Origin", c.origin), proxytest.Header("Sec-Fetch-Site", "cross-site")}

			a = v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, "", from...), 200)
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != c.want {
				t.Errorf("Access-Control-Allow-Origin %q, want %q", got, c.want)
			}
			if got := strings.Join(a.Header.Values("Vary"), ","); got != c.vary {
				t.Errorf("Vary %q, want %q", got, c.vary)
			}
			if a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			a = v.WantStatus(v.Fetch("OPTIONS", "/spotify"+nowPlaying, "", append(from, proxytest.Header("Access-Control-Request-Method", "GET"))...), 204)
			if got := a.Header.Get("Access-Control-Allow-Methods"); (got == "GET, HEAD") != (c.want != "") {
				t.Errorf("preflight: Access-Control-Allow-Methods %q", got)
			}
			// What is not shared is open to nobody, and neither is a session: whoever has
			// one gets what everybody gets, so that other origins do not learn of it (S32).
			foreign := [][]proxytest.Edit{
				append(slices.Clone(from), proxytest.Header("Origin", stranger)),
				{proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Sec-Fetch-Mode", "no-cors")},
				{proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Sec-Fetch-Dest", "document")},
			}
			var without []proxytest.Response
			for _, edits := range foreign {
				without = append(without, v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, "", edits...), 200))
			}
			v.Login("jonas")
			for i, edits := range foreign {
				a = v.Fetch("GET", "/spotify"+nowPlaying, "", edits...)
				if a.StatusCode != 200 || a.Text != without[i].Text || a.Header.Get("Cache-Control") != "private, no-store" {
					t.Errorf("with a session: %d %v %s", a.StatusCode, a.Header, a.Text)
				}
				// How fast a response comes again tells whether a cache has kept it.
				if opened := a.Header.Get("Access-Control-Allow-Origin") != ""; !opened && without[i].Header.Get("Cache-Control") != "private, no-store" {
					t.Errorf("without a session, Cache-Control is %q", without[i].Header.Get("Cache-Control"))
				}
				for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Cross-Origin-Resource-Policy", "Content-Type", "Etag"} {
					if got, want := a.Header.Get(name), without[i].Header.Get(name); got != want {
						t.Errorf("%s with a session is %q, and %q without", name, got, want)
					}
				}
			}
			a = v.Fetch("GET", "/spotify/v1/me", "", append(from, proxytest.Header("Origin", stranger))...)
			if a.StatusCode != http.StatusForbidden || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("/v1/me with a session: %d, Access-Control-Allow-Origin %q", a.StatusCode, a.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}
