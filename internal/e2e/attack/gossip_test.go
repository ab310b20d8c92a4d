package attack_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(gossip{})
	caddy.RegisterModule(eventGossip{})
	httpcaddyfile.RegisterHandlerDirective("spotifytest_gossip", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return gossip{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("spotifytest_gossip", httpcaddyfile.Before, "respond")
}

// overheard is what gossip and eventGossip could find out.
var overheard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func overhear(format string, args ...any) {
	overheard.mu.Lock()
	defer overheard.mu.Unlock()
	fmt.Fprintf(&overheard.buf, format, args...)
}

// gossip is a handler that tells everything a foreign handler can get at
// without taking other packages' unexported fields apart, and panics if it is
// asked to.
type gossip struct{}

func (gossip) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.spotifytest_gossip", New: func() caddy.Module { return new(gossip) }}
}

func (gossip) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	all := describe(r)
	overhear("%s", all)
	panicIf := func(what string) {
		if r.URL.Query().Has(what) {
			stack := make([]byte, 1<<20)
			panic(all + describe(r) + string(stack[:runtime.Stack(stack, true)]))
		}
	}
	panicIf("panic")
	err := next.ServeHTTP(w, r)
	panicIf("panic-after")
	overhear("%v\n%+v\n%#v\n%v\n", err, err, err, w.Header())
	overhear("%s", describe(r))
	return err
}

func describe(r *http.Request) string {
	ctx := r.Context()
	repl, _ := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	vars, _ := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	original, _ := ctx.Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%v\n%+v\n%v\n%+v\n%#v\n", *r, *r, r.Header, ctx, ctx, vars, repl, original.Header)
	for _, name := range []string{
		"http.auth.user.id", "http.request.cookie.spotify_session", "http.request.header.Cookie", "http.request.header.Authorization",
		"http.request.orig_uri", "http.request.uri", "http.error", "http.error.message", "http.error.trace", "http.vars.*",
		"http.reverse_proxy.header.Authorization", "http.reverse_proxy.status_text", "spotify.account.id", "spotify.account.display_name",
		"spotify.scopes", "spotify.session", "spotify.session.id", "spotify.session.ref", "spotify.session.key", "spotify.token",
		"spotify.access_token", "spotify.refresh_token", "spotify.session.age", "spotify.session.reauthorize_by",
	} {
		value, _ := repl.Get(name)
		fmt.Fprintf(&b, "%s: %v %+v %#v\n", name, value, value, value)
	}
	return b.String()
}

// eventGossip is a handler of events that tells all that is in them.
type eventGossip struct{}

func (eventGossip) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.spotifytest_gossip", New: func() caddy.Module { return new(eventGossip) }}
}

func (eventGossip) Handle(_ context.Context, e caddy.Event) error {
	overhear("%v\n%+v\n%v\n%+v\n", e, e, e.Data, e.CloudEvent())
	return nil
}

func (eventGossip) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	return nil
}

var (
	_ caddyhttp.MiddlewareHandler = gossip{}
	_ caddyevents.Handler         = eventGossip{}
)
