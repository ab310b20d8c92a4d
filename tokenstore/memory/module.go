package memory

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func init() {
	caddy.RegisterModule(Provider{})
}

// Provider is the guest module http.handlers.spotify_auth.stores.memory. Sessions
// survive a reload of the configuration, unless it changes this store, and end
// with the process.
type Provider struct {
	// MaxSessions is how many sessions are kept at most. A login beyond it ends
	// the session that would expire soonest. The default is 100000.
	MaxSessions int `json:"max_sessions,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth.stores.memory",
		New: func() caddy.Module { return new(Provider) },
	}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens:
//
//	store memory [<max_sessions>] {
//		max_sessions <number>
//	}
//
// The number may be given in one of the two places.
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the store
	args := d.RemainingArgs()
	if len(args) > 0 {
		if err := p.setMax(d, args); err != nil {
			return err
		}
	}
	for d.NextBlock(0) {
		if d.Val() != "max_sessions" {
			return d.Errf("store memory: unknown option %q; the only one is max_sessions", d.Val())
		}
		if p.MaxSessions != 0 {
			return d.Errf("store memory: max_sessions is given twice; keep one of them")
		}
		if err := p.setMax(d, d.RemainingArgs()); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) setMax(d *caddyfile.Dispenser, args []string) error {
	if len(args) == 1 {
		if n, err := strconv.Atoi(args[0]); err == nil && n > 0 {
			p.MaxSessions = n
			return nil
		}
	}
	return d.Errf("store memory: max_sessions takes one whole number from 1 up, such as %d; got %q", DefaultMaxSessions, args)
}

// Validate implements caddy.Validator.
func (p *Provider) Validate() error {
	if p.MaxSessions < 0 {
		return fmt.Errorf("store memory: max_sessions is %d; give a whole number from 1 up, or leave it out for %d", p.MaxSessions, DefaultMaxSessions)
	}
	return nil
}

// Store implements tokenstore.Provider.
func (p *Provider) Store() (tokenstore.Store, error) {
	return New(Config{MaxSessions: p.MaxSessions}), nil
}

// UsageKey implements tokenstore.Provider.
func (p *Provider) UsageKey() string {
	limit := p.MaxSessions
	if limit == 0 {
		limit = DefaultMaxSessions
	}
	return "memory " + strconv.Itoa(limit)
}

// Interface guards
var (
	_ caddy.Validator       = (*Provider)(nil)
	_ caddyfile.Unmarshaler = (*Provider)(nil)
	_ tokenstore.Provider   = (*Provider)(nil)
)
