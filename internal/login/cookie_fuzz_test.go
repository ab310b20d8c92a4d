package login

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
)

// S25, L02: what browsers may send as cookies gives one value or none, and
// never one that a simpler reading would not find.
func FuzzCookieHeader(f *testing.F) {
	const name = "spotify_session"
	for _, c := range [][2]string{
		{"", ""}, {"spotify_session=abc", ""}, {"a=b; spotify_session=abc; c=d", ""}, {"spotify_session=a", "spotify_session=b"},
		{"spotify_session=a; spotify_session=a", ""}, {"spotify_session", "spotify_session="}, {" spotify_session=a ", "\tspotify_session=b\t"},
		{`spotify_session="a"`, ""}, {"xspotify_session=a", "spotify_sessionx=b"}, {"spotify_session =a", "=spotify_session=a"},
		{"spotify_session=a=b;;;", ";=;"}, {"spotify_session=\x00", "spotify_session=\xff"}, {"Spotify_Session=a", "spotify_session=a,spotify_session=b"},
		{"spotify_session=1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA./app", ""},
		{"spotify_session=t0-AAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA./a!4b!0!1?c=d.key.e30", ""},
		{"spotify_session=t0-.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.~AAAAAAAA", ""},
		{"spotify_session=1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.//evil!4example", ""},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		var values []string
		for pair := range strings.SplitSeq(first+";"+second, ";") {
			if v, ok := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name+"="); ok {
				values = append(values, strings.TrimRight(v, " \t"))
			}
		}
		got, ok := browser.CookieValue(http.Header{"Cookie": {first, second}}, name)
		if ok != (len(values) == 1) || ok && got != values[0] || !ok && got != "" {
			t.Fatalf("%q, %q: %q %v, want one of %q", first, second, got, ok, values)
		}
		p, err := decodePendingLogin(got)
		if err != nil {
			return
		}
		if browser.ReturnPath(p.returnTo) != p.returnTo && !isPathReference(p.returnTo) {
			t.Errorf("%q: leads to %q", got, p.returnTo)
		}
		again, err := decodePendingLogin(p.encode())
		if err != nil || again != p {
			t.Errorf("%q: %+v, then %+v, %v", got, p, again, err)
		}
	})
}
