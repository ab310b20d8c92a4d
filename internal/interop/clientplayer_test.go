package interop

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// step is a command of the DevTools protocol that responds with nothing.
func step[P any](command func(context.Context, P) (cdp.Empty, error), params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := command(ctx, params)
		return chromedp.Void{}, err
	}
}

// seen makes a page believe that it is seen, or not. Of several tabs the browser shows
// one, and a page that is not seen stops listening after a while.
func seen(yes bool) chromedp.Action[chromedp.Void] {
	return step(func(ctx context.Context, p emulation.SetFocusEmulationEnabledParams) (cdp.Empty, error) {
		return chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, p)
	}, emulation.SetFocusEmulationEnabledParams{Enabled: yes})
}

var (
	toFront = step(func(ctx context.Context, p cdp.Empty) (cdp.Empty, error) {
		return chromedp.Call(ctx, page.BringToFront, p)
	}, cdp.Empty{})
	closing = step(func(ctx context.Context, p cdp.Empty) (cdp.Empty, error) { return chromedp.Call(ctx, page.Close, p) }, cdp.Empty{})
)

func lifecycle(state page.SetWebLifecycleStateState) chromedp.Action[chromedp.Void] {
	return step(func(ctx context.Context, p page.SetWebLifecycleStateParams) (cdp.Empty, error) {
		return chromedp.Call(ctx, page.SetWebLifecycleState, p)
	}, page.SetWebLifecycleStateParams{State: state})
}

// playerTab is a tab whose page shows what the account plays.
type playerTab struct{ *browser }

func (s *clientSite) openPlayer(b *browser) playerTab {
	s.t.Helper()
	tab := playerTab{b.newTab()}
	tab.do("opening a page with the player", seen(true), chromedp.Navigate(s.origin+"/?player"))
	return tab
}

// last waits until the newest state that the page has heard makes an expression true.
func (p playerTab) last(what, expression string) {
	p.t.Helper()
	p.waitFor(what, `((s) => Boolean(s && `+expression+`))(window.states?.at(-1))`)
}

// streams returns how many streams the page has open, and how many it opened in all.
func (p playerTab) streams() [2]int {
	p.t.Helper()
	return read(p.browser, "counting streams", chromedp.Evaluate[[2]int]("[streams.open, streams.opened]"))
}

// command sends a command for the player through the proxy.
func (p playerTab) command(method, path string) {
	p.t.Helper()
	if status := read(p.browser, "sending a command", chromedp.Evaluate[int](
		fmt.Sprintf(`act.spotify.fetch("/v1/me/player/%s", { method: %q }).then((a) => a.status)`, path, method), chromedp.EvalAwaitPromise)); status != http.StatusNoContent {
		p.t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// startPlayerSite starts a site and a browser in which mira is logged in.
func startPlayerSite(t *testing.T) (*clientSite, *browser) {
	t.Helper()
	s := startClientSite(t)
	b := startBrowser(t)
	b.do("logging in", chromedp.Navigate(s.origin+"/spotify/login?return_to=/"), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.arrive("somebody is logged in", `document.getElementById("who")?.textContent === "Mira Okafor"`)
	return s, b
}

// TestClientModulePlayer has the tabs of a browser share one stream, whichever of them
// closes or sleeps, until somebody logs out, and again after a login.
//
// Q07
func TestClientModulePlayer(t *testing.T) {
	s, b := startPlayerSite(t)
	one := s.openPlayer(b)
	one.last("the track plays", `s.status === "playing" && s.player.item.name`)
	two := s.openPlayer(b)
	two.last("the track plays here, too", `s.status === "playing" && s.player.item.name`)
	if a, b := one.streams(), two.streams(); a != [2]int{1, 1} || b != [2]int{} {
		t.Errorf("streams that are open, and were opened: %v and %v, want one for both tabs", a, b)
	}

	// The position is counted in the page, from what the server said.
	for _, tab := range []playerTab{one, two} {
		at := read(tab.browser, "reading the position", chromedp.Evaluate[float64]("states.at(-1).position()"))
		tab.waitFor("it moves on", fmt.Sprintf("states.at(-1).position() > %f", at))
		if n := read(tab.browser, "counting states", chromedp.Evaluate[int]("states.length")); n != 1 {
			t.Errorf("%d states while nothing changed", n)
		}
	}
	two.command(http.MethodPut, "pause")
	for _, tab := range []playerTab{one, two} {
		tab.last("it is paused", `s.status === "paused"`)
		if moved := read(tab.browser, "reading the position twice", chromedp.Evaluate[float64](
			`((from) => new Promise((done) => setTimeout(() => done(states.at(-1).position() - from), 20)))(states.at(-1).position())`,
			chromedp.EvalAwaitPromise)); moved != 0 {
			t.Errorf("a player that is paused moves on by %v ms", moved)
		}
	}

	// The tab that has the stream closes: another takes over, and has the state that a
	// new tab gets from it.
	one.do("closing the tab", closing)
	two.waitFor("the other tab has taken over", "streams.open === 1")
	three := s.openPlayer(b)
	three.last("a new tab hears at once that it is paused", `s.status === "paused" && s.player.item.name`)
	three.command(http.MethodPut, "play")
	for _, tab := range []playerTab{two, three} {
		tab.last("it plays again", `s.status === "playing"`)
	}

	// It sleeps, and wakes.
	two.do("being out of sight", seen(false))
	three.do("being in front", toFront)
	two.do("sleeping", lifecycle(page.SetWebLifecycleStateStateFrozen))
	three.waitFor("the other tab has taken over", "streams.open === 1")
	track := three.text("player")
	three.command(http.MethodPost, "next")
	three.last("another track plays", fmt.Sprintf("s.player?.item.name !== %q", track))
	two.do("waking", lifecycle(page.SetWebLifecycleStateStateActive), seen(true), toFront)
	two.last("the tab that slept has heard of it", fmt.Sprintf("s.player?.item.name !== %q", track))
	if a, b := two.streams(), three.streams(); a != [2]int{0, 1} || b != [2]int{1, 1} {
		t.Errorf("after sleeping, streams that are open, and were opened: %v and %v", a, b)
	}

	// Nothing is heard after a logout, and all tabs say so.
	three.do("logging out", chromedp.Click(chromedp.ID("logout")))
	for _, tab := range []playerTab{two, three} {
		tab.last("nobody is logged in", `s.status === "login_required" && s.login_url === "/spotify/login" && streams.open === 0`)
	}
	// The user has agreed before, so the window closes by itself.
	two.do("logging in again", chromedp.Click(chromedp.ID("popup")))
	for _, tab := range []playerTab{two, three} {
		tab.last("it plays", `s.status === "playing"`)
	}
	if a, b := two.streams(), three.streams(); a[0]+b[0] != 1 {
		t.Errorf("after a login %d and %d streams are open", a[0], b[0])
	}

	s.sim.Phone("mira").Quit()
	for _, tab := range []playerTab{two, three} {
		tab.last("the device is gone", `s.status === "idle" && !s.player && !s.position`)
	}
	two.do("listening no longer", chromedp.Evaluate[chromedp.Void]("act.silence()"))
	three.do("listening no longer", chromedp.Evaluate[chromedp.Void]("act.silence()"))
	three.waitFor("no stream is open", "streams.open === 0")
	two.waitFor("no stream is open", "streams.open === 0")
	if said := two.complaints(); len(said) > 0 {
		t.Errorf("the page wrote to the console: %q", said)
	}
}

// TestClientModulePlayerAlone has a page without locks, or one that was refused, and a
// server that goes and comes back.
//
// Q07
func TestClientModulePlayerAlone(t *testing.T) {
	s, b := startPlayerSite(t)
	without := `
		Object.defineProperty(navigator, "locks", { value: undefined });
		act.listen();`
	var tabs []playerTab
	for range 2 {
		tab := playerTab{b.newTab()}
		tab.do("opening a page", chromedp.Navigate(s.origin+"/"))
		tab.arrive("somebody is logged in", `document.getElementById("who")?.textContent === "Mira Okafor"`)
		tab.do("listening without locks", chromedp.Evaluate[chromedp.Void](without))
		tab.last("the track plays", `s.status === "playing"`)
		if got := tab.streams(); got != [2]int{1, 1} {
			t.Errorf("streams: %v, want one of its own", got)
		}
		tabs = append(tabs, tab)
	}
	tab := tabs[0]
	tab.do("losing the connection", chromedp.Evaluate[chromedp.Void](`
		window.broken = 503;
		dispatchEvent(new Event("online"));`))
	tab.last("it is told", `s.status === "limited" && s.reason === "store_unavailable" && s.until > Date.now()`)
	tab.do("being refused", chromedp.Evaluate[chromedp.Void](`
		window.broken = 403;
		dispatchEvent(new Event("online"));`))
	tab.last("it is told", `s.status === "refused" && s.reason === "insufficient_scope" && s.login_url === "/spotify/login?scope=x"`)
	tab.do("going on", chromedp.Evaluate[chromedp.Void](`
		window.broken = 0;
		dispatchEvent(new Event("online"));`))
	tab.last("the track plays", `s.status === "playing" && states.length === 4`)
}
