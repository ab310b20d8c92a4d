package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pageOptions are those of the site whose pages are looked at: whatever has a page. The
// accent is the worst there is: too light for a light ground, and for white text.
const pageOptions = `
	client_id 0123456789abcdef0123456789abcdef
	scopes user-read-private user-library-read
	store memory
	session {
		idle 180d
	}
	access_keys {
		max 2
	}
	device_login
	share {
		owner mira
		allow /v1/me/player/currently-playing
		scopes user-read-currently-playing
	}
	pages {
		name "Listening room"
		logo /logo.svg
		accent ffd500
	}`

const siteOfPages = `
	header / Content-Type text/html
	respond / "<!doctype html><title>Home</title><p id=home>home</p>"
	header /logo.svg Content-Type image/svg+xml
	respond /logo.svg "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><circle cx='12' cy='12' r='11' fill='teal'/></svg>"`

// pageState is a page of the proxy's own in one of its states. To add one, add a line to
// pageStates and run the test with -update, which writes down what a screen reader says.
type pageState struct {
	name  string // of its golden file and pictures
	user  string // who is logged in; empty: nobody
	path  string // the address to open
	steps func(s *pageSite)
	shows string        // a CSS selector of what is there then, besides main and h1
	lang  string        // what the browser prefers; empty: English
	later time.Duration // how much time has passed since the state before
}

var pageStates = []pageState{
	{name: "not-found", path: "/spotify/nothing", shows: "small code"},
	{name: "not-found-german", path: "/spotify/nothing", shows: "html[lang=de] small code", lang: "de"},
	{name: "login-foreign", path: "/spotify/callback?code=c&state=s", shows: "#again"},
	{name: "login-expired", path: "/spotify/login", steps: (*pageSite).loseCookies, shows: "#again"},
	{name: "login-cancelled", path: "/spotify/login", steps: (*pageSite).cancel, shows: "#again"},
	{name: "login-failed", path: "/spotify/login", steps: (*pageSite).failLogin, shows: "#again"},
	{name: "user-not-allowlisted", path: "/spotify/login", steps: as("olga"), shows: "#again"},
	{name: "popup", path: "/spotify/popup?id=x"},
	{name: "logged-out", user: "mira", path: "/", steps: (*pageSite).logOut, shows: "#again"},
	{name: "share-not-connected", path: "/spotify/share", shows: "#again"},
	{name: "share-not-owner", path: "/spotify/share/connect", steps: as("jonas"), shows: "#again"},
	{name: "share-connected", path: "/spotify/share/connect", steps: as("mira"), shows: "#again"},
	{name: "account-shared", user: "mira", path: "/spotify/account", steps: opening("#delete summary"), shows: "#delete[open] input"},
	{name: "keys-none", user: "mira", path: "/spotify/keys", shows: "#none"},
	{name: "keys-none-german", user: "mira", path: "/spotify/keys", shows: "html[lang=de] #none", lang: "de"},
	{name: "keys-wrong", user: "mira", path: "/spotify/keys", steps: (*pageSite).createWrongKey, shows: "#wrong"},
	{name: "keys-created", user: "mira", path: "/spotify/keys", steps: (*pageSite).createKey, shows: "#key"},
	{name: "keys-list", user: "mira", path: "/spotify/keys", shows: "ul.keys"},
	{name: "keys-revoke", user: "mira", path: "/spotify/keys", steps: (*pageSite).openDetails, shows: "details[open] button"},
	{name: "keys-full", user: "mira", path: "/spotify/keys", steps: (*pageSite).createLastKey, shows: "#full"},
	{name: "keys-renew", user: "mira", path: "/spotify/keys", steps: (*pageSite).askToRenew, shows: "form[action='/spotify/keys/renew']"},
	{name: "keys-renewed", user: "mira", path: "/spotify/keys", steps: (*pageSite).renew, shows: "#renewed"},
	{name: "keys-renew-cancelled", user: "mira", path: "/spotify/keys", steps: (*pageSite).cancelRenewal, shows: "#again"},
	{name: "keys-due", user: "mira", path: "/spotify/keys", shows: "dd strong", later: 24 * 24 * time.Hour},
	{name: "keys-expired", user: "mira", path: "/spotify/keys", shows: ".renew button", later: 8 * 24 * time.Hour},
	{name: "keys-expired-german", user: "mira", path: "/spotify/keys", shows: "html[lang=de] .renew button", lang: "de"},
	{name: "activate", path: "/spotify/activate", shows: "#enter"},
	{name: "activate-malformed", path: "/spotify/activate", steps: entering("a"), shows: "#wrong"},
	{name: "activate-unknown", path: "/spotify/activate", steps: entering("BCDF-GHJK"), shows: "#wrong"},
	{name: "activate-confirm", path: "/spotify/activate", steps: (*pageSite).enterCode, shows: "#confirm"},
	{name: "activate-confirm-german", path: "/spotify/activate", steps: (*pageSite).enterCode, shows: "html[lang=de] #confirm", lang: "de"},
	{name: "activate-denied", path: "/spotify/activate", steps: (*pageSite).denyDevice, shows: "main:not(:has(form)) #device"},
	{name: "activate-done", path: "/spotify/activate", steps: (*pageSite).agreeToDevice, shows: "#account"},
	{name: "account", user: "jonas", path: "/spotify/account", shows: "#sessions"},
	{name: "account-german", user: "jonas", path: "/spotify/account", shows: "html[lang=de] #sessions", lang: "de"},
	{name: "account-end", user: "jonas", path: "/spotify/account", steps: opening("#sessions summary", "#others summary", "#keys summary"), shows: "#keys details[open] button"},
	{name: "log-out", user: "jonas", path: "/spotify/logout", shows: "#log-out"},
	{name: "account-delete", user: "jonas", path: "/spotify/account", steps: opening("#delete summary"), shows: "#delete[open] button"},
	{name: "account-deleted", user: "jonas", path: "/spotify/account", steps: (*pageSite).deleteAccount, shows: "#again"},
	{name: "share-due", path: "/spotify/share", shows: "#again", later: 142 * 24 * time.Hour},
}

// pageSite is a site with all pages, and a browser that looks at them.
type pageSite struct {
	*browser
	sim    *spotifytest.Running
	origin string
	clock  *fakeclock.Clock
}

// TestPages looks at every page of the proxy's own, in the order of pageStates: in a
// large window and in a small one, in the light, in the dark and in forced colours, with
// axe-core, by keyboard alone, and as a screen reader tells it. The states share the
// site, so that what one has created the next one shows.
//
// E01 E02 E03 E04
func TestPages(t *testing.T) {
	a := newAccessibility(t)
	origin := freeOrigin(t)
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}, Now: clock.Now})
	startProxy(t, origin, pageOptions+fmt.Sprintf(`
		authorize_url %s
		token_url %s
		api_url %s`, sim.AuthorizeURL, sim.TokenURL, sim.APIURL), siteOfPages)
	s := &pageSite{browser: startBrowser(t), sim: sim, origin: origin, clock: clock}
	for _, state := range pageStates {
		ok := t.Run(state.name, func(t *testing.T) {
			s.t = t
			defer func() { s.t = nil }()
			s.reach(state)
			s.inspectPage(a, state)
		})
		if !ok && state.steps != nil {
			t.Logf("what follows %s may fail for that", state.name)
		}
	}
}

// reach brings the browser to the page in its state.
func (s *pageSite) reach(state pageState) {
	s.t.Helper()
	s.clock.Advance(state.later + time.Minute) // lists are in the order of time
	s.do("beginning without cookies", s.size(1280, 800, "light"), clearCookies(), s.prefer(state.lang))
	if state.user != "" {
		s.do("going to log in", chromedp.Navigate(s.origin+"/spotify/login"), chromedp.WaitVisible(chromedp.ID("agree")))
		s.logIn(state.user)
		s.arrive("the visitor is back", `!!document.getElementById("home")`)
	}
	s.do("opening "+state.path, chromedp.Navigate(s.origin+state.path))
	if state.steps != nil {
		state.steps(s)
	}
	shown := `!!document.querySelector('link[href="/spotify/page.css"]')?.sheet && !!document.querySelector("main h1")
		&& document.title.endsWith(" – Listening room") && document.querySelector(".brand img")?.naturalWidth > 0`
	if state.shows != "" {
		shown += fmt.Sprintf(` && !!document.querySelector(%q)?.checkVisibility()`, state.shows)
	}
	s.arrive("the page shows "+state.shows, shown)
}

// inspectPage is what every page has to pass.
func (s *pageSite) inspectPage(a accessibility, state pageState) {
	s.t.Helper()
	s.compareTold(state.name)
	s.do("loading axe-core", chromedp.Evaluate[chromedp.Void](a.axe+";0"))
	// Forced colours come last: the browser keeps their ground until the next page.
	for _, colours := range []string{"light", "dark", "forced"} {
		for _, window := range []struct {
			name          string
			width, height int64
		}{{"large", 1280, 800}, {"small", 320, 640}} {
			name := state.name + "-" + window.name + "-" + colours
			s.do("resizing", s.size(window.width, window.height, colours), forcedColours(colours == "forced"))
			a.check(s.browser, name)
			if wide := read(s.browser, "measuring", chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); wide > window.width {
				s.t.Errorf("%s: the page is %d pixels wide", name, wide)
			}
			if hidden := read(s.browser, "looking at buttons", chromedp.Evaluate[int64](`[...document.querySelectorAll("button, a.button")].filter((e) =>
				e.checkVisibility() && matchMedia("(forced-colors: active)").matches && parseFloat(getComputedStyle(e).borderTopWidth) < 1).length`)); hidden > 0 {
				s.t.Errorf("%s: %d buttons cannot be told from text", name, hidden)
			}
			if colours != "dark" {
				s.walk(name)
			}
			s.picture("page-" + name)
		}
	}
	s.do("resizing", s.size(1280, 800, "light"), forcedColours(false))
}

// compareTold compares what a screen reader has to tell with the golden file.
func (s *pageSite) compareTold(name string) {
	s.t.Helper()
	golden := filepath.Join("testdata", "pages", name+".txt")
	got := steady(s.told(), s.origin)
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		s.t.Fatalf("reading what a screen reader should tell (-update writes it): %v", err)
	}
	if got != string(want) {
		s.t.Errorf("a screen reader tells:\n%s\nwant (%s; -update rewrites it):\n%s", got, golden, want)
	}
}

func clearCookies() chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return chromedp.Void{}, err
	}
}

// prefer sets the language that the browser asks for.
func (s *pageSite) prefer(lang string) chromedp.Action[chromedp.Void] {
	if lang == "" {
		lang = "en-GB"
	}
	agent := read(s.browser, "reading the user agent", chromedp.Evaluate[string]("navigator.userAgent"))
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: lang})
		return chromedp.Void{}, err
	}
}

// forcedColours switches those on that people choose for a high contrast.
func forcedColours(on bool) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		if !on {
			return chromedp.Void{}, nil // size has replaced all features
		}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}, {Name: "prefers-color-scheme", Value: "dark"}},
		})
		return chromedp.Void{}, err
	}
}

// as returns the steps of a login with an account.
func as(user string) func(*pageSite) {
	return func(s *pageSite) {
		s.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
		s.logIn(user)
	}
}

func (s *pageSite) loseCookies() {
	s.do("losing the cookies", chromedp.WaitVisible(chromedp.ID("agree")), clearCookies())
	s.logIn("mira")
}

func (s *pageSite) cancel() {
	s.do("cancelling", chromedp.WaitVisible(chromedp.ID("cancel")), chromedp.Click(chromedp.ID("cancel")))
}

func (s *pageSite) failLogin() {
	fault := s.sim.Inject(spotifytest.Fault{Path: "/api/token", Status: 400, Body: `{"error":"invalid_request"}`})
	defer fault.Clear()
	as("mira")(s)
	s.arrive("the login has failed", `!!document.getElementById("again")`)
}

func (s *pageSite) logOut() {
	s.do("logging out", chromedp.Evaluate[chromedp.Void](`
		document.body.innerHTML = '<form method="post" action="/spotify/logout"><button>Log out</button></form>';
		document.querySelector("button").click()`))
}

// fillIn sends the form for a key that may make the requests.
func (s *pageSite) fillIn(name, rules string) {
	s.do("filling in the form", chromedp.SetValue(chromedp.ID("name"), name),
		chromedp.Click(chromedp.CSS(`input[value=rules]`)), chromedp.SetValue(chromedp.ID("rules"), rules),
		chromedp.Click(chromedp.CSS(`#create button`)))
}

func (s *pageSite) createWrongKey() { s.fillIn("Backup script on the NAS", "GET /me") }

func (s *pageSite) createKey() { s.fillIn("Backup script on the NAS", "GET /v1/*") }

func (s *pageSite) openDetails() {
	s.do("opening what revokes a key", chromedp.Click(chromedp.CSS("summary")))
}

func (s *pageSite) createLastKey() {
	s.fillIn("Living room", "GET /v1/me\nPUT /v1/me/player/*")
	s.do("going back to the keys", chromedp.WaitVisible(chromedp.ID("done")), chromedp.Click(chromedp.ID("done")))
}
