package interop

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// startGuardedSite runs a site whose pages below /app need a login.
func startGuardedSite(t *testing.T) *clientSite {
	t.Helper()
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	return &clientSite{sim: sim, proxy: startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		store memory
		require_login /app/*
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, `
		header Content-Type text/html
		respond /app/* "<h1 id=app>{uri}</h1>"
		respond "<h1 id=page>page</h1>"`)}
}

// eventually waits until something is true, for at most the patience.
func (b *browser) eventually(what string, is func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.failed("waiting until "+what, ctx.Err())
		}
	}
}

// TestSpeculationRules has a page whose rules let the browser fetch many guarded pages
// ahead of time while a login is at the consent page: that login can end.
//
// L17
func TestSpeculationRules(t *testing.T) {
	s := startGuardedSite(t)
	b := startBrowser(t)
	b.do("beginning a login", chromedp.Navigate(s.origin+"/app/first"), chromedp.WaitVisible(chromedp.ID("agree")))
	other := b.newTab()
	other.do("opening a page with rules", chromedp.Navigate(s.origin+"/"), chromedp.WaitVisible(chromedp.ID("page")),
		chromedp.Evaluate[chromedp.Void](`
		document.head.append(Object.assign(document.createElement("script"), { type: "speculationrules", text: JSON.stringify({
			prefetch: [{ urls: Array.from({ length: 14 }, (_, i) => "/app/" + i), eagerness: "immediate" }],
			prerender: [{ urls: ["/app/prerendered"], eagerness: "immediate" }],
		}) }));`))
	ahead := func() int { return bytes.Count(s.logged(t), []byte(`"Sec-Purpose":["prefetch`)) }
	other.eventually("the browser has fetched ahead of time", func() bool { return ahead() >= 10 })
	b.logIn("mira")
	b.arrive("the first page is there", `document.getElementById("app")?.textContent === "/app/first"`)
}

// TestAgreeClickedTwice has an impatient person click Agree again while the code is
// being exchanged: they are logged in, once.
//
// L16
func TestAgreeClickedTwice(t *testing.T) {
	s := startGuardedSite(t)
	held := s.sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	b := startBrowser(t)
	b.do("beginning a login", chromedp.Navigate(s.origin+"/app/first"), chromedp.WaitVisible(chromedp.ID("agree")))
	// The page stays until there is a response. A click before the first callback has
	// come in would only replace it.
	b.do("agreeing, and agreeing again", chromedp.Evaluate[chromedp.Void](`
		for (const ms of [0, 1500]) setTimeout(() => document.getElementById("agree").click(), ms);`))
	<-held.Entered()
	// Caddy runs in this process.
	b.eventually("the second callback is there", func() bool {
		stacks := make([]byte, 4<<20)
		return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("login.(*Flow).ServeCallback(")) == 2
	})
	held.Release()
	b.arrive("the page is there", `document.getElementById("app")?.textContent === "/app/first"`)
	if n := s.sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d codes were exchanged", n)
	}
}

// TestCookieBomb has a page open logins with long return paths in a pop-up, one after
// the other and all at once: the site goes on working.
//
// L18
func TestCookieBomb(t *testing.T) {
	s := startGuardedSite(t)
	b := startBrowser(t, chromedp.Flag("disable-popup-blocking", true))
	b.do("opening the page", chromedp.Navigate(s.origin+"/"), chromedp.WaitVisible(chromedp.ID("page")),
		chromedp.Evaluate[chromedp.Void](`(async () => {
			const target = (i) => "/spotify/login?show_dialog=true&return_to=/" + i + "a".repeat(990);
			const windows = Array.from({ length: 12 }, (_, i) => open(target(i)));
			const wait = (ms) => new Promise((done) => setTimeout(done, ms));
			for (let i = 0; i < 12; i++) {
				windows[0].location = target(i);
				await wait(150);
			}
			for (const w of windows) w.close();
			document.title = "done";
		})()`))
	b.waitFor("all were opened", `document.title === "done"`)
	size, begun := 0, false
	for _, c := range s.cookies(b) {
		size += len(c.Name) + len(c.Value) + len("=; ")
		begun = begun || strings.HasPrefix(c.Name, "spotify_login_")
	}
	if !begun || size > 4<<10 {
		t.Errorf("%d bytes of cookies, logins under way %t", size, begun)
	}
	b.do("opening the page again", chromedp.Navigate(s.origin+"/"), chromedp.WaitVisible(chromedp.ID("page")))
}

func (s *clientSite) cookies(b *browser) []*network.Cookie {
	b.t.Helper()
	return read(b, "reading the cookies", func(ctx context.Context, _ *chromedp.Target) (network.GetCookiesResult, error) {
		return chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{s.origin}})
	}).Cookies
}
