package attack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// S28: two sites with one app, one store and equal limits. What was made at the
// strict one has none of the rights of the generous one, on another origin or below
// another prefix, and the other way round.
func TestAttackOtherSitesSession(t *testing.T) {
	origin, prefix := "http://"+freeport.Address(t), "/spotify"
	s := proxytest.Start(t, proxytest.Options{Auth: "allow GET /v1/me\naccess_keys"})
	for name, generous := range map[string]struct{ base, config string }{
		"another origin": {origin + prefix, `
}
%[1]s {
	bind 127.0.0.1
	spotify_proxy {
		%[2]s
	}
`},
		"another prefix": {s.Origin + "/generous", `
	spotify_proxy /generous/* {
		%[2]s
	}
`},
	} {
		t.Run(name, func(t *testing.T) {
			s.T = t
			s.Site = fmt.Sprintf(generous.config, origin, fmt.Sprintf(`
		client_id     %s
		redirect_uri  %s/callback
		scopes        user-read-private user-top-read streaming
		authorize_url %s
		token_url     %s
		api_url       %s
		expose_token
		access_keys`, proxytest.ClientID, generous.base, s.Sim.AuthorizeURL, s.Sim.TokenURL, s.Sim.APIURL))
			s.Load("")
			strict := s.NewBrowser()
			strict.Login("mira")
			key := strict.CreateKey(proxytest.KeyForm("a"))
			at := func(base string) func(method, path, cookie, key string, status int) {
				return func(method, path, cookie, key string, status int) {
					t.Helper()
					b := s.NewBrowser()
					a := b.Fetch(method, base+path, "", proxytest.Header("Cookie", cookie), proxytest.Header("Authorization", key))
					if a.StatusCode != status {
						t.Errorf("%s %s%s: %d, want %d: %s", method, base, path, a.StatusCode, status, a.Text)
					}
				}
			}
			there, here := at(generous.base), at(s.Origin+"/spotify")
			cookie := "spotify_session=" + strict.SessionCookie()
			here("GET", "/v1/me", cookie, "", 200)
			here("GET", "/v1/me", "", "Bearer "+key, 200)
			for range 2 { // before and after somebody looked
				there("GET", "/v1/me", cookie, "", 401)
				there("GET", "/v1/me/top/tracks", cookie, "", 401)
				there("POST", "/token", cookie, "", 401)
				there("GET", "/keys", cookie, "", 401)
				there("GET", "/v1/me", "", "Bearer "+key, 401)
			}
			there("POST", "/logout", cookie, "", 204)
			here("GET", "/v1/me", cookie, "", 200)

			other := s.NewBrowser()
			callback := spotifytest.Approve(t, other.Client, generous.base+"/login", "mira")
			other.WantStatus(other.Navigate(callback, proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
			cookie = "spotify_session=" + other.SessionCookie()
			there("GET", "/v1/me", cookie, "", 200)
			here("GET", "/v1/me", cookie, "", 401)
			// The key of the one site is neither listed nor revoked at the other.
			a := other.Fetch("GET", generous.base+"/keys", "")
			if !strings.Contains(a.Text, `"keys":[]`) {
				t.Errorf("keys at the other site: %d %s", a.StatusCode, a.Text)
			}
			a = other.Fetch("DELETE", generous.base+"/keys/"+strict.Keys()[0].Key, "")
			other.WantStatus(a, http.StatusNotFound)
			here("GET", "/v1/me", "", "Bearer "+key, 200)
			s.Restart()
			there("GET", "/v1/me", "", "Bearer "+key, 401)
			here("GET", "/v1/me", "", "Bearer "+key, 200)
		})
	}
}
