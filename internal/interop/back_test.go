package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// S31: after a logout, Back does not show a page of require_login, though its backend
// would have it cached: neither from the browser's cache nor from the back/forward
// cache, from which the site's other pages come.
func TestBackAfterLogout(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600, public")
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><p id=secret>what only Mira may see</p>`))
	}))
	t.Cleanup(backend.Close)
	for name, tt := range map[string]struct {
		bfcache  bool
		disabled string // features
	}{
		"with the back/forward cache": {true, "Translate"},
		"without it":                  {false, "Translate,BackForwardCache"},
	} {
		t.Run(name, func(t *testing.T) {
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
				respond / "<!doctype html><script>onpageshow = (e) => { document.body.dataset.kept = e.persisted }</script><form method=post action=/spotify/logout?return_to=/bye><button id=out>Log out</button></form>"
				header /bye Content-Type text/html
				respond /bye "<!doctype html><p id=bye>bye</p>"`)
			b := startBrowser(t, chromedp.Flag("disable-features", tt.disabled))
			b.do("opening the guarded page", chromedp.Navigate(origin+"/app"))
			b.logIn("mira")
			b.arrive("the guarded page is shown", `!!document.getElementById("secret")`)
			b.do("going on", chromedp.Navigate(origin+"/"))
			b.do("logging out", chromedp.Click(chromedp.ID("out")))
			b.arrive("the visitor is logged out", `!!document.getElementById("bye")`)
			// Otherwise Spotify, which remembers the consent, would log the visitor in again.
			sim.RevokeUser("mira")

			b.back("it is the page of the form, from where it should be",
				`document.body?.dataset.kept === "`+strconv.FormatBool(tt.bfcache)+`"`)
			b.back("it is Spotify's page", `!!document.getElementById("agree")`)
			if n := b.count("#secret"); n != 0 {
				t.Error("the guarded page is shown")
			}
		})
	}
}

// back goes back, and waits until an expression is true in the page that comes. It asks
// again and again: a question that waits in a page would be kept with it.
func (b *browser) back(what, expression string) {
	b.t.Helper()
	b.do("going back", chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.back())`))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		shown, err := chromedp.Run(ask, chromedp.Evaluate[bool](expression))
		cancel()
		if shown && err == nil {
			return
		}
		if ctx.Err() != nil {
			b.failed("waiting until "+what, ctx.Err())
		}
	}
}
