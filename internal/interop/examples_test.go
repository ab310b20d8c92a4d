package interop

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// example returns the folder of an example.
func example(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// startExample starts an example with the command that its README gives.
func startExample(t *testing.T, name string) *demoProcess {
	t.Helper()
	return startDemo(t, "--site", example(t, name), "--listen", "0")
}

// TestExamplePlain is the plain page, by keyboard.
func TestExamplePlain(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startExample(t, "plain")
	b.do("opening the page", chromedp.Navigate(d.url))
	b.waitText("status", "Not logged in.")
	a.inspect(b, "plain-logged-out")

	b.press("button")
	b.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
	b.press("agree")
	b.waitText("status", "Logged in as Mira Okafor")
	b.waitFor("the artists are there", `document.querySelectorAll("#artists li").length === 10`)
	a.inspect(b, "plain-logged-in")

	b.press("button")
	b.waitText("status", "Not logged in.")
	if n := b.count("#artists li"); n != 0 {
		t.Errorf("%d artists are still shown", n)
	}
	b.expectQuiet()
	d.interrupt()
}

// TestExampleWebPlayback is the page that plays, with the simulator's stand-in
// for Spotify's script.
func TestExampleWebPlayback(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startExample(t, "web-playback")
	b.do("opening the page", chromedp.Navigate(d.url))
	b.waitText("start", "Log in with Spotify")
	a.inspect(b, "web-playback-logged-out")
	b.press("start")
	b.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("jonas")
	b.arrive("the visitor is back", `document.getElementById("start")?.textContent === "Start playing"`)
	b.waitFor("what plays elsewhere is there", `/^On .+: .+/.test(document.getElementById("elsewhere").textContent)`)

	b.press("start")
	b.waitText("status", "Playing in this page")
	b.waitText("elsewhere", "")
	b.waitFor("the track is there", `document.getElementById("track").textContent !== "" && document.getElementById("cover").naturalWidth > 0`)
	b.waitFor("the focus is on what to do next", `document.activeElement.id === "toggle"`)
	a.inspect(b, "web-playback-playing")
	b.do("pausing", chromedp.KeyEvent("\r"))
	b.waitText("status", "Paused")
	b.waitText("toggle", "Play")
	track := b.text("track")
	b.press("next")
	b.waitFor("another track plays", `document.getElementById("track").textContent !== `+strconv.Quote(track))
	d.expect(`token exposed`)
	b.expectQuiet()
	d.interrupt()
}

// TestExampleWebPlaybackWithoutPremium is for those for whom Spotify does not play.
func TestExampleWebPlaybackWithoutPremium(t *testing.T) {
	b := startBrowser(t)
	d := startExample(t, "web-playback")
	b.do("opening the page", chromedp.Navigate(d.url))
	b.waitText("start", "Log in with Spotify")
	b.do("logging in", chromedp.Click(chromedp.ID("start")), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("aiko")
	b.arrive("the visitor is back", `document.getElementById("start")?.textContent === "Start playing"`)
	b.do("playing", chromedp.Click(chromedp.ID("start")))
	b.waitText("status", "This functionality is restricted to premium users only")
}

// expectQuiet fails the test for what the pages complained of.
func (b *browser) expectQuiet() {
	b.t.Helper()
	if said := slices.DeleteFunc(b.complaints(), func(s string) bool { return s == "" }); len(said) > 0 {
		b.t.Errorf("the page wrote to the console: %q", said)
	}
}

// TestGettingStarted builds the site of docs/getting-started.md as it is written
// there, and does what a reader does.
func TestGettingStarted(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "getting-started.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "site"), 0o700); err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"html": filepath.Join("site", "index.html"), "caddyfile": "Caddyfile"} {
		_, rest, _ := strings.Cut(string(doc), "```"+language+"\n")
		block, _, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("the guide has no %s", file)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := startBrowser(t)
	d := startDemo(t, "--site", dir, "--listen", "0")
	resp, err := http.Get(strings.Replace(d.url, "127.0.0.1", "localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(page), "My top artists") {
		t.Errorf("at localhost: status %d, %q, %v", resp.StatusCode, page, err)
	}
	// With a change of mind.
	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("cancel")))
	b.do("cancelling", chromedp.Click(chromedp.ID("cancel")), chromedp.WaitVisible(chromedp.ID("again")))
	b.do("going to the page", chromedp.Navigate(d.url+"/"))
	b.arrive("the login is offered, and no logout", `document.getElementById("login")?.checkVisibility() && !document.getElementById("logout").checkVisibility()`)
	b.do("logging in after all", chromedp.Click(chromedp.ID("login")), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("status", "These are Mira Okafor's.")
	b.waitFor("the artists are there", `document.querySelectorAll("#artists li").length === 10`)
	b.do("logging out", chromedp.Click(chromedp.ID("logout")))
	b.waitFor("the page says so", `document.body.textContent.startsWith("You are logged out.")`)
}
