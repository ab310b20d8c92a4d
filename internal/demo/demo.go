// Package demo is the demonstration behind `caddy spotify demo`: a simulated
// Spotify, Caddy with spotify_proxy in front of it, and a page that calls the
// Web API through it, all in one process that leaves nothing behind.
//
// Importing the package adds the command. The plugin does not import it, so
// that a server carries neither the demo nor the simulator; cmd/caddy does.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// DefaultTokenLife is short enough for a visitor to see refreshes happen.
const DefaultTokenLife = 2 * time.Minute

// Options configures a demo. The zero value is usable, apart from Out.
type Options struct {
	// Listen is a port, or a loopback address with a port; port 0 is any free
	// one. Empty means DefaultListen, or a free port if that one is taken.
	Listen string
	// TokenLife is the life of access tokens; 0 means DefaultTokenLife.
	TokenLife time.Duration
	// Debug makes Caddy log everything it does.
	Debug bool
	// Site is a folder with a Caddyfile to run in place of the demo's own page;
	// see [Simulate]. Empty means the demo's own. Paths in the Caddyfile start
	// from the folder, which Run makes the process's working directory.
	Site string
	// JSON makes Run say where the demo is as a line of JSON, for scripts.
	JSON bool
	// Out gets what there is to tell the person who started the demo. Required.
	Out io.Writer
}

// Run runs the demo in this process, as the process's only Caddy, until ctx is
// done. Then it stops everything it started and returns nil.
func Run(ctx context.Context, o Options) error {
	s, err := prepare(o)
	if err != nil {
		return err
	}
	defer s.sim.Close()
	// What is kept, such as counts of requests, is not for later.
	dir, err := os.MkdirTemp("", "caddy-spotify-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for Caddy's storage: %w", err)
	}
	defer os.RemoveAll(dir)
	caddy.DefaultStorage.Path = dir
	if o.Site != "" {
		if err := os.Chdir(o.Site); err != nil {
			return fmt.Errorf("entering the site's folder: %w", err)
		}
	}
	config, err := adapt(s.caddyfile)
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting the demo: %w", err)
	}
	if err := s.greet(o); err != nil {
		return errors.Join(err, caddy.Stop())
	}
	<-ctx.Done()
	if !o.JSON {
		fmt.Fprintln(o.Out, "\nStopping.")
	}
	if err := caddy.Stop(); err != nil {
		return fmt.Errorf("stopping the demo: %w", err)
	}
	return nil
}

// PrintConfig writes the Caddyfile with which Run would run. The simulator's
// address in it is another one each time.
func PrintConfig(o Options) error {
	s, err := prepare(o)
	if err != nil {
		return err
	}
	s.sim.Close()
	_, err = io.WriteString(o.Out, s.caddyfile)
	return err
}

// setup is a demo whose Spotify runs already.
type setup struct {
	sim       *spotifytest.Running
	url       string // of the page
	listen    string // of Caddy, if the page is elsewhere
	caddyfile string
	tokenLife time.Duration
	moved     bool // to another port, since the usual one is taken
}

func prepare(o Options) (*setup, error) {
	s := &setup{tokenLife: o.TokenLife}
	if s.tokenLife == 0 {
		s.tokenLife = DefaultTokenLife
	}
	if s.tokenLife < time.Second {
		return nil, fmt.Errorf("token-life %s is too short: use a second or more", s.tokenLife)
	}
	listen := o.Listen
	if listen == "" {
		listen = DefaultListen
	}
	asked, err := parseListen(listen)
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress(asked, o.Listen != "")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + addr.String()
	s.moved = o.Listen == "" && addr != asked
	s.sim, err = spotifytest.New(spotifytest.Options{
		ClientIDs:    []string{clientID},
		RedirectURIs: []string{s.url + "/spotify/callback"},
		TokenLife:    s.tokenLife,
		// The strictest manner: whoever refreshes twice with one token is out.
		Rotation: spotifytest.RotateRevoke,
	}).Listen("")
	if err != nil {
		return nil, err
	}
	if o.Site == "" {
		s.caddyfile, err = writeCaddyfile(addr, s.sim, o.Debug)
	} else {
		err = s.readSite(o, addr)
	}
	if err != nil {
		s.sim.Close()
		return nil, err
	}
	return s, nil
}

// readSite takes the Caddyfile of the site's folder instead of the demo's own.
func (s *setup) readSite(o Options, addr netip.AddrPort) error {
	text, err := os.ReadFile(filepath.Join(o.Site, "Caddyfile"))
	if err != nil {
		return fmt.Errorf("site %q: %w", o.Site, err)
	}
	site, err := simulate(string(text), addr, s.sim, o.Debug)
	if err != nil {
		return fmt.Errorf("site %q: %w", o.Site, err)
	}
	s.sim.Register(site.redirects...)
	s.caddyfile = site.caddyfile
	if page := site.page(); page != s.url {
		s.url, s.listen = page, s.url
	}
	return nil
}

func (s *setup) greet(o Options) error {
	if o.JSON {
		return json.NewEncoder(o.Out).Encode(struct {
			URL       string  `json:"url"`
			Spotify   string  `json:"spotify_url"`
			TokenLife float64 `json:"token_life_seconds"`
		}{s.url, s.sim.URL, s.tokenLife.Seconds()})
	}
	if s.moved {
		fmt.Fprintf(o.Out, "%s is taken by another program, so this is on another port.\n", DefaultListen)
	}
	hint := ", and look at what the page\nshows of the traffic"
	if o.Site != "" {
		hint = " and look around"
	}
	if s.listen != "" {
		fmt.Fprintf(o.Out, "Caddy listens at %s, for the page's own server.\n", s.listen)
	}
	_, err := fmt.Fprintf(o.Out, `
  %s

Open it in a browser, log in as one of the people%s.
Mira and Jonas have Premium, Aiko has not, Sam's library is empty, and Olga is
not on the app's allowlist.

Spotify is simulated at %s. Access tokens live %s,
and each refresh is logged here. Nothing is kept. Ctrl-C ends it.

`, s.url, hint, s.sim.URL, s.tokenLife)
	return err
}
