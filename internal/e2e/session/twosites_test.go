package session_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O54: two sites in one config, with one store and an app each. What is a
// session to one is nothing to the other, and a logout here ends none there.
func TestTwoSitesDoNotShareSessions(t *testing.T) {
	second := "http://" + freeport.Address(t)
	other := spotifytest.Start(t, spotifytest.Options{})
	s := proxytest.Start(t, proxytest.Options{Site: fmt.Sprintf(`
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
	me := func(b *proxytest.Browser, origin string, status int) {
		t.Helper()
		if e := b.WantStatus(b.Fetch("GET", origin+"/spotify/v1/me", ""), status); status == http.StatusUnauthorized && e.APIError(t).Reason != "login_required" {
			t.Errorf("%s: %s", origin, e.Text)
		}
	}
	// The two are on one host, so a browser has the same cookies for both.
	here, there := s.NewBrowser(), s.NewBrowser()
	here.Login("mira")
	me(here, s.Origin, http.StatusOK)
	me(here, second, http.StatusUnauthorized)
	callback := spotifytest.Approve(t, there.Client, second+"/spotify/login", "mira")
	there.WantStatus(there.Navigate(callback, proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
	me(there, second, http.StatusOK)
	me(there, s.Origin, http.StatusUnauthorized)

	// A cookie that is foreign here ends nothing where it is at home.
	for _, c := range []struct {
		of            *proxytest.Browser
		home, foreign string
	}{{here, s.Origin, second}, {there, second, s.Origin}} {
		cookie := proxytest.Header("Cookie", "spotify_session="+c.of.Cookies()["spotify_session"])
		nobody := s.NewBrowser()
		nobody.Fetch("POST", c.foreign+"/spotify/logout", "", cookie)
		nobody.WantStatus(nobody.Fetch("GET", c.home+"/spotify/v1/me", "", cookie), http.StatusOK)
	}
}
