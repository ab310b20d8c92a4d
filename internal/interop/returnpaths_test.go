package interop

import (
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// TestReturnPathsInBrowser has a browser follow what the proxy makes of return paths
// that lead elsewhere to one reader or another.
//
// L12
func TestReturnPathsInBrowser(t *testing.T) {
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		store memory
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, "respond \"the site\"")
	b := startBrowser(t)
	for path, want := range map[string]string{
		"/app": "/app", "/app?next=//127.0.0.2/#//127.0.0.2": "/app?next=//127.0.0.2/#//127.0.0.2", "/a:b@127.0.0.2": "/a:b@127.0.0.2",
		"//127.0.0.2": "/", "///127.0.0.2": "/", `/\127.0.0.2`: "/", `\\127.0.0.2`: "/", `\/127.0.0.2`: "/", "/\t/127.0.0.2": "/", "/\n/127.0.0.2": "/", "\t//127.0.0.2": "/",
		" //127.0.0.2": "/", "\x01//127.0.0.2": "/", "/.//127.0.0.2": "/", "/..//127.0.0.2": "/", "/./\\127.0.0.2": "/", "/a/..//127.0.0.2": "/", "/%2e%2e//127.0.0.2": "/",
		"/%09/127.0.0.2": "/", "/%2f127.0.0.2": "/", "/%5c127.0.0.2": "/", "/%252f127.0.0.2": "/", "http://127.0.0.2": "/", "http:127.0.0.2": "/", "http:/127.0.0.2": "/",
		"https:127.0.0.2": "/", "HTTP:\\\\127.0.0.2": "/", "ht\ntp://127.0.0.2": "/", "javascript:document.title=1": "/", "data:text/html,x": "/", "//u@127.0.0.2": "/", "/\u2215127.0.0.2": "/",
	} {
		b.do("opening the site", chromedp.Navigate(origin+"/here"))
		b.do("sending the form", chromedp.Evaluate[chromedp.Void](`(() => {
			const form = document.createElement("form");
			form.method = "post";
			form.action = "/spotify/logout?return_to=" + encodeURIComponent(`+strconv.QuoteToASCII(path)+`);
			document.body.append(form);
			form.submit();
		})()`))
		b.arrive("it leads on", `location.pathname !== "/here" && document.readyState === "complete"`)
		if got := read(b, "reading the address", chromedp.Evaluate[string]("location.href")); got != origin+want {
			t.Errorf("%q leads to %s, want %s", path, got, origin+want)
		}
	}
}
