package interop

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// media sets features that a person has chosen in their system, beside a window's size.
func (b *browser) media(width, height int64, features ...*emulation.MediaFeature) {
	b.t.Helper()
	b.do("resizing", b.size(width, height, "light"), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// looksWell takes pictures of a page as those see it who have forced colours or a small
// window, in which nothing may stick out.
func (b *browser) looksWell(name string) {
	b.t.Helper()
	for kind, scheme := range map[string]string{"forced-light": "light", "forced-dark": "dark"} {
		b.media(1280, 800, &emulation.MediaFeature{Name: "forced-colors", Value: "active"}, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
		if !read(b, "reading the media", chromedp.Evaluate[bool](`matchMedia("(forced-colors: active)").matches`)) {
			b.t.Error("colours are not forced")
		}
		b.picture(name + "-" + kind)
	}
	b.media(320, 640)
	if wide := read(b, "measuring", chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); wide > 0 {
		b.t.Errorf("%s: at 320 pixels the page is %d pixels wider than the window", name, wide)
	}
	b.picture(name + "-320")
	b.media(1280, 800)
}

// tabOrder presses Tab through a page and returns what has the focus, in words.
func (b *browser) tabOrder() (order []string) {
	b.t.Helper()
	b.do("beginning at the top", chromedp.Evaluate[chromedp.Void](`document.activeElement.blur();getSelection().collapse(document.body,0)`))
	for range 60 {
		b.do("pressing Tab", chromedp.KeyEvent(kb.Tab))
		at := read(b, "reading the focus", chromedp.Evaluate[string](`(e => e === document.body ? "" : e.tagName.toLowerCase() + " " + (e.textContent.trim() || e.name) +
			(e.getAttribute("aria-describedby") ? ": " + document.getElementById(e.getAttribute("aria-describedby")).textContent.trim() : ""))(document.activeElement)`))
		if at == "" {
			return order
		}
		if !read(b, "looking at the focus", chromedp.Evaluate[bool](`(({ outlineStyle, outlineWidth }) =>
			outlineStyle !== "none" && parseFloat(outlineWidth) >= 1)(getComputedStyle(document.activeElement))`)) {
			b.t.Errorf("the focus on %q cannot be seen", at)
		}
		order = append(order, at)
	}
	return order
}

// pressAt goes to the element that a selector finds with the Tab key, and presses Enter.
func (b *browser) pressAt(selector string) {
	b.t.Helper()
	for range 60 {
		b.do("pressing Tab", chromedp.KeyEvent(kb.Tab))
		if read(b, "reading the focus", chromedp.Evaluate[bool]("document.activeElement.matches(`"+selector+"`)")) {
			b.do("pressing Enter", chromedp.KeyEvent("\r"))
			return
		}
	}
	b.t.Fatalf("%s cannot be reached with the Tab key", selector)
}

// E03: a person ends sessions and keys, logs out and has everything deleted, by keyboard
// alone, on pages that everybody can use.
func TestAccountInBrowser(t *testing.T) {
	a := newAccessibility(t)
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		scopes user-read-private user-library-read
		store memory
		access_keys
		share {
			owner mira
			allow /v1/me/player/currently-playing
			scopes user-read-currently-playing
		}
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, "respond / home")
	key := createKey(t, origin, "mira") // with a session of a browser that is not known
	other := newVisitor(t)
	if res, err := other.Get(spotifytest.Approve(t, other, origin+"/spotify/login", "mira")); err != nil {
		t.Fatal(err)
	} else {
		res.Body.Close()
	}
	status := func(c *http.Client, bearer string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/spotify/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}

	b := startBrowser(t)
	b.do("connecting the shared account", chromedp.Navigate(origin+"/spotify/share/connect"))
	b.logIn("mira")
	b.arrive("it is connected", `location.pathname.startsWith("/spotify/")`)
	b.do("opening the page", chromedp.Navigate(origin+"/spotify/account"))
	if read(b, "looking", chromedp.Evaluate[bool](`location.origin !== "`+origin+`"`)) {
		b.logIn("mira")
	}
	b.arrive("the sessions are there", `document.querySelectorAll("#sessions > li").length === 3`)
	a.inspect(b, "account")
	b.looksWell("account")
	order := b.tabOrder()
	t.Logf("the Tab key goes to:\n%s", strings.Join(order, "\n"))
	want := []string{"summary Log out here: Chrome on Linux this browser", "summary Log out: Unknown browser", "summary Log out: Unknown browser",
		"summary Log out everywhere else", "summary Revoke: a test's", "a Create and see access keys", "summary Delete everything about me",
		"a Apps with access, at Spotify", "a Home"}
	if !slices.Equal(order, want) {
		t.Errorf("want\n%s", strings.Join(want, "\n"))
	}
	outline := read(b, "reading the outline", chromedp.Evaluate[string](`[...document.querySelectorAll("h1,h2,h3")].map(e => e.tagName + " " + e.textContent.trim()).join("\n")`))
	t.Logf("headings:\n%s", outline)

	// One session, by keyboard alone.
	b.pressAt("#sessions > li:last-child summary")
	b.looksWell("account-open")
	a.inspect(b, "account-open")
	b.pressAt("#sessions > li:last-child button")
	b.arrive("two are left", `document.querySelectorAll("#sessions > li").length === 2`)
	b.pressAt("#keys summary")
	b.pressAt("#keys button")
	b.arrive("no key is left", `!!document.getElementById("no-keys")`)
	if s := status(http.DefaultClient, key); s != http.StatusUnauthorized {
		t.Errorf("with the revoked key: %d", s)
	}
	b.pressAt("#others > summary")
	b.pressAt("#others button")
	b.arrive("this one is left", `document.querySelectorAll("#sessions > li").length === 1`)
	if s := status(other, ""); s != http.StatusUnauthorized {
		t.Errorf("the other browser: %d", s)
	}

	// Logging out by the address bar.
	b.do("opening the logout", chromedp.Navigate(origin+"/spotify/logout"), chromedp.WaitVisible(chromedp.ID("log-out")))
	a.inspect(b, "log-out")
	b.looksWell("log-out")
	b.press("log-out")
	b.arrive("the person is logged out", `document.body?.innerText.includes("You are logged out")`)

	b.do("coming back", chromedp.Navigate(origin+"/spotify/account"))
	if read(b, "looking", chromedp.Evaluate[bool](`location.origin !== "`+origin+`"`)) {
		b.logIn("mira")
	}
	b.arrive("the page is there", `!!document.getElementById("delete")`)
	b.pressAt("#delete > summary")
	a.inspect(b, "account-delete")
	b.looksWell("account-delete")
	for range 60 { // with a space, since Enter would send the form
		b.do("pressing Tab", chromedp.KeyEvent(kb.Tab))
		if read(b, "reading the focus", chromedp.Evaluate[bool]("document.activeElement.matches(`#delete input`)")) {
			break
		}
	}
	b.do("choosing that nothing is shared", chromedp.KeyEvent(" "))
	b.pressAt("#delete button")
	b.arrive("everything is deleted", `document.body?.innerText.includes("Everything is deleted")`)
	a.inspect(b, "deleted")
	b.looksWell("deleted")
	if link := read(b, "reading the link", chromedp.Evaluate[string](`document.getElementById("again").href`)); link != "https://www.spotify.com/account/apps/" {
		t.Errorf("the link leads to %s", link)
	}
	res, err := newVisitor(t).Get(origin + "/spotify/v1/me/player/currently-playing")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode == http.StatusOK {
		t.Error("the account is still shown to everybody")
	}
	for _, complaint := range b.complaints() {
		t.Errorf("the console says %s", complaint)
	}
}
