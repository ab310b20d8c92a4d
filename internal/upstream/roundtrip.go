// Package upstream decides what Spotify gets and what of its responses passes: token,
// headers, refresh and replay, rate limits, links.
package upstream

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Options are the options of an engine.
type Options struct {
	// Next sends what leaves.
	Next http.RoundTripper
	// API is the one place that tokens are sent to.
	API *Origin
	// ReplayBody is up to which size a body is read before it is sent, in bytes.
	ReplayBody int64
	// KeepLinks leaves the Web API's URLs in its responses as they are.
	KeepLinks bool
	// Identity asks for responses that are not compressed, unless links are kept
	// and the client takes gzip.
	Identity bool
	// Retries is how often a request is sent again at most, and MaxWait how long
	// it is held back for that in all.
	Retries int
	MaxWait time.Duration
	// KeepForms leaves requests in the forms in which clients send them. Otherwise
	// playlists get their old members for clients that are likely to look for them,
	// or, with OldPlaylists, for all.
	KeepForms    bool
	OldPlaylists bool
	// ProxyProtocol says that the connection depends on the client's address,
	// which reverse_proxy has put in place of the upstream's.
	ProxyProtocol bool
	// Connections are told of requests. It may be nil.
	Connections *Connections
	Logger      *zap.Logger
	Clock       pkce.Clock
}

// Transport sends the requests that come with an exchange to the Web API, and makes
// its responses fit for the client. It is safe for concurrent use.
type Transport struct {
	next          http.RoundTripper
	api           *Origin
	replayLimit   int64
	keepLinks     bool
	identity      bool
	retries       int
	maxWait       time.Duration
	keepForms     bool
	oldPlaylists  bool
	proxyProtocol bool
	connections   *Connections
	memory        *semaphore.Weighted
	rejected      *rejectedTokens
	logger        *zap.Logger
}

// New returns a transport of options, all of which but Retries and MaxWait must be
// set.
func New(o Options) *Transport {
	if next, ok := o.Next.(*reverseproxy.HTTPTransport); ok {
		warnUnverified(o.Logger, next, "the Web API")
	}
	return &Transport{
		next:          o.Next,
		api:           o.API,
		replayLimit:   o.ReplayBody,
		keepLinks:     o.KeepLinks,
		identity:      o.Identity,
		retries:       o.Retries,
		maxWait:       o.MaxWait,
		keepForms:     o.KeepForms,
		oldPlaylists:  o.OldPlaylists,
		proxyProtocol: o.ProxyProtocol,
		connections:   o.Connections,
		memory:        replayMemory,
		rejected:      newRejectedTokens(o.Clock),
		logger:        o.Logger,
	}
}

// RoundTrip implements http.RoundTripper. An error of our own comes back as a
// response, so that reverse_proxy neither retries it nor turns it into a 502. If
// the Web API did not respond, it is an UnreachableError.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	ex, ok := FromContext(ctx)
	if !ok && isHealthCheck(ctx) {
		return t.next.RoundTrip(req)
	}
	if p := t.check(req, ok); p != nil {
		return t.refuse(req, ex, p)
	}
	// It was asked already, about a path that the site's rewrites have changed
	// since. This is the one that is sent.
	if !webapi.Allowed(ex.Site.Allow, req.Method, req.URL.Path) {
		return t.refuse(req, ex, problem.NotAllowed())
	}
	if p := ex.Policy.Permits(ex.Session, req); p != nil {
		return t.refuse(req, ex, p)
	}
	t.connections.Use()
	c := newCall(t, ex, req)
	defer c.release()
	res, err := t.once(c)
	switch {
	case err == nil:
	case Fault(ex.fault.Load()) == ClientGone:
		return t.refuse(req, ex, clientFailed(err))
	default:
		if errors.Is(ctx.Err(), context.Canceled) {
			ex.note(ClientGone)
		}
		return t.refuse(req, ex, unreachable(ctx, err))
	}
	res, err = t.answer(c, res)
	return c.dress(res), err
}

// isHealthCheck reports whether a request is one of reverse_proxy's own. It has
// no session and gets no token, and nothing of a client's is in it.
func isHealthCheck(ctx context.Context) bool { return ctx.Value(caddyhttp.ServerCtxKey) == nil }

// check says what is wrong with a request, if anything is.
func (t *Transport) check(req *http.Request, hasExchange bool) *problem.Problem {
	switch {
	case !hasExchange:
		return problem.Misconfigured("The directive spotify_auth must come before transport spotify, and must cover the same paths.")
	case !t.api.leadsTo(req, t.proxyProtocol):
		return problem.Misconfigured("The upstream of reverse_proxy is not the Web API that transport spotify is for: make it " + t.api.Scheme + "://" + t.api.host + ", or set api_url.")
	case !webapi.PlainPath(req.URL) || !strings.HasPrefix(req.URL.Path, webapi.Root):
		return problem.BadPath()
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return nil
	}
	// TRACE above all, whose answer would show the token.
	return &problem.Problem{
		Status: http.StatusMethodNotAllowed, Reason: reason.MethodNotAllowed,
		Message: "The Web API has no such method.", Allow: "GET, HEAD, POST, PUT, PATCH, DELETE",
	}
}

// AccessToken returns the session's access token, or a problem, or ctx's error.
func AccessToken(ctx context.Context, ex *Exchange) (*pkce.Token, error) {
	token, err := ex.Auth.Token(ctx)
	switch {
	case err == nil:
		return token, nil
	case errors.Is(err, pkce.ErrReauthorize):
		return nil, ex.Policy.Ended(err)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	p := &problem.Problem{
		Status: http.StatusServiceUnavailable, Reason: reason.UpstreamUnavailable, Err: err,
		Message:    "Spotify could not renew the access just now. Try again in a moment; you are not logged out.",
		RetryAfter: 5 * time.Second,
	}
	if errors.Is(err, pkce.ErrPersister) {
		p = problem.StoreUnavailable(err, "")
	}
	if e, ok := errors.AsType[*pkce.TemporaryError](err); ok && e.RetryAfter > 0 {
		p.RetryAfter = e.RetryAfter
	}
	return nil, p
}

// refuse answers a request that is not sent.
func (t *Transport) refuse(req *http.Request, ex *Exchange, err error) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close() // as a RoundTripper must; nothing was read
	}
	p := problem.As(err)
	if p == nil {
		return nil, err
	}
	return t.report(req, ex, p), nil
}

// report makes a response of a problem and logs it if it is out of the ordinary.
func (t *Transport) report(req *http.Request, ex *Exchange, p *problem.Problem) *http.Response {
	if p.Ordinary() {
		return ex.withQuota(p, p.Response(req))
	}
	if ex == nil {
		p.RequestID = (*telemetry.LogLimiter)(nil).NotServed(t.logger, req, p.Status, p.Reason, p.Err)
	} else {
		p.RequestID = ex.Site.Faults.NotServed(t.logger, req, p.Status, p.Reason, p.Err, zap.String("session", ex.sessionRef()))
	}
	return p.Response(req)
}

// send sends a call with a token. After a 401 it sends it once more, with a
// newer token, if the body is still there. If it is not, or no other token is
// given, the 401 is the answer.
func (t *Transport) send(c *call, token *pkce.Token) (*http.Response, error) {
	out, err := c.attempt(token)
	if err != nil {
		return nil, err
	}
	res, err := t.sendOnce(c, out)
	if err != nil || res.StatusCode != http.StatusUnauthorized || t.rejected.has(token) {
		return res, err
	}
	c.ex.Auth.Invalidate(token)
	if !c.repeatable() {
		return res, nil
	}
	return t.replay(c, token, res)
}

// replay sends a call once more that got the response to a token that the API no longer
// takes.
func (t *Transport) replay(c *call, token *pkce.Token, res *http.Response) (_ *http.Response, err error) {
	ctx, span := trace.Start(&c.ctx, trace.Replay)
	defer func() { span.End(err) }()
	newer, err := AccessToken(ctx, c.ex)
	switch p := problem.As(err); {
	case err == nil && newer.AccessToken() != token.AccessToken():
	case p != nil:
		// The session is over, or no newer token is to be had for now. The
		// API's 401 would say the first of both. It is an error, because a
		// response would be taken for the API's, and its reason read again.
		discard(res)
		return nil, p
	case c.ctx.Err() != nil:
		discard(res)
		return nil, c.ctx.Err()
	default:
		return res, nil
	}
	discard(res)
	out, err := c.attempt(newer)
	if err != nil {
		return nil, err
	}
	res, err = t.sendOnce(c, out)
	c.ex.Site.Metrics.Replayed(res, err)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		t.rejected.add(newer)
	}
	return res, err
}

// discardPatience is how long the rest of a discarded response is waited for.
const discardPatience = 100 * time.Millisecond

// discard closes a response. It reads a short body before, if that comes in
// time, so that the connection can be used again.
func discard(res *http.Response) {
	const short = 16 << 10
	if res.ContentLength > 0 && res.ContentLength <= short {
		stop := clock.Get().AfterFunc(discardPatience, func() { _ = res.Body.Close() })
		_, _ = io.CopyN(io.Discard, res.Body, short)
		stop()
	}
	_ = res.Body.Close()
}

// answer makes the API's answer fit for the client. It is the one place where
// answers are looked at and changed.
func (t *Transport) answer(c *call, res *http.Response) (*http.Response, error) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		_ = res.Body.Close()
		return t.report(c.in, c.ex, &problem.Problem{
			Status: http.StatusBadGateway, Reason: reason.UpstreamUnavailable,
			Message: "The Web API answered in another protocol.", Err: errors.New("the API switched protocols without being asked"),
		}), nil
	}
	// The transport goes on writing trailers into its own response, and its
	// request holds the token. Neither is for those who come after us.
	c.res = *res
	c.res.Request = c.in
	c.res.Trailer = nil
	c.body = download{res.Body, c.ex}
	c.res.Body = &c.body
	setResponseHeaders(c.res.Header, &c.values)
	if t.keepLinks || !t.identity {
		varyByCoding(c.res.Header)
	}
	if vary := c.res.Header["Vary"]; c.ex.Site.Keys && !problem.HasToken(vary, "authorization") && !problem.HasToken(vary, "*") {
		// With a key the same path has another answer, as with another cookie.
		c.res.Header["Vary"] = append(vary[:len(vary):len(vary)], "Authorization")
	}
	if c.reason == "" {
		c.reason = refusalReason(&c.res)
	}
	explainRefusal(c, c.res.Header, c.reason)
	if c.res.StatusCode == http.StatusTooManyRequests {
		operation, family := c.bucket()
		c.ex.Site.explainLimit(&c.res, operation, family)
	}
	announceRemoval(c, c.res.Header)
	c.noteCommand()
	c.ex.tellQuota(c.res.Header, c.in.URL)
	c.ex.remindToReauthorize(c.res.Header)
	nameJSON(&c.res)
	if t.mayChangeBytes(c) {
		weakenValidators(c.res.Header)
	}
	if !t.keepLinks {
		rewriteLinks(c.ex.Site.Links, c.in.Method, &c.res, takesGzip(c.in.Header["Accept-Encoding"]))
	}
	return &c.res, nil
}

// call is one request for the Web API under way.
type call struct {
	ex      *Exchange
	in      *http.Request     // as reverse_proxy made it; not changed
	op      *webapi.Operation // that in is for; empty if it is none that is known
	out     *http.Request     // as it is sent first; not changed after that
	sent    bool              // out has been
	memory  *semaphore.Weighted
	held    int64 // of memory, for the body
	url     url.URL
	ctx     callContext
	request http.Request // room for out
	res     http.Response
	body    download
	values  headerValues
	reason  reason.Reason // why the API refused, if it did

	flight      cache.Flight // room for one
	hungUp      func() bool  // has the flight not told that the client hung up
	served      served
	ifNoneMatch []string // the client's, of our own tags
}

func newCall(t *Transport, ex *Exchange, req *http.Request) *call {
	c := ex.newCall()
	c.ex, c.in, c.memory = ex, req, t.memory
	c.op, _ = webapi.Lookup(req.Method, req.URL.Path)
	c.url = url.URL{
		Scheme:     t.api.Scheme,
		Host:       t.api.host,
		Path:       req.URL.Path,
		RawPath:    req.URL.RawPath,
		RawQuery:   req.URL.RawQuery,
		ForceQuery: req.URL.ForceQuery,
	}
	c.ctx = callContext{Context: req.Context(), trace: withoutInformational(httptrace.ContextClientTrace(req.Context()))}
	if t.api.basePath != "" {
		c.url.Path = t.api.basePath + c.url.Path
		if c.url.RawPath != "" {
			c.url.RawPath = t.api.basePath + c.url.RawPath
		}
	}
	if t.proxyProtocol {
		c.url.Host = req.URL.Host
	}
	c.request = *req.WithContext(&c.ctx)
	c.out = &c.request
	c.out.URL = &c.url
	c.out.Host = t.api.host
	c.out.Trailer = nil
	c.out.GetBody = nil
	if c.out.Body != nil && c.out.Body != http.NoBody {
		c.out.Body = &upload{c.out.Body, ex}
	}
	c.out.Header = make(http.Header, 8)
	setRequestHeaders(c.out.Header, req.Header, ex.Header, !t.keepLinks)
	setAcceptEncoding(c.out.Header, !t.identity)
	if !t.keepLinks && !t.identity {
		c.out.Header["Accept-Encoding"] = gzipOnly // which is then looked into here
	}
	return c
}

// bucket returns the operation's name and its family, as webapi.Bucket does.
func (c *call) bucket() (operation, family string) {
	if operation, family = c.op.Bucket(); operation != "" {
		return operation, family
	}
	return webapi.Bucket(c.in.Method, c.in.URL.Path)
}

// repeatable reports whether the call can be sent again, with all of its body.
func (c *call) repeatable() bool {
	return c.out.Body == nil || c.out.Body == http.NoBody || c.out.GetBody != nil
}

// attempt returns the request to send with a token. A repeatable call may have
// several. Each has headers and a body of its own, since the transport may
// still be writing the one before when its response has come.
func (c *call) attempt(token *pkce.Token) (*http.Request, error) {
	out := c.out
	if c.sent {
		out = c.out.WithContext(&c.ctx)
		out.Header = maps.Clone(c.out.Header)
		if c.out.GetBody != nil {
			body, err := c.out.GetBody()
			if err != nil {
				return nil, err
			}
			out.Body = body
		}
	}
	c.sent = true
	out.Header["Authorization"] = token.Header()
	return out, nil
}
