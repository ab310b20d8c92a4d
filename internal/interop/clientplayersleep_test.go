package interop

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// ownTimers has the module's timers of 30 seconds and of a minute wait until the
// test fires them. away says whether the page is in sight, which a browser without a screen does not say
// in time, and hour moves the page's clock by one.
const ownTimers = `
	window.timers = new Map();
	const set = setTimeout, clear = clearTimeout;
	window.setTimeout = (f, ms, ...rest) => {
		if ((ms !== 3e4 && ms !== 6e4) || !new Error().stack.includes("/player.js")) return set(f, ms, ...rest);
		const id = -1 - timers.size - Math.random();
		timers.set(id, { f, ms });
		return id;
	};
	window.clearTimeout = (id) => timers.delete(id) || clear(id);
	window.due = (ms) => [...timers].filter(([, t]) => t.ms === ms);
	window.fire = (ms) => due(ms).forEach(([id, t]) => (timers.delete(id), t.f()));
	let hidden = false;
	Object.defineProperty(document, "hidden", { get: () => hidden });
	window.away = (yes) => void ((hidden = yes), document.dispatchEvent(new Event("visibilitychange")));
	window.hour = ((now) => () => void (Date.now = () => now() + 36e5))(Date.now);
	act.listen();`

// block has a page get nothing from addresses that match the patterns.
func block(patterns ...string) chromedp.Action[chromedp.Void] {
	params := network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{}}
	for _, pattern := range patterns {
		params.URLPatterns = append(params.URLPatterns, &network.BlockPattern{URLPattern: pattern, Block: true})
	}
	return step(func(ctx context.Context, p network.SetBlockedURLsParams) (cdp.Empty, error) {
		return chromedp.Call(ctx, network.SetBlockedURLs, p)
	}, params)
}

// TestClientModulePlayerOutOfSight has a page that nobody sees listen for 30 seconds, and
// a computer that slept for an hour with a page in sight.
//
// Q07
func TestClientModulePlayerOutOfSight(t *testing.T) {
	s, b := startPlayerSite(t)
	tab := playerTab{b.newTab()}
	tab.do("opening a page", seen(true), chromedp.Navigate(s.origin+"/"))
	tab.arrive("somebody is logged in", `document.getElementById("who")?.textContent === "Mira Okafor"`)
	tab.do("listening", chromedp.Evaluate[chromedp.Void](ownTimers))
	tab.last("the track plays", `s.status === "playing" && s.player.item.name`)
	hide := func() {
		t.Helper()
		tab.do("being out of sight", chromedp.Evaluate[chromedp.Void]("away(true)"))
		tab.waitFor("30 seconds begin", `due(3e4).length === 1`)
	}
	show := func() {
		t.Helper()
		tab.do("being seen", chromedp.Evaluate[chromedp.Void]("away(false)"))
		tab.waitFor("no time is running", `due(3e4).length === 0`)
	}
	hide()
	if got := tab.streams(); got != [2]int{1, 1} {
		t.Errorf("out of sight for a moment, streams that are open, and were opened: %v", got)
	}
	show()
	if got := tab.streams(); got != [2]int{1, 1} {
		t.Errorf("after a moment out of sight: %v", got)
	}
	hide()
	tab.do("30 seconds pass", chromedp.Evaluate[chromedp.Void]("fire(3e4)"))
	tab.waitFor("no stream is open", "streams.open === 0")
	heard := read(tab.browser, "counting states", chromedp.Evaluate[int]("states.length"))
	track := tab.text("player")
	s.sim.Phone("mira").Skip()
	show()
	tab.last("it has heard of another track", fmt.Sprintf("s.player?.item.name !== %q", track))
	if got := tab.streams(); got != [2]int{1, 2} {
		t.Errorf("seen again: %v", got)
	}
	if n := read(tab.browser, "counting states", chromedp.Evaluate[int]("states.length")); n != heard+1 {
		t.Errorf("%d states, want one more than %d", n, heard)
	}

	// The computer sleeps: no event of the page's says so. The clock has moved when it
	// wakes, the server has ended the connection, and the position stops at the item's end.
	tab.do("an hour passes", chromedp.Evaluate[chromedp.Void]("hour()"))
	if over := read(tab.browser, "reading the position", chromedp.Evaluate[float64](
		"((s) => s.position() - s.player.item.duration_ms)(states.at(-1))")); over != 0 {
		t.Errorf("after an hour the position is %v ms from the end", over)
	}
	track = tab.text("player")
	tab.do("nothing comes for a minute", chromedp.Evaluate[chromedp.Void]("fire(6e4)"))
	tab.waitFor("the stream was given up", "streams.open === 0")
	s.sim.Phone("mira").Skip()
	tab.last("it has heard of another track", fmt.Sprintf("s.player?.item.name !== %q && s.position() < s.player.item.duration_ms", track))
	tab.do("the network is back", chromedp.Evaluate[chromedp.Void](`dispatchEvent(new Event("online"))`))
	tab.waitFor("another stream is open", "streams.open === 1 && streams.opened === 4")
	if said := tab.complaints(); len(said) > 0 {
		t.Errorf("the page wrote to the console: %q", said)
	}
}

// TestClientModulePlayerIsLoadedLate has a page load the module that follows the player
// when it asks for that, and again when it could not be had.
func TestClientModulePlayerIsLoadedLate(t *testing.T) {
	s, b := startPlayerSite(t)
	tab := playerTab{b.newTab()}
	tab.do("opening a page", chromedp.Navigate(s.origin+"/"))
	tab.arrive("somebody is logged in", `document.getElementById("who")?.textContent === "Mira Okafor"`)
	if read(tab.browser, "looking for the module", chromedp.Evaluate[bool](
		`performance.getEntriesByType("resource").some((r) => r.name.endsWith("/spotify/player.js"))`)) {
		t.Error("a page that does not ask for the player has loaded what follows it")
	}
	tab.do("losing the way to the module", block("*://*:*/*player.js", "*://*:*/*player.js?*"))
	tab.do("listening", chromedp.Evaluate[chromedp.Void]("act.listen()"))
	tab.last("it is told", `s.status === "limited" && s.reason === "unreachable" && s.until > Date.now()`)
	tab.do("having it back", block())
	tab.last("the track plays", `s.status === "playing"`)

	// Whoever stops before the module is there hears nothing.
	late := playerTab{b.newTab()}
	late.do("opening a page", chromedp.Navigate(s.origin+"/"))
	late.arrive("somebody is logged in", `document.getElementById("who")?.textContent === "Mira Okafor"`)
	late.do("listening, but not for long", chromedp.Evaluate[chromedp.Void]("act.listen(); act.silence(); import('/spotify/player.js').then(() => setTimeout(() => (window.loaded = true)))"))
	late.waitFor("the module is there", "window.loaded")
	if got := late.streams(); got != [2]int{} {
		t.Errorf("streams: %v, want none", got)
	}
	if n := read(late.browser, "counting states", chromedp.Evaluate[int]("states.length")); n != 0 {
		t.Errorf("%d states", n)
	}
}
