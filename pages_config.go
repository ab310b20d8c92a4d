package caddyspotify

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
)

// PagesConfig makes the pages that the proxy has of its own, such as those of failed logins
// and access keys, those of the site. Each option may be a placeholder.
type PagesConfig struct {
	// The site's name, of at most 60 characters, above each heading and in each title.
	Name string `json:"name,omitempty"`
	// The logo: a path on this site that needs no login, such as `/logo.svg`, or an https
	// URL. The pages' Content-Security-Policy allows this picture and no other.
	Logo string `json:"logo,omitempty"`
	// The colour of buttons, such as `#0b7d3e`; in a Caddyfile in quotes or without the `#`.
	// Text on it is white or black, whichever can be read.
	Accent string `json:"accent,omitempty"`
}

func (c *PagesConfig) brand(site browser.Redirect) (*page.Brand, error) {
	if c == nil {
		return nil, nil
	}
	repl := caddy.NewReplacer()
	return page.NewBrand(repl.ReplaceAll(c.Name, ""), repl.ReplaceAll(c.Logo, ""), repl.ReplaceAll(c.Accent, ""), site.Origin, site.Prefix)
}

func (h *Handler) unmarshalPages(d *caddyfile.Dispenser) error {
	c := new(PagesConfig)
	h.Pages = c
	return block(d, "pages", setters{
		"name":   func() error { return oneArg(d, "pages name", &c.Name) },
		"logo":   func() error { return oneArg(d, "pages logo", &c.Logo) },
		"accent": func() error { return oneArg(d, "pages accent", &c.Accent) },
	})
}
