package interop

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Our own pages have their style, and the one that ends a login in a pop-up does so,
// under their own policy and under one of the site's that replaces it: Caddy applies a
// header block that deletes a field when the response begins. Nor does the site's
// referrer policy have the callback's address, with its code, in the access log.
func TestOwnPagesUnderTheSitesHeaders(t *testing.T) {
	for name, headers := range map[string]string{
		"their own": "",
		"a late one": `header {
			Content-Security-Policy "default-src 'self'; img-src data:"
			Referrer-Policy unsafe-url
			-Server
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := startClientSiteUnder(t, headers)
			b := startBrowser(t)
			b.do("opening the page", chromedp.Navigate(s.origin+"/"))
			b.waitText("who", "nobody")
			p := b.clickForPopup("popup")
			p.logIn("mira")
			b.waitText("result", "Mira Okafor")
			for end := time.Now().Add(patience); len(b.windows()) != 1; {
				if time.Now().After(end) {
					t.Fatal("the pop-up does not close")
				}
			}

			b.do("opening a page of the proxy's", chromedp.Navigate(s.origin+"/spotify/callback?code=the-code&state=the-state"))
			b.arrive("the page has its style", `document.readyState === "complete" && getComputedStyle(document.querySelector("main")).maxWidth === "480px"`)
			b.do("going on", chromedp.Click(chromedp.CSS("main a")))
			b.arrive("that is somewhere else", `!location.pathname.startsWith("/spotify/")`)
			s.expectSecretsOut(t, append(s.sim.TokensIssued(), "the-code", "the-state"))
		})
	}
}
