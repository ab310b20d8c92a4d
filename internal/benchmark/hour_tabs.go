package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// hourTabs is how many tabs have the page open.
const hourTabs = 3

// demoCaddyfile is the site of `caddy spotify demo`, from its files.
const demoCaddyfile = `{
	admin off
	persist_config off
	storage_check off
	storage_clean_interval off
	log {
		level ERROR
	}
}

http://{addr} {
	spotify_proxy {
		client_id {id}
		redirect_uri http://{addr}/spotify/callback
		scopes user-read-playback-state user-modify-playback-state user-top-read playlist-read-private
		store memory
		authorize_url {authorize}
		token_url {token}
		api_url {api}
	}
	root {root}
	file_server
}
`

// watchTabs has the demo's page open in three tabs of a Chromium, all of them in sight.
func watchTabs(ctx context.Context, sc scenario, s settings) error {
	root, err := folder("internal", "demo", "site")
	if err != nil {
		return err
	}
	h, err := startHour(ctx, sc, s, func(sim *spotifytest.Running, addr string) (string, string, error) {
		return fill(demoCaddyfile, map[string]string{
			"addr": addr, "id": clientID, "authorize": sim.AuthorizeURL, "token": sim.TokenURL, "api": sim.APIURL, "root": root,
		}), clientID, nil
	})
	if err != nil {
		return err
	}
	defer h.stop()
	first, stop, err := startChromium(ctx)
	if err != nil {
		return err
	}
	defer stop()
	url := h.site.url()
	if err := inTab(first, time.Minute, chromedp.Navigate(url+"/spotify/login?return_to=/nothing"), chromedp.WaitVisible(chromedp.ID("agree")),
		chromedp.Click(chromedp.CSS("label:has(#user-"+hourUser+")")), chromedp.Click(chromedp.ID("agree")), chromedp.WaitReady(chromedp.CSS("body"))); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	if err := h.begin(); err != nil {
		return err
	}
	tabs := []context.Context{first}
	for len(tabs) < hourTabs {
		tab, cancel := chromedp.NewContext(first)
		defer cancel()
		// The first run opens the tab, which lives as long as its context.
		if err := chromedp.Do(tab, inSight); err != nil {
			return fmt.Errorf("opening tab %d: %w", len(tabs)+1, err)
		}
		tabs = append(tabs, tab)
	}
	for i, tab := range tabs {
		if err := inTab(tab, time.Minute, chromedp.Navigate(url+"/"), chromedp.WaitVisible(chromedp.ID("player-device"))); err != nil {
			return fmt.Errorf("opening tab %d: %w", i+1, err)
		}
		if _, err := chromedp.Run(tab, chromedp.Evaluate[bool](watchTrack)); err != nil {
			return fmt.Errorf("watching tab %d: %w", i+1, err)
		}
	}
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	fmt.Printf("  the page is loaded in %d tabs: %d requests for that\n", hourTabs, h.total())
	if !pause(ctx, s.watch()) {
		return ctx.Err()
	}
	var lags []time.Duration
	for i, tab := range tabs {
		seen, err := chromedp.Run(tab, chromedp.Evaluate[[]int64]("window.seenAt"))
		if err != nil {
			return fmt.Errorf("asking tab %d what it has seen: %w", i+1, err)
		}
		for _, at := range seen {
			if lag, ok := h.phone.saw(time.UnixMilli(at)); ok {
				lags = append(lags, lag)
			}
		}
	}
	return h.report(os.Stdout, hourTabs*s.watch(), fmt.Sprintf("%d tabs", hourTabs), lags, h.phone.unseen(h.began))
}

// total is how many requests there were since begin.
func (h *hour) total() (n int) {
	for operation, spent := range h.sim.Spent(h.clientID) {
		n += spent.Served - h.before[operation].Served
	}
	return n
}

// watchTrack notes in a page when it shows another track.
const watchTrack = `(() => {
	window.seenAt = [];
	new MutationObserver(() => seenAt.push(Date.now())).observe(document.getElementById("track-name"), { childList: true, characterData: true, subtree: true });
	return true;
})()`

// inSight has a page believe that it is seen. Of several tabs the browser shows one.
var inSight chromedp.Action[chromedp.Void] = func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
	_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return chromedp.Void{}, err
}

// startChromium returns the context of a Chromium's first tab.
func startChromium(ctx context.Context) (tab context.Context, stop func(), err error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if path == "" {
		return nil, nil, errors.New("no Chromium here: install chromium or google-chrome")
	}
	profile, err := os.MkdirTemp("", "caddy-spotify-benchmark-")
	if err != nil {
		return nil, nil, err
	}
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.NoSandbox, // so that it runs as root, in a container
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-GB"),
	)...)
	tab, closeTab := chromedp.NewContext(ctx)
	stop = func() {
		closeTab()
		endBrowser()
		_ = os.RemoveAll(profile)
	}
	// The first run starts the browser, which lives as long as its context.
	if err := chromedp.Do(tab, inSight); err != nil {
		stop()
		return nil, nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return tab, stop, nil
}

// inTab runs steps in a tab, in a time.
func inTab(tab context.Context, limit time.Duration, steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(tab, limit)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}
