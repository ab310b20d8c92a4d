package caddyspotify

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("spotify_auth", parseAuth)
	httpcaddyfile.RegisterDirective("spotify_proxy", parseProxy)
	// After what guards and compresses a whole site, and before what answers.
	httpcaddyfile.RegisterDirectiveOrder("spotify_auth", httpcaddyfile.Before, "templates")
	httpcaddyfile.RegisterDirectiveOrder("spotify_proxy", httpcaddyfile.Before, "templates")
}

func parseAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	err := handler.UnmarshalCaddyfile(h.Dispenser)
	return handler, err
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	spotify_auth [<matcher>] {
//	    client_id     <id>
//	    redirect_uri  <uri>
//	    scopes        <scope>...
//	    optional_scopes <scope>...
//	    require_login <path>...
//	    allow         [<METHOD>...] <path>...
//	    allow_origin  <origin>...
//	    expose_token
//	    session {
//	        idle      <duration>
//	        lifetime  <duration>
//	        cookie    <name>
//	        same_site lax|strict
//	        reauthorize_notice <duration>
//	    }
//	    store <name> [<args>...] {
//	        ...
//	    }
//	    refresh {
//	        margin  <duration>
//	        ahead   <duration>
//	        timeout <duration>
//	    }
//	    share {
//	        owner  <account>...
//	        allow  <path>...
//	        scopes <scope>...
//	        cache  <duration>
//	        stale  <duration>
//	        cors   <origin>...|*
//	        key    <secret>
//	    }
//	    access_keys {
//	        lifetime <duration>
//	        max      <number>
//	        allow    [<METHOD>...] <path>...
//	        key      <secret>
//	    }
//	    authorize_url <url>
//	    token_url     <url>
//	    api_url       <url>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.Errf("unexpected argument %q: put the options in a block", d.Val())
	}
	seen := make(options)
	for d.NextBlock(0) {
		segment := caddyfile.NewDispenser(d.NextSegment())
		segment.Next()
		known, err := h.unmarshalOption(segment, seen)
		if err != nil {
			return err
		}
		if !known {
			return segment.Errf("unknown option %q: see the documentation of spotify_auth for those there are", segment.Val())
		}
	}
	return nil
}

// options remembers which options were given, since each may be given once.
type options map[string]struct{}

func (o options) once(d *caddyfile.Dispenser, name string) error {
	if _, ok := o[name]; ok {
		return d.Errf("%s is given twice: remove one", name)
	}
	o[name] = struct{}{}
	return nil
}

// unmarshalOption sets the option that d stands at, if it is one of h's.
func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, seen options) (known bool, err error) {
	name := d.Val()
	set, ok := map[string]func() error{
		"client_id":       func() error { return oneArg(d, name, &h.ClientID) },
		"redirect_uri":    func() error { return oneArg(d, name, &h.RedirectURI) },
		"authorize_url":   func() error { return oneArg(d, name, &h.AuthorizeURL) },
		"token_url":       func() error { return oneArg(d, name, &h.TokenURL) },
		"api_url":         func() error { return oneArg(d, name, &h.APIURL) },
		"scopes":          func() error { return someArgs(d, name, &h.Scopes) },
		"optional_scopes": func() error { return someArgs(d, name, &h.OptionalScopes) },
		"require_login":   func() error { return someArgs(d, name, &h.RequireLogin) },
		"allow":           func() error { return h.unmarshalAllow(d) },
		"allow_origin":    func() error { return someArgs(d, name, &h.AllowOrigin) },
		"expose_token":    func() error { return flag(d, name, &h.ExposeToken) },
		"session":         func() error { return h.unmarshalSession(d) },
		"refresh":         func() error { return h.unmarshalRefresh(d) },
		"store":           func() error { return h.unmarshalStore(d) },
		"share":           func() error { return h.unmarshalShare(d) },
		"access_keys":     func() error { return h.unmarshalAccessKeys(d) },
	}[name]
	if !ok {
		return false, nil
	}
	if name == "allow" {
		return true, set()
	}
	if err := seen.once(d, name); err != nil {
		return true, err
	}
	return true, set()
}

// unmarshalAllow adds a rule. Unlike other options it may be given many times.
func (h *Handler) unmarshalAllow(d *caddyfile.Dispenser) error {
	rule := webapi.NewRule(d.RemainingArgs())
	if err := rule.Check(); err != nil {
		return d.WrapErr(err)
	}
	h.Allow = append(h.Allow, AllowRule(rule))
	return nil
}

func (h *Handler) unmarshalSession(d *caddyfile.Dispenser) error {
	h.Session = new(SessionConfig)
	return block(d, "session", func(name string) (bool, error) {
		switch name {
		case "idle":
			return true, duration(d, "session idle", &h.Session.Idle)
		case "lifetime":
			return true, duration(d, "session lifetime", &h.Session.Lifetime)
		case "cookie":
			return true, oneArg(d, "session cookie", &h.Session.Cookie)
		case "reauthorize_notice":
			return true, duration(d, "session reauthorize_notice", &h.Session.ReauthorizeNotice)
		case "same_site":
			return true, oneArg(d, "session same_site", &h.Session.SameSite)
		}
		return false, nil
	})
}

func (h *Handler) unmarshalRefresh(d *caddyfile.Dispenser) error {
	h.Refresh = new(RefreshConfig)
	return block(d, "refresh", func(name string) (bool, error) {
		switch name {
		case "margin":
			return true, duration(d, "refresh margin", &h.Refresh.Margin)
		case "ahead":
			return true, duration(d, "refresh ahead", &h.Refresh.Ahead)
		case "timeout":
			return true, duration(d, "refresh timeout", &h.Refresh.Timeout)
		}
		return false, nil
	})
}

func (h *Handler) unmarshalStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("store needs a name: caddy, memory or redis")
	}
	name := d.Val()
	const namespace = "http.handlers.spotify_auth.stores."
	if _, err := caddy.GetModule(namespace + name); err != nil {
		hint := "use caddy, memory or redis"
		if name == "redis" {
			hint = "build Caddy with github.com/caddyspotify/caddy-spotify/tokenstore/redis"
		}
		return d.Errf("store %q is not in this build: %s", name, hint)
	}
	unm, err := caddyfile.UnmarshalModule(d, namespace+name)
	if err != nil {
		return err
	}
	h.StoreRaw = caddyconfig.JSONModuleObject(unm, "module", name, nil)
	return nil
}

// block reads the options of a nested block.
func block(d *caddyfile.Dispenser, name string, option func(string) (known bool, err error)) error {
	if d.NextArg() {
		return d.Errf("unexpected argument %q: put the options of %s in a block", d.Val(), name)
	}
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		inner := d.Val()
		if err := seen.once(d, name+" "+inner); err != nil {
			return err
		}
		known, err := option(inner)
		if err != nil {
			return err
		}
		if !known {
			return d.Errf("unknown option %q in %s", inner, name)
		}
	}
	if len(seen) == 0 {
		return d.Errf("%s has no options: give some in a block, or leave it out", name)
	}
	return nil
}

func oneArg(d *caddyfile.Dispenser, name string, to *string) error {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return d.Errf("%s takes one value, not %d (if it is a variable, set it)", name, len(args))
	}
	*to = args[0]
	return nil
}

func someArgs(d *caddyfile.Dispenser, name string, to *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Errf("%s needs at least one value, or leave it out", name)
	}
	*to = args
	return nil
}

func flag(d *caddyfile.Dispenser, name string, to *bool) error {
	if d.NextArg() {
		return d.Errf("%s takes no value: remove %q", name, d.Val())
	}
	*to = true
	return nil
}

func duration(d *caddyfile.Dispenser, name string, to *caddy.Duration) error {
	var arg string
	if err := oneArg(d, name, &arg); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(arg)
	if err != nil {
		return d.Errf("%s %q is not a duration: write it like 90s, 5m or 30d", name, arg)
	}
	if parsed <= 0 {
		return d.Errf("%s %s is not positive: write it like 90s, 5m or 30d", name, arg)
	}
	*to = caddy.Duration(parsed)
	return nil
}

// parseProxy parses the spotify_proxy directive, which lets a front end call
// the Spotify Web API without a token. Syntax:
//
//	spotify_proxy [<matcher>] {
//	    <options of spotify_auth>
//	    replay_body <size>|off
//	    links       rewrite|keep
//	    retry       <times> [<max_wait>]
//	    compression off
//	    <options of reverse_proxy>
//	}
//
// It is a shortcut. This:
//
//	spotify_proxy {
//	    client_id    {env.SPOTIFY_CLIENT_ID}
//	    redirect_uri http://127.0.0.1:8080/spotify/callback
//	    scopes       user-read-private
//	}
//
// is the same as this:
//
//	route {
//	    spotify_auth {
//	        client_id    {env.SPOTIFY_CLIENT_ID}
//	        redirect_uri http://127.0.0.1:8080/spotify/callback
//	        scopes       user-read-private
//	    }
//	    @api spotify_api
//	    reverse_proxy @api https://api.spotify.com {
//	        transport spotify
//	    }
//	}
//
// What it does not know itself it hands to reverse_proxy, so timeouts, header
// operations, handle_response and the rest work as they do there. Only the
// upstream and the transport are its own.
func parseProxy(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	userMatcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	h.Next() // looking for a matcher went back to the start
	d := h.NewFromNextSegment()
	d.Next() // the directive's name
	name := d.Token()
	if d.NextArg() {
		return nil, d.Errf("unexpected argument %q: put the options in a block", d.Val())
	}

	auth, transport := new(Handler), new(Transport)
	seen := make(options)
	var rest []caddyfile.Token
	for d.NextBlock(0) {
		tokens := d.NextSegment()
		segment := caddyfile.NewDispenser(tokens)
		segment.Next()
		known, err := auth.unmarshalOption(segment, seen)
		if err == nil && !known {
			known, err = transport.unmarshalOption(segment, seen)
		}
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		switch segment.Val() {
		case "to", "dynamic":
			return nil, segment.Errf("spotify_proxy has one upstream, the Web API: remove %s, or set api_url", segment.Val())
		case "transport":
			return nil, segment.Err("spotify_proxy brings its own transport: remove it, or write out spotify_auth and reverse_proxy with transport spotify { … }")
		}
		rest = append(rest, tokens...)
	}

	// Missing and malformed values are refused when the config is adapted, and
	// so before it is loaded.
	for _, o := range []struct{ name, value string }{{"redirect_uri", auth.RedirectURI}, {"api_url", auth.APIURL}} {
		if strings.ContainsAny(o.value, "{}") {
			return nil, h.Errf("%s %s: the routes depend on it, so write it out or use {$VARIABLE}, which is replaced while the Caddyfile is read", o.name, o.value)
		}
	}
	if _, err := browser.ParseRedirectURI(auth.RedirectURI); err != nil {
		return nil, h.WrapErr(err)
	}
	if auth.ClientID == "" {
		return nil, h.Err("client_id is missing: give the app's Client ID from https://developer.spotify.com/dashboard")
	}
	proxy, err := proxyHandler(h, name, rest, auth.APIURL, transport)
	if err != nil {
		return nil, err
	}

	subroute := caddyhttp.Subroute{Routes: caddyhttp.RouteList{
		{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(auth, "handler", "spotify_auth", nil)}},
		{
			MatcherSetsRaw: []caddy.ModuleMap{{"spotify_api": h.JSON(MatchAPI{})}},
			HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil)},
		},
	}}
	if userMatcher == nil {
		return []httpcaddyfile.ConfigValue{{Class: "route", Value: subroute}}, nil
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: caddyhttp.Route{
		MatcherSetsRaw: []caddy.ModuleMap{userMatcher},
		HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(subroute, "handler", "subroute", nil)},
	}}}, nil
}

// proxyHandler makes the reverse_proxy behind spotify_proxy out of the options
// that are not spotify_proxy's own.
func proxyHandler(h httpcaddyfile.Helper, name caddyfile.Token, rest []caddyfile.Token, apiURL string, transport *Transport) (*reverseproxy.Handler, error) {
	rp := new(reverseproxy.Handler)
	if err := rp.UnmarshalCaddyfile(inBlock(name, rest)); err != nil {
		return nil, err
	}
	if err := rp.FinalizeUnmarshalCaddyfile(h); err != nil {
		return nil, err
	}
	if apiURL == "" {
		apiURL = defaultAPIURL
	}
	api, err := browser.ParseServiceURL("api_url", apiURL)
	if err != nil {
		return nil, h.WrapErr(err)
	}
	transport.APIURL = strings.TrimSuffix(apiURL, "/")
	if transport.APIURL == defaultAPIURL {
		transport.APIURL = ""
	}
	if api.Scheme == "https" {
		transport.TLS = new(reverseproxy.TLSConfig)
	}
	rp.Upstreams = reverseproxy.UpstreamPool{{Dial: upstream.DialAddress(api)}}
	rp.TransportRaw = caddyconfig.JSONModuleObject(transport, "protocol", "spotify", nil)
	return rp, nil
}

var _ caddyfile.Unmarshaler = (*Handler)(nil)
