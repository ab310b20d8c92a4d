package attack_test

import (
	"net/http"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P41, P59: what `allow` does not name does not get to Spotify, in whatever way it
// is written, nor what is no text once it is decoded, and what it names does.
func TestAttackAllow(t *testing.T) {
	b := attacked(t, proxytest.Options{Auth: "allow GET /v1/me /v1/me/top/*\nallow PUT POST /v1/me/player/volume\nallow /v1/playlists/*/items"})
	for _, line := range []string{
		"PUT /spotify/v1/me", "GET /spotify/v1/me/player", "GET /spotify/v1/me/playlists", "GET /spotify/v1/me/", "GET /spotify/v1/ME",
		"GET /spotify/v1/me/top", "GET /spotify/v1/me/top/", "GET /spotify/v1/playlists/x", "GET /spotify/v1/playlists/x/items/y", "OPTIONS /spotify/v1/me", "TRACE /spotify/v1/me",
		"GET /spotify/v1/me/top/../player", "GET /spotify/v1/me/top/%2e%2e/player", "GET /spotify/v1/me/top/..%2fplayer", "GET /spotify/v1/me/top/%252e%252e/player",
		"GET /spotify/v1/me/top/%252e%252e%252fplayer", "GET /spotify/v1/me/top/..;/player", "GET /spotify/v1/me//top/x", "GET /spotify/v1/me/top//../../player",
		"GET /spotify/v1/me%3F/player", "GET /spotify/v1/me%23/player", "GET /spotify/v1/me;/player", "GET /spotify/v1/me/top%5c..%5cplayer", "GET /spotify/v1/me%00/player",
		"GET /spotify/v1/playlists/x%2fy/items", "GET /spotify/v1/playlists/%252f/items", "GET /spotify/v1/player?/v1/me", "GET http://$HOST/spotify/v1/player",
		"GET /spotify/v1/me/top/%c0%ae%c0%ae/player", "GET /spotify/v1/me/top/%c0%af..%c0%afplayer", "GET /spotify/v1/me/top/%e0%80%ae%e0%80%ae", "GET /spotify/v1/me/top/%ff", "GET /spotify/v1/me/top/%ed%a0%80",
		"POST /spotify/v1/me?_method=GET", "get /spotify/v1/me",
	} {
		a := one(b, attack(b, line+" HTTP/1.1\n"+same+"X-HTTP-Method-Override: GET\nContent-Length: 0\nConnection: close\n\n"))
		if a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", line, a.StatusCode, a.Text)
		}
		wantNothingSent(b.Proxy, line)
	}
	for line, want := range map[string]string{
		"GET /spotify/v1/me":                                        "GET /v1/me",
		"HEAD /spotify/v1/me":                                       "HEAD /v1/me",
		"GET /spotify/v1/m%65":                                      "GET /v1/m%65",
		"GET /spotify/v1/me?x=/v1/player":                           "GET /v1/me",
		"GET /spotify/v1/me/top/artists":                            "GET /v1/me/top/artists",
		"PUT /spotify/v1/me/player/volume?volume_percent=30":        "PUT /v1/me/player/volume",
		"DELETE /spotify/v1/playlists/37i9dQZF1DX0XUsuxWHRQd/items": "DELETE /v1/playlists/37i9dQZF1DX0XUsuxWHRQd/items",
	} {
		attack(b, line+" HTTP/1.1\n"+same+"Content-Length: 0\nConnection: close\n\n")
		all := b.Sim.Requests()
		b.Sim.ForgetRequests()
		if len(all) != 1 || all[0].Method+" "+all[0].Path != want {
			t.Errorf("%s: Spotify got %+v", line, all)
		}
	}

	// It is refused before anybody is looked up: with a session, without one,
	// and to a navigation, which is not sent to log in for it.
	before := len(b.StoredFiles())
	for _, h := range []string{"Cookie: $COOKIE\nSec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate\nSec-Fetch-Site: none\nAccept: text/html", "Sec-Fetch-Site: cross-site"} {
		a := one(b, attack(b, "GET /spotify/v1/me/player HTTP/1.1\nHost: $HOST\n"+h+"\nConnection: close\n\n"))
		if a.StatusCode != http.StatusForbidden || a.Header.Get("Spotify-Proxy-Reason") != "not_allowed" || len(a.Header["Set-Cookie"]) != 0 {
			t.Errorf("%q: %d %v", h, a.StatusCode, a.Header)
		}
	}
	if e := b.Fetch("GET", "/spotify/v1/me/player", "").APIError(t); e.Reason != "not_allowed" || e.Status != http.StatusForbidden || e.LoginURL != "" {
		t.Errorf("error: %+v", e)
	}
	if after := len(b.StoredFiles()); after != before {
		t.Errorf("%d records, then %d", before, after)
	}
}
