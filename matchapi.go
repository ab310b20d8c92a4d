package caddyspotify

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

func init() {
	caddy.RegisterModule(MatchAPI{})
}

// MatchAPI matches the requests for the Web API that `spotify_auth` has let
// through, and no others. So what `spotify_auth` takes for one and what comes
// after it cannot differ, as two readings of a path might. There is nothing to
// set:
//
//	@api spotify_api
type MatchAPI struct{}

// CaddyModule returns the Caddy module information.
func (MatchAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.spotify_api",
		New: func() caddy.Module { return new(MatchAPI) },
	}
}

// MatchWithError implements caddyhttp.RequestMatcherWithError. It never fails.
func (MatchAPI) MatchWithError(r *http.Request) (bool, error) {
	_, ok := upstream.FromContext(r.Context())
	return ok, nil
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	spotify_api
func (MatchAPI) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the matcher's name
	if d.NextArg() || d.NextBlock(0) {
		return d.Errf("spotify_api matches what spotify_auth has let through: remove %q", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler             = MatchAPI{}
	_ caddyhttp.RequestMatcherWithError = MatchAPI{}
)
