package caddyspotify_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O54: two sites in one config, with one store and an app each. What is a
// session to one is nothing to the other, and a logout here ends none there.
func TestTwoSitesDoNotShareSessions(t *testing.T) {
	second := "http://" + freeport.Address(t)
	other := spotifytest.Start(t, spotifytest.Options{})
	s := start(t, startOptions{site: fmt.Sprintf(`
}
%s {
	bind 127.0.0.1
	spotify_proxy {
		client_id     fedcba9876543210fedcba9876543210
		redirect_uri  %[1]s/spotify/callback
		authorize_url %s
		token_url     %s
		api_url       %s
	}
`, second, other.AuthorizeURL, other.TokenURL, other.APIURL)})
	me := func(b *browser, origin string, status int) {
		t.Helper()
		if e := b.wantStatus(b.fetch("GET", origin+"/spotify/v1/me", ""), status); status == http.StatusUnauthorized && e.apiError(t).Reason != "login_required" {
			t.Errorf("%s: %s", origin, e.body)
		}
	}
	// The two are on one host, so a browser has the same cookies for both.
	here, there := s.newBrowser(), s.newBrowser()
	here.login("mira")
	me(here, s.origin, http.StatusOK)
	me(here, second, http.StatusUnauthorized)
	callback := spotifytest.Approve(t, there.client, second+"/spotify/login", "mira")
	there.wantStatus(there.navigate(callback, header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
	me(there, second, http.StatusOK)
	me(there, s.origin, http.StatusUnauthorized)

	// A cookie that is foreign here ends nothing where it is at home.
	for _, c := range []struct {
		of            *browser
		home, foreign string
	}{{here, s.origin, second}, {there, second, s.origin}} {
		cookie := header("Cookie", "spotify_session="+c.of.cookies()["spotify_session"])
		nobody := s.newBrowser()
		nobody.fetch("POST", c.foreign+"/spotify/logout", "", cookie)
		nobody.wantStatus(nobody.fetch("GET", c.home+"/spotify/v1/me", "", cookie), http.StatusOK)
	}
}
