// Package proxytest runs a real Caddy with this module in front of a simulated
// Spotify, and plays the browsers, programs and operators that use it. It is for
// tests that see the proxy from outside only.
//
// Caddy runs one config at a time in a process, so tests that use this package
// do not run in parallel. Other packages' tests are other processes, and do.
package proxytest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// ClientID is the client ID of the app in the configs of this package.
const ClientID = "0123456789abcdef0123456789abcdef"

// Proxy is a simulated Spotify and a Caddy with spotify_proxy in front of it. Its
// fields may be changed between two calls of Load.
type Proxy struct {
	T *testing.T
	// Sim is the simulated Spotify.
	Sim *spotifytest.Running
	// Origin is where the proxy serves, as http://127.0.0.1:port.
	Origin string
	// Bind is the Caddyfile directive that has Caddy serve there.
	Bind string
	// Storage is the directory of Caddy's storage.
	Storage string
	// Log is Caddy's log, in JSON.
	Log *LogBuffer
	// Auth, Site and Global are as in Options.
	Auth, Site, Global string

	level  string
	https  bool
	loaded bool
}

// Options are the options of Start. The zero value is a proxy with the required
// options alone.
type Options struct {
	// Sim configures the simulated Spotify.
	Sim spotifytest.Options
	// API, if any, stands in front of the simulator's Web API.
	API func(simulated http.Handler) http.Handler
	// Auth is put into the spotify_proxy block.
	Auth string
	// Site is put into the site block, beside spotify_proxy.
	Site string
	// Global is put into the global options.
	Global string
	// Level is the lowest level that is logged. Empty means DEBUG, which is
	// everything.
	Level string
	// HTTPS makes the public origin https://app.example.com, behind a proxy
	// that ends TLS.
	HTTPS bool
}

// Start runs Caddy with a spotify_proxy whose Spotify is simulated, until the test
// ends. If the test fails, Caddy's log is part of its output.
func Start(t *testing.T, o Options) *Proxy {
	t.Helper()
	p := &Proxy{
		T:       t,
		Storage: t.TempDir(),
		Log:     NewLogBuffer(),
		Auth:    o.Auth,
		Site:    o.Site,
		Global:  o.Global,
		level:   cmp.Or(o.Level, "DEBUG"),
		https:   o.HTTPS,
	}
	p.Listen()
	p.Sim = spotifytest.Start(t, o.Sim)
	if o.API != nil {
		server := httptest.NewServer(o.API(p.Sim.APIHandler()))
		t.Cleanup(server.Close)
		p.Sim.APIURL = server.URL
	}
	p.Load("")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		if t.Failed() {
			t.Logf("Caddy's log:\n%s", p.Log)
		}
	})
	return p
}

// Caddyfile returns the config that Load loads, with more global options.
func (p *Proxy) Caddyfile(extra string) string {
	site, public := p.Site, p.Origin
	if p.https {
		public = "https://app.example.com"
	}
	if site == "" {
		site = "respond /app* \"the app\"\nrespond / home"
	}
	address := p.Origin
	if p.https {
		// Requests come in under any name.
		_, port, _ := strings.Cut(strings.TrimPrefix(p.Origin, "http://"), ":")
		address = "http://:" + port
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
	log {
		output spotifytest_buffer %s
		format json
		level %s
	}
	%s
}
%s {
	%s
	log
	spotify_proxy {
		client_id     %s
		redirect_uri  %s/spotify/callback
		scopes        user-read-private user-top-read playlist-read-private user-read-playback-state user-modify-playback-state playlist-modify-private ugc-image-upload
		authorize_url %s
		token_url     %s
		api_url       %s
		%s
	}
	%s
}
`, p.Storage, p.Log.Name, p.level, p.Global+"\n"+extra, address, p.Bind, ClientID, public, p.Sim.AuthorizeURL, p.Sim.TokenURL, p.Sim.APIURL, p.Auth, site)
}
