package demo

import (
	"embed"
	"io/fs"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Assets{})
}

//go:embed site
var files embed.FS

// Assets is a file system that holds the demo's page, for `file_server`. It is
// inside the program, so that the demo needs no folder and writes none.
type Assets struct {
	fs.FS `json:"-"`
}

// CaddyModule returns the Caddy module information.
func (Assets) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.fs.spotify_demo",
		New: func() caddy.Module { return new(Assets) },
	}
}

// Provision sets up the file system.
func (a *Assets) Provision(caddy.Context) error {
	var err error
	a.FS, err = fs.Sub(files, "site")
	return err
}

// UnmarshalCaddyfile sets up the file system from Caddyfile tokens. It has no options.
func (a *Assets) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the module's name
	if d.NextArg() {
		return d.ArgErr()
	}
	if d.NextBlock(0) {
		return d.Errf("unknown option %q: spotify_demo has none", d.Val())
	}
	return nil
}

var (
	_ caddy.Provisioner     = (*Assets)(nil)
	_ caddyfile.Unmarshaler = (*Assets)(nil)
	_ fs.FS                 = (*Assets)(nil)
)
