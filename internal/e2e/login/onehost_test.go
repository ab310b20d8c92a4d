package login_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// L20: two instances on one host, on two ports or below two prefixes, share a browser's
// cookies, and do not get into each other's way.
func TestTwoInstancesOnOneHost(t *testing.T) {
	for name, strict := range map[string]string{"lax": "", "strict": "session {\nsame_site strict\n}"} {
		for where, prefix := range map[string]string{"two ports": "/spotify", "two ports and prefixes": "/music"} {
			t.Run(name+", "+where, func(t *testing.T) {
				second := "http://" + freeport.Address(t)
				other := spotifytest.Start(t, spotifytest.Options{})
				s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*\n" + strict, Site: fmt.Sprintf(`
					respond /app* "the app"
				}
				%s {
					bind 127.0.0.1
					respond /app* "the other app"
					spotify_proxy {
						client_id     fedcba9876543210fedcba9876543210
						redirect_uri  %[1]s%s/callback
						authorize_url %s
						token_url     %s
						api_url       %s
						require_login /app*
						%s
					}
				`, second, prefix, other.AuthorizeURL, other.TokenURL, other.APIURL, strict)})
				b := s.NewBrowser()
				site := proxytest.Header("Sec-Fetch-Site", "cross-site")
				done := http.StatusSeeOther
				if strict != "" {
					done = http.StatusOK
				}
				// From Spotify, a strict cookie does not come along.
				comeBack := func(callback string) {
					t.Helper()
					edit := func(r *http.Request) {
						if strict == "" {
							return
						}
						for name, value := range b.Cookies() {
							if !strings.HasPrefix(name, "spotify_session") || strings.HasSuffix(name, "_of") {
								r.AddCookie(&http.Cookie{Name: name, Value: value})
							}
						}
						b.Client.Jar = nil
					}
					a := b.Navigate(callback, site, edit)
					b.Client.Jar = b.Jar
					if strict != "" {
						b.Jar.SetCookies(a.Request.URL, a.Cookies())
					}
					b.WantStatus(a, done)
				}
				here, there := s.Origin+"/spotify", second+prefix
				page := func(base, want string) {
					t.Helper()
					origin := strings.TrimSuffix(strings.TrimSuffix(base, "/spotify"), "/music")
					if a := b.WantStatus(b.Navigate(origin+"/app"), http.StatusOK); a.Text != want {
						t.Errorf("%s: %q", base, a.Text)
					}
					b.WantStatus(b.Fetch("GET", base+"/v1/me", ""), http.StatusOK)
				}
				login := func(base, user string) { comeBack(spotifytest.Approve(t, b.Client, base+"/login", user)) }

				// A moment after a login here, the other instance's page begins one.
				login(here, "mira")
				b.WantStatus(b.Navigate(second+"/app"), http.StatusFound)
				// One that began before the other's ends.
				pending := spotifytest.Approve(t, b.Client, there+"/login", "mira")
				login(here, "mira")
				comeBack(pending)
				for range 3 {
					page(here, "the app")
					page(there, "the other app")
					login(here, "jonas")
					login(there, "jonas")
				}
				// Logging out is for each by itself, in either order.
				for _, one := range [][2]string{{here, there}, {there, here}} {
					b.WantStatus(b.Fetch("POST", one[0]+"/logout", ""), http.StatusNoContent)
					b.WantStatus(b.Fetch("GET", one[0]+"/v1/me", ""), http.StatusUnauthorized)
					b.WantStatus(b.Fetch("GET", one[1]+"/v1/me", ""), http.StatusOK)
					login(one[0], "mira")
					page(here, "the app")
					page(there, "the other app")
				}
			})
		}
	}
}

// L20: a cookie of other software that has the session's name, on a path of its own,
// comes before ours and is no reason to send the person round and round.
func TestForeignCookieOfTheSameName(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	b.Login("")
	id := b.SessionCookie()
	b.Client.Jar = nil
	for _, stale := range []string{"stale", "", "s%3Aabc.def", strings.Repeat("a", 44)} {
		for _, cookies := range []string{
			"spotify_session=" + stale + "; spotify_session=" + id,
			"spotify_session=" + id + "; spotify_session=" + stale,
			"spotify_session=" + stale + "; spotify_session=" + stale + "; spotify_session=" + id,
		} {
			if a := b.Navigate("/app", proxytest.Header("Cookie", cookies)); a.StatusCode != http.StatusOK {
				t.Errorf("%q: %d", stale, a.StatusCode)
			}
		}
	}
}
