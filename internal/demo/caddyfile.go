package demo

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	// The adapter, and the directives of the Caddyfile below.
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyfs"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// clientID is the demo's app, the only one that its Spotify knows.
const clientID = "5b07d37a0e2f4c6d9a81c3e45f7b2d90"

var scopes = []string{
	"user-read-playback-state",
	"user-modify-playback-state",
	"user-top-read",
	"playlist-read-private",
}

//go:embed Caddyfile.tmpl
var caddyfileText string

var caddyfileTemplate = template.Must(template.New("Caddyfile").Parse(caddyfileText))

// writeCaddyfile returns the Caddyfile of a demo at addr that uses the simulator sim.
func writeCaddyfile(addr netip.AddrPort, sim *spotifytest.Running, debug bool) (string, error) {
	// A visitor who types localhost is served too, and is moved to the literal
	// address when logging in.
	sites := fmt.Sprintf("http://%s, http://localhost:%d", addr, addr.Port())
	var text strings.Builder
	err := caddyfileTemplate.Execute(&text, map[string]any{
		"Bind":         addr.Addr(),
		"Sites":        sites,
		"URL":          "http://" + addr.String(),
		"ClientID":     clientID,
		"Scopes":       strings.Join(scopes, " "),
		"AuthorizeURL": sim.AuthorizeURL,
		"TokenURL":     sim.TokenURL,
		"APIURL":       sim.APIURL,
		"Pictures":     sim.URL,
		"Debug":        debug,
	})
	if err != nil {
		return "", fmt.Errorf("writing the demo's Caddyfile: %w", err)
	}
	return text.String(), nil
}

// adapt turns a Caddyfile into Caddy's JSON.
func adapt(text string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, fmt.Errorf("adapting the demo's Caddyfile: %w", err)
	}
	return config, nil
}
