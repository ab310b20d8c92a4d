package caddyspotify

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// serveAPI hands a request for the Web API on, with its session, and counts what
// came of it.
func (h *Handler) serveAPI(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	now := h.site.Sessions.Clock.Now().Unix()
	sess, may, err := h.admitAPI(w, r, next, now)
	if sess != nil {
		return h.forward(w, r, next, sess, may, now)
	}
	h.site.Metrics.Request(w.Header(), err)
	return err
}

// admitAPI returns the session with which a request for the Web API may go on, and
// what that session may do. If there is none, the response has been made.
func (h *Handler) admitAPI(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, now int64) (*session.Session, upstream.Policy, error) {
	s := h.site
	if !webapi.PlainPath(r.URL) {
		return nil, nil, h.site.Fail(w, r, problem.BadPath())
	}
	shared := h.share.Requested(r)
	if shared != nil && r.Method == http.MethodOptions {
		return nil, nil, h.share.Preflight(w, r)
	}
	if !webapi.Allowed(s.Allow, r.Method, r.URL.Path[len(s.Prefix):]) {
		return nil, nil, h.site.Fail(w, r, problem.NotAllowed())
	}
	if p := s.CheckTransport(r); p != nil {
		return nil, nil, h.site.Fail(w, r, p)
	}
	if h.keys != nil {
		if sess, found, p := h.keys.Authenticate(r, now); p != nil {
			return nil, nil, h.site.Fail(w, r, p)
		} else if found {
			return sess, h.keys, nil
		}
	}
	// Before the session is looked up: another site's page, which can tell a
	// refusal from a login in a window that it opened, is not to learn from it
	// whether there is one.
	foreign := s.CheckOriginOrAllowed(r)
	if foreign != nil {
		// What is shared is for everybody, and nobody's session is asked for it.
		if shared == nil {
			return nil, nil, h.site.Fail(w, r, foreign)
		}
		return nil, nil, h.share.Serve(w, r, next, shared, true)
	}
	sess, err := h.site.SessionAt(r, now)
	if errors.Is(err, session.ErrNone) {
		if shared != nil {
			return nil, nil, h.share.Serve(w, r, next, shared, false)
		}
		return nil, nil, h.login.AskToLogIn(w, r, reason.LoginRequired)
	}
	if err != nil {
		return nil, nil, h.site.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	return sess, s, nil
}

// forward passes a request for the Web API on, as that of a session.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, sess *session.Session, may upstream.Policy, now int64) (err error) {
	s := h.site
	s.Sessions.TouchAt(sess, now)
	site.Identify(r, sess)
	// What says who the visitor is here says nothing to Spotify, and header_up
	// must not be able to copy it.
	delete(r.Header, "Cookie")
	_, ownToken := r.Header["Authorization"]
	delete(r.Header, "Authorization")
	ex := &upstream.Exchange{Context: r.Context(), Auth: &sess.Auth, Site: s.Upstream, Session: sess, Policy: may, Header: r.Header, OwnToken: ownToken, Now: now}
	returned := false
	defer func() {
		switch ex.End(returned) {
		case upstream.NoFault:
			s.Metrics.Request(w.Header(), err)
		case upstream.ClientGone:
			s.Metrics.RequestFailed(telemetry.ClientGone)
		case upstream.ResponseBroken:
			s.Metrics.RequestFailed(telemetry.ResponseBroken)
		}
	}()
	asked := *r.URL
	webapi.StripPrefix(r.URL, s.Prefix)
	ex.Request = *r.WithContext(ex)
	ex.Request.Header = upstream.HeadersForAPI(r.Header)
	err = next.ServeHTTP(w, &ex.Request)
	returned = true
	p := upstream.Unreachable(err)
	if p == nil {
		return err
	}
	*r.URL = asked // what error routes match
	p.ForCode = sess.IsKey()
	return s.Fail(w, r, p)
}

// serveOther hands on a request for anything else, once its visitor is logged
// in if that is required.
func (h *Handler) serveOther(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.requiresLogin(r) {
		return next.ServeHTTP(w, r)
	}
	if p := h.site.CheckTransport(r); p != nil {
		return h.site.Fail(w, r, p)
	}
	sess, err := h.site.SessionOf(r)
	if errors.Is(err, session.ErrNone) {
		return h.login.AskToLogIn(w, r, reason.LoginRequired)
	}
	if err != nil {
		return h.site.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	h.site.Sessions.Touch(sess)
	site.Identify(r, sess)
	return next.ServeHTTP(site.Guarded(w, r), r)
}

// requiresLogin asks Caddy's own path matcher, because the handlers after this
// one do. What they take for a page of theirs, be it spelt "/APP" or "/x/..//app",
// must not be something else here. Both the path that the browser asked for and
// the one it was rewritten to count.
func (h *Handler) requiresLogin(r *http.Request) bool {
	if len(h.requireLogin) == 0 {
		return false
	}
	asked := *r
	asked.URL = browser.OriginalURL(r)
	return h.requireLogin.Match(r) || h.requireLogin.Match(&asked)
}
