package caddystorage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func init() {
	caddy.RegisterModule(Provider{})
}

// Provider is the guest module http.handlers.spotify_auth.stores.caddy: sessions
// live in the storage that Caddy's global option storage names, beside the
// certificates. Instances of Caddy that share it share the sessions.
type Provider struct {
	// Prefix is the folder of the sessions within the storage. The default is
	// "spotify/sessions". Placeholders are replaced when the configuration is
	// loaded.
	Prefix string `json:"prefix,omitempty"`

	use      *use
	backend  *backend
	usageKey string
}

// CaddyModule returns the Caddy module information.
func (Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth.stores.caddy",
		New: func() caddy.Module { return new(Provider) },
	}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens:
//
//	store caddy {
//		prefix <folder>
//	}
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the store
	if d.NextArg() {
		return d.Errf("store caddy: unexpected %q; write a block with prefix, or nothing", d.Val())
	}
	for d.NextBlock(0) {
		if d.Val() != "prefix" {
			return d.Errf("store caddy: unknown option %q; the only one is prefix. The storage itself is configured by Caddy's global option storage", d.Val())
		}
		if p.Prefix != "" {
			return d.Errf("store caddy: prefix is given twice; keep one of them")
		}
		args := d.RemainingArgs()
		if len(args) != 1 || args[0] == "" {
			return d.Errf("store caddy: prefix takes exactly one folder, such as %s; got %q", DefaultPrefix, args)
		}
		p.Prefix = args[0]
	}
	return nil
}

// backends are those in use in this process, by usage key.
var backends = caddy.NewUsagePool()

// Provision implements caddy.Provisioner. It does not touch the storage.
func (p *Provider) Provision(ctx caddy.Context) error {
	prefix, err := caddy.NewReplacer().ReplaceOrErr(p.Prefix, true, true)
	if err != nil {
		return fmt.Errorf("store caddy: prefix %q: %w", p.Prefix, err)
	}
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if err := checkPrefix(prefix); err != nil {
		return fmt.Errorf("store caddy: %w", err)
	}
	p.usageKey = "caddy " + prefix + " " + identify(ctx.Storage())
	shared, _ := backends.LoadOrStore(p.usageKey, newBackend(prefix, time.Now))
	p.backend = shared.(*backend)
	p.use = &use{storage: ctx.Storage(), logger: ctx.Logger()}
	p.backend.add(p.use)
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (p *Provider) Cleanup() error {
	if p.use == nil {
		return nil
	}
	p.backend.remove(p.use)
	p.use = nil
	_, err := backends.Delete(p.usageKey)
	return err
}

// Store implements tokenstore.Provider. It returns a *Store, to be closed in the
// end. The store outlives the configuration that opened it and uses the storage
// of the newest one with the same usage key.
func (p *Provider) Store() (tokenstore.Store, error) {
	shared, _ := backends.LoadOrStore(p.usageKey, p.backend)
	return &Store{
		backend: shared.(*backend),
		close: sync.OnceValue(func() error {
			_, err := backends.Delete(p.usageKey)
			return err
		}),
	}, nil
}

// UsageKey implements tokenstore.Provider.
func (p *Provider) UsageKey() string { return p.usageKey }

// identify names a storage so that two of the same configuration have the same
// name. Storages have no such name of their own, and what some print of
// themselves does not tell them apart; so take all there is: the type, what it
// prints, and its configuration, hashed since that may hold a password.
func identify(storage certmagic.Storage) string {
	h := sha256.New()
	fmt.Fprintf(h, "%T\n", storage)
	if s, ok := storage.(fmt.Stringer); ok {
		fmt.Fprintf(h, "%s\n", s)
	}
	// Not every storage can be marshalled; the type has to do then.
	if config, err := json.Marshal(storage); err == nil {
		h.Write(config)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Provider)(nil)
	_ caddy.CleanerUpper    = (*Provider)(nil)
	_ caddyfile.Unmarshaler = (*Provider)(nil)
	_ tokenstore.Provider   = (*Provider)(nil)
)
