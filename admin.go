package caddyspotify

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API for operators of the proxy. It
// looks at the sessions that the process has when it is asked.
//
//	GET    /spotify/sessions?account=&limit=&cursor=   lists sessions, a page at a time
//	DELETE /spotify/sessions/<session>                 ends one
//	POST   /spotify/sessions/<session>/refresh         refreshes its token now
//	DELETE /spotify/accounts/<account>/sessions        ends all of an account
//	GET    /spotify/limits                             lists what Spotify limits and is responded to here
//	DELETE /spotify/limits/<name>?client_id=           opens an operation, a family, "app" or "all"
//	GET    /spotify/quota                              says what was sent in the last day
//	GET    /spotify/health                             says how the proxy is
//
// Sessions go by their references, the first 12 digits of a hash, which logs
// and events show too. No answer holds a token, a session's id or its key.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.spotify",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminapi.Base, Handler: caddy.AdminHandlerFunc(adminapi.Serve)}}
}

// Interface guards
var (
	_ caddy.Module      = adminAPI{}
	_ caddy.AdminRouter = adminAPI{}
)
