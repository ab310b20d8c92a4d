package caddyspotify

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/dustin/go-humanize"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

func init() {
	caddy.RegisterModule(Transport{})
}

const (
	maxRetries        = 10
	defaultMaxWait    = 10 * time.Second
	defaultReplayBody = 1 << 20
	// defaultIdleConns is of use with HTTP/1.1 alone: each request in flight
	// has a connection then, and closing and opening them is dear.
	defaultIdleConns = 256
	// defaultIdleTimeout is how long an unused connection is kept, in place of
	// Caddy's 2 minutes. To open one takes two round trips, which a visitor
	// waits for who comes back after a pause; pings keep it open on the way, and
	// Spotify may close it when it likes.
	defaultIdleTimeout = caddy.Duration(10 * time.Minute)
	// resumable is how many TLS sessions are kept, so that another connection
	// need not transfer and verify certificates again (RFC 8446 §2.2).
	resumable = 8
	// defaultHeaderTimeout is how long the API may take to begin its response
	// once it has the request. Spotify's own gateway gives up long before.
	defaultHeaderTimeout = caddy.Duration(time.Minute)
	// pingAfter is how long an HTTP/2 connection may be silent until it is asked
	// for a sign of life, and pingTimeout how long that may take. All requests
	// share one connection, and one that has died unnoticed would hang them for
	// as long as TCP cares to wait, a quarter of an hour.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// The values of Transport.Links.
const (
	linksRewrite = "rewrite"
	linksKeep    = "keep"
)

// The values of Transport.Translate.
const (
	translateOn        = "on"
	translateOff       = "off"
	translatePlaylists = "playlists"
)

// Transport sends the requests of `reverse_proxy` to the Spotify Web API, each
// with the access token of the session that `spotify_auth` found for it. It is
// the second half of the proxy; the directive `spotify_proxy` sets up both.
//
//   - The token is put into a copy of the request, just before it leaves and
//     only if URL and upstream are the Web API's. So no other upstream can get
//     it, and no log, placeholder or header operation can see it. A request
//     without a session is not sent.
//   - A path must begin with `/v1/` and be written plainly, without `..`,
//     `//`, backslashes, encoded slashes or control characters.
//   - Of a client's headers, those pass that the Web API has a use for:
//     `Accept`, `Accept-Encoding`, `Accept-Language`, `Cache-Control`,
//     `Content-Type`, `Content-Encoding`, `Content-Language`, `Expect`,
//     `Pragma`, `Range`, `User-Agent` and the `If-*` conditions. Cookies,
//     `Authorization`, addresses and everything else stay here. Headers added
//     with `header_up` pass, but for credentials and `X-Forwarded-*`.
//   - Of an answer's headers, those are dropped that would speak for the
//     site's origin, such as `Set-Cookie` and `Access-Control-*`. Answers are
//     `private` and vary on `Cookie`, so that no shared cache mixes up
//     visitors, and harmless if shown as a page. Informational (1xx) answers
//     and trailers, which the Web API has none of, do not pass.
//   - When the API says 401, the token is refreshed and the request sent once
//     more. Redirects are passed on and not followed.
//   - URLs of the Web API in the members `href`, `next`, `previous`,
//     `track_href` and `analysis_url` of JSON answers are made to lead to the
//     proxy (`links`), while the answer streams. One of a known length of
//     up to 256 KiB is read first, so that it still says how long it is. Answers
//     travel gzipped from Spotify and stay so for clients that accept gzip; for
//     others they are unpacked. With `compression off` they travel as they are.
//   - After a 429 the proxy answers for Spotify until the time is up, then
//     tries with one request. While the app is near its limit, each account
//     gets its fair share. `retry` holds requests back instead.
//   - Refusals carry the header `Spotify-Proxy-Reason`, and for a missing scope
//     `Spotify-Proxy-Missing-Scope` and `Spotify-Proxy-Login-Url`. Operations
//     that Spotify withdrew are marked by `Deprecation`.
//   - An operation that Spotify refuses to the app because it offers another form of
//     it is sent in that form (`translate`), and the response says so in
//     `Spotify-Proxy-Translated`.
//
// All options of the transport `http` work here, too. `response_header_timeout`
// is 1 minute by default, and `keepalive` 10 minutes. While there are requests at least once
// a day, a connection over HTTP/2 is open at all times, also across reloads.
type Transport struct {
	reverseproxy.HTTPTransport

	// The Web API, which must be the proxy's upstream, too. Below its path, if
	// it has one, are the API's paths. Must be https, or http on a loopback
	// name. Default: `https://api.spotify.com`.
	APIURL string `json:"api_url,omitempty"`

	// Up to which size a request's body is read before it is sent, in bytes, to
	// send it again after a 401. A larger body is streamed, and a 401 then goes
	// to the client, as it does while the 64 MiB that all requests share are
	// used up. At most 64 MiB. 0 streams every body.
	// Default: 1 MiB.
	ReplayBody *int64 `json:"replay_body,omitempty"`

	// Whether the Web API's own URLs in its answers are made to lead to the
	// proxy: `rewrite` (default) or `keep`. Links are found in JSON and in the
	// headers Location, Content-Location and Link.
	Links string `json:"links,omitempty"`

	// Whether operations that Spotify withdrew from apps in development mode are sent in
	// the form that replaces them: `on` (default), `off`, or `playlists`. An app that
	// has the old form keeps it: the new one is tried only after a 403, 404 or 410 (for a
	// search, a 400 for its limit), and if it succeeds, is sent at once for a day. `on`
	// gives playlists and their lists the member `tracks` for sessions and access keys
	// that have sent an old form or name it in `fields`, and for clients that send an
	// `Authorization` header, as client libraries do, until they send a new form;
	// `playlists` gives it to everybody.
	Translate string `json:"translate,omitempty"`

	// How long a GET or HEAD that Spotify refuses for now, with 429, 500, 502 or
	// 503, or whose connection is reset before there is a response, is held back
	// and sent again. Default: not at all.
	Retry *RetryConfig `json:"retry,omitempty"`

	engine *upstream.Transport
	// release lets go of connections that other configurations may share.
	release func() error
}

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.spotify",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision sets up t. A moment later a connection is opened, unless one is open from the
// configuration before.
func (t *Transport) Provision(ctx caddy.Context) error {
	url, err := caddy.NewReplacer().ReplaceOrErr(t.APIURL, true, true)
	if err != nil {
		return fmt.Errorf("api_url %q: %w: set it, or leave the option out", t.APIURL, err)
	}
	t.APIURL = cmp.Or(strings.TrimSpace(url), defaultAPIURL)
	api, err := upstream.ParseOrigin(t.APIURL)
	if err != nil {
		return err
	}
	replayBody, err := t.checkReplayBody()
	if err != nil {
		return err
	}
	if err := errors.Join(t.checkLinks(), t.checkTranslate(), t.checkRetry()); err != nil {
		return err
	}
	switch {
	case api.Scheme == "https" && t.TLS == nil:
		t.TLS = new(reverseproxy.TLSConfig)
	case api.Scheme == "http" && t.TLS != nil:
		return fmt.Errorf("api_url %q is http, but there are TLS options or an https upstream: make it https, or remove them", t.APIURL)
	}
	if t.KeepAlive == nil {
		t.KeepAlive = new(reverseproxy.KeepAlive)
	}
	t.KeepAlive.MaxIdleConnsPerHost = cmp.Or(t.KeepAlive.MaxIdleConnsPerHost, defaultIdleConns)
	t.KeepAlive.IdleConnTimeout = cmp.Or(t.KeepAlive.IdleConnTimeout, defaultIdleTimeout)
	t.ResponseHeaderTimeout = cmp.Or(t.ResponseHeaderTimeout, defaultHeaderTimeout)
	key := upstream.ConnectionsKey(&t.HTTPTransport, api) // before Provision takes modules out
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	if c := t.Transport.TLSClientConfig; c != nil && c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(resumable)
	}
	t.Transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	connections, release, err := upstream.AcquireConnections(upstream.ConnectionsOptions{
		Key: key, Transport: t.Transport, API: api, Logger: ctx.Logger(), Clock: clock.Get(),
	})
	if err != nil {
		return err
	}
	t.release, t.Transport = release, connections.Transport
	o := upstream.Options{
		Next:          &t.HTTPTransport,
		API:           api,
		ReplayBody:    replayBody,
		KeepLinks:     t.Links == linksKeep,
		KeepForms:     t.Translate == translateOff,
		OldPlaylists:  t.Translate == translatePlaylists,
		Identity:      t.Compression != nil && !*t.Compression,
		ProxyProtocol: t.ProxyProtocolEnabled(),
		Connections:   connections,
		Logger:        ctx.Logger(),
		Clock:         clock.Get(),
	}
	if t.Retry != nil {
		o.Retries, o.MaxWait = t.Retry.Times, time.Duration(t.Retry.MaxWait)
	}
	t.engine = upstream.New(o)
	return nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.engine.RoundTrip(req)
}

// Cleanup lets go of the connections, if Provision came that far. Those that no other
// configuration has are closed once they are idle.
func (t *Transport) Cleanup() error {
	switch {
	case t.release == nil:
		return nil
	case slices.Contains(t.Versions, "3"): // not shared
		return errors.Join(t.release(), t.HTTPTransport.Cleanup())
	}
	return t.release()
}

// RequestHeaderOps asks for no header operations: RoundTrip sets the Host
// header itself, so reverse_proxy need not copy all headers to do so.
func (t *Transport) RequestHeaderOps() *headers.HeaderOps { return nil }

func (t *Transport) checkReplayBody() (int64, error) {
	switch {
	case t.ReplayBody == nil:
		return defaultReplayBody, nil
	case *t.ReplayBody < 0:
		return 0, fmt.Errorf("replay_body %d is negative: give a size such as 1MiB, or off", *t.ReplayBody)
	case *t.ReplayBody > upstream.ReplayBudget:
		return 0, fmt.Errorf("replay_body %s is more than all requests share: give at most %s",
			humanize.IBytes(uint64(*t.ReplayBody)), humanize.IBytes(upstream.ReplayBudget))
	}
	return *t.ReplayBody, nil
}

// RetryConfig says how long a request may be held back and sent again.
type RetryConfig struct {
	// How many times a request is sent again at most.
	Times int `json:"times,omitempty"`

	// How long it is held back in all, at most. An answer that asks for more
	// patience is passed on at once. Default: 10s.
	MaxWait caddy.Duration `json:"max_wait,omitempty"`
}

// Interface guards
var (
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ caddy.CleanerUpper                               = (*Transport)(nil)
	_ caddyfile.Unmarshaler                            = (*Transport)(nil)
	_ http.RoundTripper                                = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
)
