package interop

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// clientSite is a proxy and a page that uses the client module, under a policy
// that allows the site's own scripts and nothing else.
type clientSite struct {
	*proxy
	t   *testing.T
	sim *spotifytest.Running
}

func startClientSite(t *testing.T) *clientSite {
	t.Helper()
	return startClientSiteUnder(t, `header Content-Security-Policy "default-src 'self'; img-src data:"`)
}

// startClientSiteUnder starts one with these header directives.
func startClientSiteUnder(t *testing.T, headers string) *clientSite {
	t.Helper()
	dir, err := filepath.Abs("testdata/client")
	if err != nil {
		t.Fatal(err)
	}
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	return &clientSite{t: t, sim: sim, proxy: startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		scopes user-read-private user-read-playback-state user-modify-playback-state playlist-modify-private
		store memory
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL,
		headers+`
		root * "`+dir+`"
		file_server`)}
}

// waitText waits until an element says something, on whichever page the browser
// comes to meanwhile.
func (b *browser) waitText(id, want string) {
	b.t.Helper()
	b.arrive("#"+id+" says "+want, `document.getElementById("`+id+`")?.textContent === "`+want+`"`)
}

// arrive is waitFor across navigations.
func (b *browser) arrive(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression,
			chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			b.failed("waiting until "+what, err)
		}
	}
}

func (b *browser) logIn(user string) {
	b.t.Helper()
	b.do("logging in as "+user,
		chromedp.Click(chromedp.CSS(`label:has(#user-`+user+`)`)),
		chromedp.Click(chromedp.ID("agree")))
}

// clickForPopup clicks a button and returns the window that it opens, once that
// is at Spotify's consent page.
func (b *browser) clickForPopup(id string) *browser {
	b.t.Helper()
	b.do("clicking #"+id, chromedp.Click(chromedp.ID(id)))
	var there target.ID
	var shown []string
	for end := time.Now().Add(patience); there == ""; {
		if time.Now().After(end) {
			b.failed("waiting for a pop-up at Spotify's page", fmt.Errorf("there is %s", shown))
		}
		shown = shown[:0]
		for _, i := range b.windows() {
			shown = append(shown, i.URL)
			if strings.Contains(i.URL, "/authorize") {
				there = i.TargetID
			}
		}
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(there))
	b.t.Cleanup(cancel)
	p := &browser{t: b.t, ctx: ctx}
	// The first run attaches to the window, for as long as its context lives.
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("attaching to the pop-up: %v", err)
	}
	p.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
	return p
}

// windows returns all tabs and windows.
func (b *browser) windows() []*target.Info {
	b.t.Helper()
	all, err := chromedp.Targets(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(i *target.Info) bool { return i.Type != "page" })
}

// TestClientModuleRedirects logs in because a call needs it, comes back to the
// page, and has the other tabs follow.
func TestClientModuleRedirects(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	page := s.origin + "/?at-once"

	b.do("opening the page", chromedp.Navigate(page), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("result", "mira")
	if at := read(b, "reading the address", chromedp.Location()); at != page {
		t.Errorf("the login ended at %s", at)
	}
	b.waitText("changes", "1")
	name := b.text("who")

	other := b.newTab()
	other.do("opening another tab", chromedp.Navigate(s.origin+"/"))
	other.waitText("who", name)
	b.do("logging out", chromedp.Click(chromedp.ID("logout")))
	b.waitText("result", "out")
	b.waitText("who", "nobody")
	other.waitText("who", "nobody")
	other.waitText("changes", "2")
	if said := b.complaints(); len(said) > 0 {
		// The 401 that began the login is one that the browser reports itself.
		for _, line := range said {
			if !strings.Contains(line, "401") {
				t.Errorf("the page wrote to the console: %q", line)
			}
		}
	}
}

// TestClientModuleDoesNotLoop has the user say no: the page then gets its 401.
//
// L10 L11
func TestClientModuleDoesNotLoop(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	page := s.origin + "/?at-once"
	b.do("opening the page", chromedp.Navigate(page),
		chromedp.WaitVisible(chromedp.ID("cancel")), chromedp.Click(chromedp.ID("cancel")), chromedp.WaitVisible(chromedp.ID("again")))
	b.do("going back to the page", chromedp.Navigate(page))
	b.waitText("result", "401")
	// Once somebody is logged in again, the next end of a session redirects.
	b.do("logging in", chromedp.Navigate(s.origin+"/spotify/login?return_to=/"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("changes", "1")
	b.do("asking for the profile", chromedp.Click(chromedp.ID("profile")))
	b.waitText("result", "mira")
	b.do("logging out", chromedp.Click(chromedp.ID("logout")))
	b.waitText("result", "out")
	logins := s.sim.TokenRequests("authorization_code")
	b.do("asking for the profile", chromedp.Click(chromedp.ID("profile")))
	// The user has agreed before, so Spotify sends the browser straight back.
	b.waitText("changes", "1")
	if n := s.sim.TokenRequests("authorization_code") - logins; n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}

// TestClientModulePopup logs in beside the page, and then sends what the page
// had wanted to send, once.
//
// P50
func TestClientModulePopup(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(s.origin+"/"))
	b.waitText("who", "nobody")

	p := b.clickForPopup("create")
	p.logIn("mira")
	b.waitText("result", "Made after a login")
	b.arrive("somebody is logged in", `document.getElementById("who").textContent !== "nobody"`)
	made := 0
	for _, r := range s.sim.RequestsTo("/v1/me/playlists") {
		if r.Method == http.MethodPost && r.Status == http.StatusCreated {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d playlists were made", made)
	}

	b.do("logging out", chromedp.Click(chromedp.ID("logout")))
	b.waitText("who", "nobody")
	// The user has agreed before, so the window closes by itself.
	b.do("logging in in a pop-up", chromedp.Click(chromedp.ID("popup")))
	b.waitText("result", "Mira Okafor")
	b.waitText("who", "Mira Okafor")
	if at := read(b, "reading the address", chromedp.Location()); at != s.origin+"/" {
		t.Errorf("the page left for %s", at)
	}

	for end := time.Now().Add(patience); len(b.windows()) != 1; {
		if time.Now().After(end) {
			t.Fatal("the pop-up does not close")
		}
	}
	s.expectSecretsOut(t, s.sim.TokensIssued())
}

// TestClientModulePopupClosed has the user close the window.
func TestClientModulePopupClosed(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(s.origin+"/"))
	b.waitText("who", "nobody")
	p := b.clickForPopup("popup")
	p.do("closing the pop-up", chromedp.Evaluate[chromedp.Void]("setTimeout(() => window.close())"))
	b.waitText("result", "AbortError")
	b.waitText("who", "nobody")
	p = b.clickForPopup("create")
	p.do("closing the pop-up", chromedp.Evaluate[chromedp.Void]("setTimeout(() => window.close())"))
	b.waitText("result", "401")
	if n := len(b.windows()); n != 1 {
		t.Errorf("%d windows are open, want the page's alone", n)
	}
	if n := s.sim.TokenRequests(""); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// TestClientModulePopupBlocked has the browser block the window, as it does
// unless somebody has just clicked: no script of a test's does.
//
// P50
func TestClientModulePopupBlocked(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t, chromedp.Flag("disable-popup-blocking", false))
	b.do("opening the page", chromedp.Navigate(s.origin+"/"))
	b.waitText("who", "nobody")
	// Polling counts as a click, for some seconds. Both are asked at once, since a question
	// in between could count as one again.
	tried := "clicked"
	for end := time.Now().Add(patience); tried == "clicked" && time.Now().Before(end); {
		tried = read(b, "trying a pop-up", chromedp.Evaluate[string](
			`navigator.userActivation.isActive ? "clicked" : window.open("/spotify/popup", "", "popup") === null ? "blocked" : "opened"`))
	}
	if tried != "blocked" {
		t.Fatalf("a pop-up was %s: this shows nothing of a browser that blocks them", tried)
	}

	if got := read(b, "sending something", chromedp.Evaluate[string]("act.create()", chromedp.EvalAwaitPromise)); got != "401" {
		t.Errorf("what cannot be sent after a redirect got %q, want the 401", got)
	}
	if at := read(b, "reading the address", chromedp.Location()); at != s.origin+"/" {
		t.Fatalf("the page left for %s, and lost what it had to send", at)
	}
	b.do("logging in in a pop-up", chromedp.Evaluate[chromedp.Void](`void act.spotify.login({ popup: true, returnTo: "/?back" })`),
		chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.arrive("the page is back", `location.search === "?back" && document.getElementById("who")?.textContent !== "nobody"`)
	if n := len(b.windows()); n != 1 {
		t.Errorf("%d windows are open, want the page's alone", n)
	}
}

// TestClientModuleWithTypeScriptSDK gives Spotify's own client the module's auth
// strategy and fetcher. Its first call begins the login.
//
// P43
func TestClientModuleWithTypeScriptSDK(t *testing.T) {
	s := startNpmSite(t)
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(s.origin+"/client-sdk.html"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.arrive("the client is done", `document.getElementById("result") !== null`)
	s.expect(t, b.text("result"))
}
