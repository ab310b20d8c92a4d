package interop

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// S31: after a logout, Back does not show a page of require_login, though its backend
// would have it cached.
func TestBackAfterLogout(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600, public")
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><p id=secret>what only Mira may see</p>`))
	}))
	t.Cleanup(backend.Close)
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		store memory
		require_login /app
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, `reverse_proxy /app `+backend.URL+`
		header / Content-Type text/html
		respond / "<!doctype html><form method=post action=/spotify/logout?return_to=/bye><button id=out>Log out</button></form>"
		header /bye Content-Type text/html
		respond /bye "<!doctype html><p id=bye>bye</p>"`)
	b := startBrowser(t)
	b.do("opening the guarded page", chromedp.Navigate(origin+"/app"))
	b.logIn("mira")
	b.arrive("the guarded page is shown", `!!document.getElementById("secret")`)
	b.do("going on", chromedp.Navigate(origin+"/"))
	b.do("logging out", chromedp.Click(chromedp.ID("out")))
	b.arrive("the visitor is logged out", `!!document.getElementById("bye")`)
	// The form's page is between.
	b.do("going back", chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.go(-2))`))
	b.arrive("it is Spotify's page", `!!document.getElementById("agree")`)
	if n := b.count("#secret"); n != 0 {
		t.Error("the guarded page is shown")
	}
}
