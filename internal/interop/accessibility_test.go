package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// screen is a window and what its user likes.
type screen struct {
	name          string
	width, height int64
	scheme        string
}

var screens = []screen{
	{"desktop-light", 1280, 800, "light"},
	{"desktop-dark", 1280, 800, "dark"},
	{"phone-light", 390, 844, "light"},
}

// finding is what axe-core has against a page.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML, FailureSummary string
	}
}

// accessibility inspects pages with axe-core.
type accessibility struct{ axe string }

func newAccessibility(t *testing.T) accessibility {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join(installNpm(t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return accessibility{string(axe)}
}

// inspect looks at the page on each screen, takes its picture, and fails the
// test for what keeps people out.
func (a accessibility) inspect(b *browser, name string) {
	b.t.Helper()
	b.do("loading axe-core", chromedp.Evaluate[chromedp.Void](a.axe+";0"))
	for _, s := range screens {
		b.do("resizing", b.size(s.width, s.height, s.scheme))
		report := read(b, "running axe-core", chromedp.Evaluate[string](
			`axe.run({ resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations))`, chromedp.EvalAwaitPromise))
		var found []finding
		if err := json.Unmarshal([]byte(report), &found); err != nil {
			b.t.Fatal(err)
		}
		for _, f := range found {
			if f.Impact != "serious" && f.Impact != "critical" {
				b.t.Logf("%s, %s: %s (%s)", name, s.name, f.Help, f.Impact)
				continue
			}
			for _, n := range f.Nodes {
				b.t.Errorf("%s, %s: %s (%s, %s)\n%s\n%s", name, s.name, f.Help, f.ID, f.Impact, n.HTML, n.FailureSummary)
			}
		}
		if wide := read(b, "measuring", chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); wide > 0 {
			b.t.Errorf("%s, %s: the page is %d pixels wider than the window", name, s.name, wide)
		}
		b.picture(name + "-" + s.name)
	}
	if os.Getenv("SCREENSHOTS") != "" {
		b.do("resizing", b.size(390, 844, "dark"))
		b.picture(name + "-phone-dark")
	}
	b.do("resizing", b.size(1280, 800, "light"))
	// What axe-core thinks only moderately of.
	for what, selector := range map[string]string{
		"language":         `html[lang]`,
		"main landmark":    `main`,
		"top-level header": `h1`,
	} {
		if n := read(b, "counting", chromedp.Evaluate[int]("[...document.querySelectorAll(`"+selector+"`)].filter((e) => e.checkVisibility()).length")); n != 1 {
			b.t.Errorf("%s: %d of %s, want one %s", name, n, selector, what)
		}
	}
}

// press goes to an element with the Tab key, checks that the focus can be seen,
// and presses Enter.
func (b *browser) press(id string) {
	b.t.Helper()
	b.tabTo(id)
	if !read(b, "looking at the focus", chromedp.Evaluate[bool](`(({ outlineStyle, outlineWidth }) =>
		outlineStyle !== "none" && parseFloat(outlineWidth) >= 2)(getComputedStyle(document.activeElement))`)) {
		b.t.Errorf("the focus on #%s cannot be seen", id)
	}
	b.do("pressing Enter", chromedp.KeyEvent("\r"))
}

// TestOwnPagesAreAccessible has axe-core look at the pages that the proxy has
// of its own.
func TestOwnPagesAreAccessible(t *testing.T) {
	a := newAccessibility(t)
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, fmt.Sprintf(`
		client_id 0123456789abcdef0123456789abcdef
		scopes user-read-private
		store memory
		share {
			owner mira
			allow /v1/me/player/currently-playing
			scopes user-read-currently-playing
		}
		authorize_url %s
		token_url %s
		api_url %s`, sim.AuthorizeURL, sim.TokenURL, sim.APIURL), "respond / home")
	b := startBrowser(t)
	shows := func(name, text string) {
		t.Helper()
		b.arrive("the page says "+text, `document.body?.innerText.includes(`+fmt.Sprintf("%q", text)+`)`)
		a.inspect(b, "own-"+name)
	}
	for name, page := range map[string]struct{ path, text string }{
		"not-found":     {"/spotify/nothing", "not_found"},
		"login-foreign": {"/spotify/callback?code=c&state=s", "login_failed"},
		"popup":         {"/spotify/popup?id=x", "You can close this window"},
		"share":         {"/spotify/share", "Connect"},
	} {
		b.do("opening "+page.path, chromedp.Navigate(origin+page.path))
		shows(name, page.text)
	}

	b.do("going to log in", chromedp.Navigate(origin+"/spotify/login"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.do("losing the cookie", func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return chromedp.Void{}, err
	})
	b.logIn("mira")
	shows("login-expired", "login_expired")

	fault := sim.Inject(spotifytest.Fault{Path: "/api/token", Status: 400, Body: `{"error":"invalid_request"}`})
	b.do("logging in in vain", chromedp.Navigate(origin+"/spotify/login?show_dialog=true"))
	b.logIn("mira")
	shows("login-failed", "login_failed")
	fault.Clear()
	b.do("logging in as somebody who may not", chromedp.Navigate(origin+"/spotify/login?show_dialog=true"))
	b.logIn("olga")
	shows("user-not-allowlisted", "user_not_allowlisted")
	b.do("cancelling", chromedp.Navigate(origin+"/spotify/login?show_dialog=true"), chromedp.Click(chromedp.ID("cancel")))
	shows("login-cancelled", "login_cancelled")
	b.do("connecting a stranger's account", chromedp.Navigate(origin+"/spotify/share/connect"))
	b.logIn("jonas")
	shows("not-owner", "not_owner")
}

// TestDemoIsAccessible does the same with the demo.
func TestDemoIsAccessible(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")))
	a.inspect(b, "demo-logged-out")
	b.do("going to log in", chromedp.Click(chromedp.ID("login")), chromedp.WaitVisible(chromedp.ID("agree")))
	a.inspect(b, "consent")
	b.logIn("mira")
	b.arrive("the visitor is back", `document.body?.dataset.state === "in"`)
	b.loaded()
	a.inspect(b, "demo-logged-in")
}
