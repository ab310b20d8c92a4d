package interop

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// inView is a JavaScript expression: all of an element is in the window.
func inView(id string) string {
	return fmt.Sprintf(`(() => { const r = document.getElementById(%q).getBoundingClientRect();
		return r.height > 0 && r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth })()`, id)
}

// TestDemoConsentFits shows the buttons of the consent page without scrolling, on
// a desktop, in a pop-up and on phones.
func TestDemoConsentFits(t *testing.T) {
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	for _, size := range [][2]int64{{1280, 800}, {480, 760}, {390, 844}, {320, 568}} {
		b.do("opening the consent page", b.size(size[0], size[1], "light"),
			chromedp.Navigate(d.url+"/spotify/login"), chromedp.WaitVisible(chromedp.ID("agree")))
		b.picture(fmt.Sprintf("consent-%dx%d", size[0], size[1]))
		for _, id := range []string{"agree", "cancel"} {
			if !read(b, "looking for "+id, chromedp.Evaluate[bool](inView(id))) {
				t.Errorf("%v: #%s is not in view", size, id)
			}
		}
	}
}

// TestDemoTabs has a tab follow what another does, and one whose session has ended
// say so where the person looks.
func TestDemoTabs(t *testing.T) {
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")))
	other := b.newTab()
	logIn := func(tab *browser, user string) {
		t.Helper()
		tab.do("logging in", chromedp.Navigate(d.url+"/spotify/login?show_dialog=true&return_to=/"), chromedp.WaitVisible(chromedp.ID("agree")))
		tab.logIn(user)
		tab.arrive("logged in", `document.body?.dataset.state === "in"`)
	}
	logIn(other, "mira")
	b.waitFor("the first tab shows the account", `document.getElementById("profile-name").textContent === "Mira Okafor"`)
	logIn(other, "jonas")
	b.waitFor("it shows the other account", `document.getElementById("profile-name").textContent === "Jonas Ångström"`)
	b.do("logging out", chromedp.Click(chromedp.ID("logout")))
	other.waitFor("the other tab shows that nobody is logged in", `document.body.dataset.state === "out"`)
	logIn(other, "mira")
	b.waitFor("the first tab shows the account", `document.body.dataset.state === "in"`)
	b.loaded()

	// A playlist opens and shows its tracks; names of whatever script stay apart.
	b.do("opening a playlist", chromedp.Click(chromedp.CSS("#playlists li:first-child summary")))
	b.waitFor("its tracks are there", `document.querySelectorAll("#playlists .tracks li bdi").length > 0`)
	if n := read(b, "counting", chromedp.Evaluate[int](`[...document.querySelectorAll("#playlists summary")].filter((s) => s.querySelectorAll("b bdi, small bdi").length === 2).length`)); n == 0 {
		t.Error("names and owners are not isolated")
	}
	b.picture("demo-playlist-open")
	if cut := read(b, "looking for names that are cut", chromedp.Evaluate[string](`[...document.querySelectorAll(".artist b, .playlist b, .playlist small")]
		.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent).join(", ")`)); cut != "" {
		t.Errorf("cut: %s", cut)
	}

	b.do("losing the session at the end of the page", func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return chromedp.Void{}, err
	}, chromedp.Evaluate[chromedp.Void](`document.getElementById("next-page").scrollIntoView(); document.getElementById("next-page").click()`))
	b.waitFor("the message is in view, and has the focus", inView("notice")+` && document.activeElement.id === "notice-login"`)
	b.picture("demo-session-over")
}
