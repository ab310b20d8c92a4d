package caddyspotify

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// parseProxy parses the spotify_proxy directive, which lets a front end call
// the Spotify Web API without a token. Syntax:
//
//	spotify_proxy [<matcher>] {
//	    <options of spotify_auth>
//	    replay_body <size>|off
//	    links       rewrite|keep
//	    translate   on|off|playlists
//	    retry       <times> [<max_wait>]
//	    compression off
//	    transport {
//	        <options of transport http>
//	    }
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
	auth, transport := new(Handler), new(Transport)
	seen := make(options)
	var rest []caddyfile.Token
	var others []*caddyfile.Dispenser
	name, err := eachOption(d, func(option *caddyfile.Dispenser, tokens []caddyfile.Token) error {
		known, err := auth.unmarshalOption(option, seen)
		if err == nil && !known {
			known, err = transport.unmarshalOption(option, seen)
		}
		if err != nil || known {
			return err
		}
		switch option.Val() {
		case "to", "dynamic":
			return option.Errf("spotify_proxy has one upstream, the Web API: remove %s, or set api_url", option.Val())
		}
		rest, others = append(rest, tokens...), append(others, option)
		return nil
	})
	if err != nil {
		return nil, err
	}

	if auth.Transport != nil {
		compression := cmp.Or(transport.Compression, auth.Transport.Compression)
		transport.HTTPTransport = *auth.Transport
		transport.Compression = compression
	}

	// Missing and malformed values are refused when the config is adapted, and
	// so before it is loaded.
	for _, o := range []struct{ name, value string }{{"redirect_uri", auth.RedirectURI}, {"api_url", auth.APIURL}} {
		if strings.ContainsAny(o.value, "{}") {
			return nil, h.Errf("%s %s: the routes depend on it, so write it out or use {$VARIABLE}, which is replaced while the Caddyfile is read", o.name, o.value)
		}
	}
	proxy, err := proxyHandler(h, name, rest, auth.APIURL, transport)
	if err != nil {
		known := auth.setters(nil)
		maps.Copy(known, transport.setters(nil))
		return nil, known.meant(others, "spotify_proxy", err)
	}
	if _, err := browser.ParseRedirectURI(auth.RedirectURI); err != nil {
		return nil, h.WrapErr(err)
	}
	if auth.ClientID == "" {
		return nil, h.Err("client_id is missing: give the app's Client ID from https://developer.spotify.com/dashboard")
	}
	if err := checkGuards(h, userMatcher, auth.RequireLogin); err != nil {
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
	switch {
	case api.Scheme != "https":
		transport.TLS = nil // there may be one for the token endpoint
	case transport.TLS == nil:
		transport.TLS = new(reverseproxy.TLSConfig)
	}
	rp.Upstreams = reverseproxy.UpstreamPool{{Dial: upstream.DialAddress(api)}}
	rp.TransportRaw = caddyconfig.JSONModuleObject(transport, "protocol", "spotify", nil)
	return rp, nil
}
