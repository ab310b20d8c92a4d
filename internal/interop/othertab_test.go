package interop

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLoginInAnotherTab has one tab log in again while another, in which a person
// has typed something, goes on asking the Web API: it stays, and so does the text.
//
// L19
func TestLoginInAnotherTab(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(s.origin+"/?at-once"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("result", "mira")
	b.do("typing, and polling", chromedp.Evaluate[chromedp.Void](`
		document.body.append(Object.assign(document.createElement("textarea"), { id: "typed", value: "half a sentence" }));
		window.statuses = [];
		window.polling = true;
		(async () => {
			while (polling) statuses.push((await fetch("/spotify/v1/me")).status, await act.profile());
		})();`))

	other := b.newTab()
	for _, user := range []string{"jonas", "mira", "jonas"} {
		other.do("logging in again", chromedp.Navigate(s.origin+"/spotify/login?show_dialog=true&return_to=/"), chromedp.WaitVisible(chromedp.ID("agree")))
		other.logIn(user)
		other.arrive("logged in as "+user, `location.pathname === "/" && document.getElementById("who")?.textContent !== "?"`)
		b.waitFor("the first tab has seen it", `statuses.at(-1) === "`+user+`"`)
	}
	if got := read(b, "reading the statuses", chromedp.Evaluate[int](`statuses.filter((s) => s === 401 || s === "401").length`)); got > 0 {
		t.Errorf("the tab got %d responses with 401", got)
	}
	if got := read(b, "reading what was typed", chromedp.Evaluate[string](`document.getElementById("typed")?.value ?? "gone"`)); got != "half a sentence" {
		t.Errorf("the text is %s", got)
	}
	b.do("stopping", chromedp.Evaluate[chromedp.Void]("polling = false"))
}

// TestStaleCookieInAnotherTab has a request come with a cookie that leads nowhere,
// although the browser is logged in by then: the page asks before it leaves.
//
// L19
func TestStaleCookieInAnotherTab(t *testing.T) {
	s := startClientSite(t)
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(s.origin+"/?at-once"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("result", "mira")
	logins := s.sim.TokenRequests("authorization_code")
	// A response of before the login, as a slow network delivers it.
	b.do("having the first response be one of before", chromedp.Evaluate[chromedp.Void](`
		const real = window.fetch;
		let first = true;
		window.fetch = (input, init) => {
			if (!String(input.url ?? input).endsWith("/v1/me") || !first) return real(input, init);
			first = false;
			return Promise.resolve(new Response("{}", { status: 401, headers: { "Spotify-Proxy-Reason": "login_required" } }));
		};`))
	b.do("asking for the profile", chromedp.Evaluate[chromedp.Void](`document.getElementById("result").textContent = ""; document.getElementById("profile").click()`))
	b.waitText("result", "mira")
	if n := s.sim.TokenRequests("authorization_code") - logins; n != 0 {
		t.Errorf("%d logins, want none", n)
	}
	// A 401 that stays although there is a session is the page's to handle: a login
	// would not help, and the page would leave for ever.
	b.do("having all responses be 401", chromedp.Evaluate[chromedp.Void](`
		window.fetch = (input, init) => String(input.url ?? input).endsWith("/v1/me")
			? Promise.resolve(new Response("{}", { status: 401, headers: { "Spotify-Proxy-Reason": "reauthorization_required" } }))
			: real(input, init);
		document.getElementById("result").textContent = "";
		document.getElementById("profile").click();`))
	b.waitText("result", "401")
}
