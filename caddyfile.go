package caddyspotify

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/notify"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

func init() {
	httpcaddyfile.RegisterDirective("spotify_auth", parseAuth)
	httpcaddyfile.RegisterDirective("spotify_proxy", parseProxy)
	// After what guards and compresses a whole site, and before what answers.
	httpcaddyfile.RegisterDirectiveOrder("spotify_auth", httpcaddyfile.Before, "templates")
	httpcaddyfile.RegisterDirectiveOrder("spotify_proxy", httpcaddyfile.Before, "templates")
}

func parseAuth(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if err := checkGuards(h, matcher, handler.RequireLogin); err != nil {
		return nil, err
	}
	return h.NewRoute(matcher, handler), nil
}

// checkGuards refuses pages of require_login that a directive's matcher keeps from
// it: nobody would guard them, and nobody would notice.
func checkGuards(h httpcaddyfile.Helper, matcher caddy.ModuleMap, guarded []string) error {
	raw, ok := matcher["path"]
	if !ok {
		return nil
	}
	var paths []string
	if err := json.Unmarshal(raw, &paths); err != nil {
		return h.Errf("reading the matcher: %v", err)
	}
	for _, path := range guarded {
		if !browser.CoversPath(paths, path) {
			return h.Errf("require_login %s: the matcher lets only %s through, so that nothing would guard it: remove the matcher, or have it take %[1]s, too",
				path, strings.Join(paths, ", "))
		}
	}
	return nil
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
//	    device_login
//	    cache off
//	    cache {
//	        <duration>|off <path>...
//	        size <size>
//	    }
//	    events off
//	    events {
//	        key <secret>
//	    }
//	    quota <requests> {
//	        share <percent>
//	        keys  <percent>
//	    }
//	    notify <url> {
//	        header <name> <value>
//	        field  <name> <value>
//	    }
//	    pages {
//	        name <text>
//	        logo <url>
//	        accent <colour>
//	    }
//	    transport {
//	        <options of transport http>
//	    }
//	    authorize_url <url>
//	    token_url     <url>
//	    api_url       <url>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	seen := make(options)
	_, err := eachOption(d, func(option *caddyfile.Dispenser, _ []caddyfile.Token) error {
		known, err := h.unmarshalOption(option, seen)
		if err == nil && !known {
			err = h.setters(option).unknown(option, "spotify_auth")
		}
		return err
	})
	return err
}

// setters are h's options.
func (h *Handler) setters(d *caddyfile.Dispenser) setters {
	return setters{
		"client_id":       func() error { return oneArg(d, "client_id", &h.ClientID) },
		"redirect_uri":    func() error { return oneArg(d, "redirect_uri", &h.RedirectURI) },
		"authorize_url":   func() error { return oneArg(d, "authorize_url", &h.AuthorizeURL) },
		"token_url":       func() error { return oneArg(d, "token_url", &h.TokenURL) },
		"api_url":         func() error { return oneArg(d, "api_url", &h.APIURL) },
		"scopes":          func() error { return someArgs(d, "scopes", &h.Scopes) },
		"optional_scopes": func() error { return someArgs(d, "optional_scopes", &h.OptionalScopes) },
		"require_login":   func() error { return someArgs(d, "require_login", &h.RequireLogin) },
		"allow":           func() error { return h.unmarshalAllow(d) },
		"allow_origin":    func() error { return someArgs(d, "allow_origin", &h.AllowOrigin) },
		"expose_token":    func() error { return flag(d, "expose_token", &h.ExposeToken) },
		"cache":           func() error { return h.unmarshalCache(d) },
		"session":         func() error { return h.unmarshalSession(d) },
		"refresh":         func() error { return h.unmarshalRefresh(d) },
		"store":           func() error { return h.unmarshalStore(d) },
		"transport":       func() error { return h.unmarshalTransport(d) },
		"share":           func() error { return h.unmarshalShare(d) },
		"access_keys":     func() error { return h.unmarshalAccessKeys(d) },
		"device_login":    func() error { return flag(d, "device_login", &h.DeviceLogin) },
		"events":          func() error { return h.unmarshalEvents(d) },
		"notify":          func() error { h.Notify = new(NotifyConfig); return (*notify.Webhook)(h.Notify).UnmarshalCaddyfile(d) },
		"quota":           func() error { return h.unmarshalQuota(d) },
		"pages":           func() error { return h.unmarshalPages(d) },
		noSecret:          func() error { return errNoSecret(d) },
	}
}

// unmarshalOption sets the option that d stands at, if it is one of h's.
func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, seen options) (known bool, err error) {
	name := d.Val()
	set, ok := h.setters(d)[name]
	if !ok {
		return false, nil
	}
	if name != "allow" { // which may be given many times
		if err := seen.once(d, name); err != nil {
			return true, err
		}
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
	c := new(SessionConfig)
	h.Session = c
	return block(d, "session", setters{
		"idle":               func() error { return duration(d, "session idle", &c.Idle) },
		"lifetime":           func() error { return duration(d, "session lifetime", &c.Lifetime) },
		"cookie":             func() error { return oneArg(d, "session cookie", &c.Cookie) },
		"reauthorize_notice": func() error { return duration(d, "session reauthorize_notice", &c.ReauthorizeNotice) },
		"same_site":          func() error { return oneArg(d, "session same_site", &c.SameSite) },
	})
}

func (h *Handler) unmarshalRefresh(d *caddyfile.Dispenser) error {
	c := new(RefreshConfig)
	h.Refresh = c
	return block(d, "refresh", setters{
		"margin":  func() error { return duration(d, "refresh margin", &c.Margin) },
		"ahead":   func() error { return duration(d, "refresh ahead", &c.Ahead) },
		"timeout": func() error { return duration(d, "refresh timeout", &c.Timeout) },
	})
}

func (h *Handler) unmarshalTransport(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("transport %s: spotify_proxy brings its own transport: put options of transport http in a block without a name, or write out "+
			"spotify_auth and reverse_proxy with transport spotify { … }", d.Val())
	}
	h.Transport = new(reverseproxy.HTTPTransport)
	d.Reset()
	return h.Transport.UnmarshalCaddyfile(d)
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

var _ caddyfile.Unmarshaler = (*Handler)(nil)
