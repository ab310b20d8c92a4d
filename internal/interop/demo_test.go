package interop

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// secretShape is how codes, access tokens and refresh tokens of Spotify look.
var secretShape = regexp.MustCompile(`\b[AB]Q[A-Za-z0-9_-]{80,}`)

// TestDemo is what a person does with the demo, in a browser, from the first
// look to the last.
//
// S15 S17 S20 P44 P47 P48
func TestDemo(t *testing.T) {
	wire := startRecorder(t)
	b := startBrowser(t, chromedp.ProxyServer(wire.url), chromedp.Flag("proxy-bypass-list", "<-loopback>"))
	d := startDemo(t, "--listen", "127.0.0.1:0", "--token-life", "6s")

	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")))
	if b.text("profile-name") != "Loading" && b.visible("profile-name") {
		t.Error("a stranger sees a profile")
	}
	b.pictures("1-logged-out")

	b.do("going to log in", chromedp.Click(chromedp.ID("login")), chromedp.WaitVisible(chromedp.ID("agree")))
	b.pictures("2-consent")
	b.do("agreeing as Jonas",
		chromedp.Click(chromedp.CSS(`label:has(#user-jonas)`)),
		chromedp.Click(chromedp.ID("agree")),
		chromedp.WaitVisible(chromedp.ID("profile-name")))
	b.loaded()
	if name, id := b.text("profile-name"), b.text("profile-id"); name != "Jonas Ångström" || id != "jonas" {
		t.Errorf("logged in as %q, %q", name, id)
	}
	if at := read(b, "reading the address", chromedp.Location()); at != d.url+"/" {
		t.Errorf("the login ended at %s", at)
	}
	if n := b.count("#artists-list img"); n != 12 {
		t.Errorf("%d pictures of artists, want 12", n)
	}
	b.waitFor("all pictures are there",
		`[...document.images].every((i) => { i.loading = "eager"; return i.complete && i.naturalWidth > 0 })`)
	b.pictures("3-logged-in")

	b.turnPages()
	b.playAndPause()

	b.do("loading the page again", chromedp.Reload(), chromedp.WaitVisible(chromedp.ID("profile-name")))
	b.loaded()
	if name := b.text("profile-name"); name != "Jonas Ångström" {
		t.Errorf("after reloading, logged in as %q", name)
	}
	b.expectNothingHeld()
	cookie := b.sessionCookie(d.url)
	d.expect(`token refreshed`)

	other := b.newTab()
	other.do("opening another tab", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("profile-name")))
	other.loaded()

	b.do("logging out", chromedp.Click(chromedp.ID("logout")), chromedp.WaitVisible(chromedp.ID("login")))
	if b.visible("profile-name") || b.text("playlists") != "" {
		t.Error("the page still shows what belongs to somebody who logged out")
	}
	expectDead(t, d.url, cookie)
	// The other tab learns of it by itself.
	other.do("waiting for the other tab", chromedp.WaitVisible(chromedp.ID("login")))
	b.do("loading the page again", chromedp.Reload(), chromedp.WaitVisible(chromedp.ID("login")))
	if said := b.complaints(); len(said) > 0 {
		t.Errorf("the page wrote to the console: %q", said)
	}

	b.do("going to log in as somebody else", chromedp.Click(chromedp.ID("login-other")), chromedp.WaitVisible(chromedp.ID("cancel")))
	b.do("cancelling", chromedp.Click(chromedp.ID("cancel")), chromedp.WaitVisible(chromedp.ID("again")))
	b.pictures("4-cancelled")
	b.do("going back to the start", chromedp.Click(chromedp.CSS(`a[href="/"]`)), chromedp.WaitVisible(chromedp.ID("login")))

	expectNoSecrets(t, wire, d)
	d.interrupt()
}

// turnPages goes to the second page of playlists and back.
func (b *browser) turnPages() {
	b.t.Helper()
	first := b.text("playlists")
	if n := b.count("#playlists > li"); n != 6 {
		b.t.Errorf("%d playlists on the first page, want 6", n)
	}
	b.do("turning the page", chromedp.Click(chromedp.ID("next-page")))
	b.waitFor("the second page is there", `document.getElementById("page-number").textContent.startsWith("Page 2 of ")`)
	if second := b.text("playlists"); second == first || second == "" {
		b.t.Errorf("the second page of playlists shows %q, the first %q", second, first)
	}
	if wire := b.text("wire"); !strings.Contains(wire, "offset=6") {
		b.t.Errorf("the page does not show its request for the second page: %q", wire)
	}
	b.do("turning the page back", chromedp.Click(chromedp.ID("previous-page")))
	b.waitFor("the first page is there", `document.getElementById("page-number").textContent.startsWith("Page 1 of ")`)
	if again := b.text("playlists"); again != first {
		b.t.Errorf("the first page of playlists shows %q, and before %q", again, first)
	}
}

const playing = `fetch("/spotify/v1/me/player").then((r) => r.json()).then((p) => p.is_playing)`

// playAndPause uses the buttons, and asks the server what came of it.
func (b *browser) playAndPause() {
	b.t.Helper()
	label := func(want string) string {
		return `document.getElementById("play-pause").getAttribute("aria-label") === "` + want + `"`
	}
	b.waitFor("the track plays", label("Pause"))
	b.do("pausing", chromedp.Click(chromedp.ID("play-pause")))
	b.waitFor("the track is paused", label("Play"))
	if read(b, "asking the player", chromedp.Evaluate[bool](playing, chromedp.EvalAwaitPromise)) {
		b.t.Error("the page says that it is paused, and the server that it plays")
	}
	b.do("playing", chromedp.Click(chromedp.ID("play-pause")))
	b.waitFor("the track plays again", label("Pause"))
	if !read(b, "asking the player", chromedp.Evaluate[bool](playing, chromedp.EvalAwaitPromise)) {
		b.t.Error("the page says that it plays, and the server that it is paused")
	}
	track := b.text("track-name")
	b.do("skipping", chromedp.Click(chromedp.ID("next")))
	b.waitFor("another track plays", `document.getElementById("track-name").textContent !== "`+track+`"`)
}

// expectNothingHeld checks that scripts find nothing in the browser, and that
// the page says so.
func (b *browser) expectNothingHeld() {
	b.t.Helper()
	held := read(b, "looking at what scripts can see", chromedp.Evaluate[string](`(async () => JSON.stringify([
		document.cookie, {...localStorage}, {...sessionStorage}, await indexedDB.databases(), await caches.keys(), window.name, history.state,
	]))()`, chromedp.EvalAwaitPromise))
	if held != `["",{},{},[],[],"",null]` {
		b.t.Errorf("scripts can see %s", held)
	}
	for _, id := range []string{"holds-cookie", "holds-local", "holds-session-storage", "holds-indexeddb"} {
		if said := b.text(id); said != "empty" {
			b.t.Errorf("the page says of #%s: %q", id, said)
		}
	}
}

// expectNoSecrets looks at everything that went to and from the browser.
func expectNoSecrets(t *testing.T, wire *recorder, d *demoProcess) {
	t.Helper()
	codes := 0
	for _, e := range wire.with(d.simulator) {
		// The code is meant to go through the browser. It shows that secrets
		// would be recognised.
		if secretShape.MatchString(e.header.Get("Location")) {
			codes++
		}
		if strings.Contains(e.received(), "access_token") {
			t.Errorf("the browser was sent a token at %s", e.url.Path)
		}
	}
	if codes == 0 {
		t.Error("no authorization code was recognised, so no token would be")
	}
	exchanges := wire.with(d.url)
	if len(exchanges) < 20 {
		t.Errorf("only %d exchanges with the demo were seen", len(exchanges))
	}
	for _, e := range exchanges {
		if found := secretShape.FindString(e.received()); found != "" {
			t.Errorf("%s %s: the answer holds %.12s…", e.method, e.url.Path, found)
		}
		if _, ok := e.sent["Authorization"]; ok {
			t.Errorf("%s %s: the page sent an Authorization header", e.method, e.url.Path)
		}
		if e.url.Path != "/spotify/callback" && secretShape.MatchString(e.url.RawQuery+e.sent.Get("Cookie")+e.sent.Get("Referer")) {
			t.Errorf("%s %s: the browser sent a secret", e.method, e.url.Path)
		}
	}
	if found := secretShape.FindString(d.printed()); found != "" {
		t.Errorf("the demo printed %.12s…", found)
	}
}

// TestDemoByKeyboard logs in and out without a mouse.
func TestDemoByKeyboard(t *testing.T) {
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")))
	b.tabTo("login")
	b.do("pressing Enter", chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.ID("agree")))
	b.tabTo("agree")
	b.do("pressing Enter", chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.ID("profile-name")))
	b.loaded()
	b.tabTo("play-pause")
	b.do("pressing Space", chromedp.KeyEvent(" "))
	b.waitFor("the track is paused", `document.getElementById("play-pause").getAttribute("aria-label") === "Play"`)
	b.tabTo("next-page")
	b.do("pressing Enter", chromedp.KeyEvent(kb.Enter))
	b.waitFor("the second page is there", `document.getElementById("page-number").textContent.startsWith("Page 2 of ")`)
	if id := read(b, "reading the focus", chromedp.Evaluate[string]("document.activeElement.id")); id != "next-page" {
		t.Errorf("the focus went to #%s", id)
	}
	b.tabTo("logout")
	b.do("pressing Enter", chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.ID("login")))
	b.waitFor("the focus is on what to do next", `document.activeElement.id === "login"`)
	d.interrupt()
}

// TestDemoListeners are the made-up people for whom not everything works.
func TestDemoListeners(t *testing.T) {
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	logIn := func(user, then string) {
		t.Helper()
		b.do("going to log in", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")),
			chromedp.Click(chromedp.ID("login-other")), chromedp.WaitVisible(chromedp.ID("agree")))
		b.do("agreeing as "+user, chromedp.Click(chromedp.CSS("label:has(#user-"+user+")")),
			chromedp.Click(chromedp.ID("agree")), chromedp.WaitVisible(chromedp.ID(then)))
	}
	logOut := func() {
		t.Helper()
		b.do("logging out", chromedp.Click(chromedp.ID("logout")), chromedp.WaitVisible(chromedp.ID("login")))
	}

	logIn("aiko", "profile-name") // has no Premium
	b.loaded()
	b.do("playing", chromedp.Click(chromedp.ID("player-start")), chromedp.WaitVisible(chromedp.ID("player-problem")))
	if said := b.text("player-problem"); !strings.Contains(strings.ToLower(said), "premium") {
		t.Errorf("playing without Premium says %q", said)
	}
	if b.count("#artists-list img") == 0 {
		t.Error("without Premium there are no artists either")
	}
	b.pictures("5-no-premium")
	logOut()

	logIn("sam", "profile-name") // has listened to nothing yet
	b.loaded()
	for _, id := range []string{"player-empty", "artists-empty", "playlists-empty"} {
		if !b.visible(id) {
			t.Errorf("an empty library does not show #%s", id)
		}
	}
	b.pictures("6-empty-library")
	logOut()

	logIn("olga", "again") // may not use the app
	b.pictures("7-not-allowlisted")
	if _, err := http.Get(d.url); err != nil {
		t.Error(err)
	}
}

// TestDemoAddress covers where the demo listens.
func TestDemoAddress(t *testing.T) {
	// Whether somebody else has the port or this test takes it is the same.
	if ln, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		defer ln.Close()
	}
	d := startDemo(t)
	d.expect(`127\.0\.0\.1:8080 is taken by another program`)
	if d.url == "http://127.0.0.1:8080" {
		t.Fatal("the demo claims a port that is taken")
	}
	for _, origin := range []string{d.url, strings.Replace(d.url, "127.0.0.1", "localhost", 1)} {
		resp, err := http.Get(origin)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("GET %s: status %d, policy %q", origin, resp.StatusCode, resp.Header.Get("Content-Security-Policy"))
		}
	}
	d.interrupt()
}
