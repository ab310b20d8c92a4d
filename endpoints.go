package caddyspotify

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// sessionOf returns the session that the request's cookie leads to.
func (s *site) sessionOf(r *http.Request) (*session, error) {
	return s.sessionAt(r, s.sessions.clock.Now().Unix())
}

func (s *site) sessionAt(r *http.Request, now int64) (*session, error) {
	value, ok := cookieValue(r.Header, s.sessionCookie)
	if !ok {
		return nil, errNoSession
	}
	return s.sessions.getAt(r.Context(), value, now)
}

// serveAPI hands a request for the Web API on, with its session.
func (h *Handler) serveAPI(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	s := h.site
	if !plainAPIPath(r.URL) {
		return h.site.fail(w, r, badAPIPath())
	}
	shared := h.share.requested(r)
	if shared != nil && r.Method == http.MethodOptions {
		return h.share.preflight(w, r)
	}
	if !allowed(s.allow, r.Method, r.URL.Path[len(s.prefix):]) {
		return h.site.fail(w, r, notAllowed())
	}
	if p := s.checkTransport(r); p != nil {
		return h.site.fail(w, r, p)
	}
	now := s.sessions.clock.Now().Unix()
	if h.keys != nil {
		if sess, found, p := h.keys.authenticate(r, now); p != nil {
			return h.site.fail(w, r, p)
		} else if found {
			return h.forward(w, r, next, sess, h.keys, now)
		}
	}
	// Before the session is looked up: another site's page, which can tell a
	// refusal from a login in a window that it opened, is not to learn from it
	// whether there is one.
	foreign := s.checkOriginOrAllowed(r)
	if foreign != nil && shared == nil {
		return h.site.fail(w, r, foreign)
	}
	sess, err := h.site.sessionAt(r, now)
	if errors.Is(err, errNoSession) {
		if shared != nil {
			return h.share.serve(w, r, next, shared)
		}
		return h.login.askToLogIn(w, r, reason.LoginRequired)
	}
	if foreign != nil {
		return h.site.fail(w, r, foreign)
	}
	if err != nil {
		return h.site.fail(w, r, storeProblem(err, ""))
	}
	return h.forward(w, r, next, sess, s, now)
}

// forward passes a request for the Web API on, as that of a session.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, sess *session, may policy, now int64) error {
	s := h.site
	s.sessions.touchAt(sess, now)
	identify(r, sess)
	// What says who the visitor is here says nothing to Spotify, and header_up
	// must not be able to copy it.
	delete(r.Header, "Cookie")
	delete(r.Header, "Authorization")
	ex := &exchange{Context: r.Context(), auth: &sess.auth, site: s.upstream, session: sess, policy: may, header: r.Header, now: now}
	toAPIPath(r.URL, s.prefix)
	ex.request = *r.WithContext(ex)
	ex.request.Header = headersForAPI(r.Header)
	return next.ServeHTTP(w, &ex.request)
}

// serveOther hands on a request for anything else, once its visitor is logged
// in if that is required.
func (h *Handler) serveOther(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.requiresLogin(r) {
		return next.ServeHTTP(w, r)
	}
	if p := h.site.checkTransport(r); p != nil {
		return h.site.fail(w, r, p)
	}
	sess, err := h.site.sessionOf(r)
	if errors.Is(err, errNoSession) {
		return h.login.askToLogIn(w, r, reason.LoginRequired)
	}
	if err != nil {
		return h.site.fail(w, r, storeProblem(err, ""))
	}
	h.site.sessions.touch(sess)
	identify(r, sess)
	// The page is only for those who are logged in, so no cache may show it
	// to the next person.
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Add("Vary", "Cookie")
	return next.ServeHTTP(w, r)
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
	asked.URL = askedFor(r)
	return h.requireLogin.Match(r) || h.requireLogin.Match(&asked)
}

func loginRequired(loginURL string, why reason.Reason) *problem {
	p := &problem{
		status: http.StatusUnauthorized, reason: why, loginURL: loginURL,
		message: "Log in with Spotify first.",
	}
	if why == reason.ReauthorizationRequired {
		p.message = "The access you gave to Spotify has ended. Log in again."
	}
	return p
}

// permits implements policy: a visitor may do what the site allows.
func (s *site) permits(*session, *http.Request) *problem { return nil }

// ended implements policy.
func (s *site) ended(err error) *problem {
	p := loginRequired(s.loginURL(), reason.ReauthorizationRequired)
	p.err = err
	return p
}

// sessionInfo is what GET session answers.
type sessionInfo struct {
	Authenticated bool       `json:"authenticated"`
	Account       *account   `json:"account,omitempty"`
	Scopes        []string   `json:"scopes,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	ReauthorizeBy *time.Time `json:"reauthorize_by,omitempty"`
	LoginURL      string     `json:"login_url,omitempty"`
	LogoutURL     string     `json:"logout_url,omitempty"`
}

// serveSession says who is logged in. Asking does not count as using the
// session, so a page that polls does not keep it alive.
func (h *Handler) serveSession(w http.ResponseWriter, r *http.Request) error {
	s := h.site
	if p := s.checkTransport(r); p != nil {
		return h.site.fail(w, r, p)
	}
	if p := s.checkOriginOrAllowed(r); p != nil {
		return h.site.fail(w, r, p)
	}
	sess, err := h.site.sessionOf(r)
	if err != nil && !errors.Is(err, errNoSession) {
		return h.site.fail(w, r, storeProblem(err, ""))
	}
	info := sessionInfo{LoginURL: s.loginURL()}
	if err == nil {
		identify(r, sess)
		if token := sess.auth.Current(); token != nil {
			expires, reauthorize := time.Unix(sess.expiresAt(), 0).UTC(), sess.reauthorizeBy()
			info = sessionInfo{
				Authenticated: true,
				Account:       &sess.account,
				Scopes:        append([]string{}, token.Scopes()...),
				ExpiresAt:     &expires,
				ReauthorizeBy: &reauthorize,
				LogoutURL:     s.logoutURL(),
			}
		}
	}
	setJSONHeaders(w.Header())
	w.Header().Add("Vary", "Cookie")
	return json.NewEncoder(w).Encode(info)
}

// serveLogout ends the session, in the store and so everywhere.
func (h *Handler) serveLogout(w http.ResponseWriter, r *http.Request) error {
	s := h.site
	if p := s.checkTransport(r); p != nil {
		return h.site.fail(w, r, p)
	}
	if p := s.checkOriginOrAllowed(r); p != nil {
		return h.site.fail(w, r, p)
	}
	if value, ok := cookieValue(r.Header, s.sessionCookie); ok {
		sess, err := s.sessions.remove(r.Context(), value, endLogout)
		switch {
		case err == nil:
			identify(r, sess)
		case !errors.Is(err, errNoSession):
			p := storeProblem(err, "")
			p.message = "You could not be logged out just now. Try again in a moment."
			return h.site.fail(w, r, p)
		}
	}
	s.clearCookie(w, s.sessionCookie)
	s.clearCookie(w, s.guardCookie)
	w.Header().Set("Cache-Control", "no-store")
	if wantsPageFromForm(r) {
		if query := r.URL.Query(); query.Has("return_to") {
			return redirect(w, returnPath(query.Get("return_to")), http.StatusSeeOther)
		}
		return s.pages.page(w, r, http.StatusOK, pageData{Kind: pageLoggedOut, Next: s.loginURL(), Home: "/"})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// wantsPageFromForm tells a form's submission from a fetch.
func wantsPageFromForm(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return acceptsHTML(r)
}

// refreshed is called after each attempt to refresh a session's token.
func (m *sessions) refreshed(a *pkce.Authenticator, ev pkce.RefreshEvent) {
	s, ok := a.Persister().(*session)
	if !ok {
		return
	}
	if o := m.audience.observer(); o != nil {
		o.metrics.refreshed(ev)
	}
	if ev.Outcome == pkce.RefreshReauthorize {
		m.forget(s)
		m.ended(s, endReauthorize, zap.Error(ev.Err))
		return
	}
	m.announceRefresh(s, ev)
	fields := []zap.Field{
		zap.String("session", s.ref()),
		zap.String("account", s.account.ID),
		zap.String("outcome", string(ev.Outcome)),
		zap.Duration("duration", ev.Duration),
		zap.Int("waiters", ev.Waiters),
		zap.Bool("background", ev.Background),
		zap.Bool("rotated", ev.Rotated),
	}
	switch {
	case ev.Outcome == pkce.RefreshSuperseded:
		if errors.Is(ev.Err, pkce.ErrGone) {
			m.forget(s)
			m.ended(s, endElsewhere)
		}
	case ev.Err == nil:
		m.logger().Info("token refreshed", fields...)
	default:
		suppressed, ok := m.faults.admit("refresh " + string(ev.Outcome))
		if !ok {
			return
		}
		line := "refreshing a token failed; it will be tried again"
		if ev.Outcome == pkce.RefreshRefreshed {
			line = "token refreshed, but not saved yet; saving will be tried again"
		}
		m.logger().Warn(line, append(fields, zap.Error(ev.Err), suppressed)...)
	}
}

// logProblem writes one line about an answer that somebody may want to know of.
func (s *site) logProblem(r *http.Request, p *problem) {
	if p.ordinary() && p.reason != reason.CrossSite && p.reason != reason.LoginLoop {
		return
	}
	level := zap.InfoLevel
	if p.status >= 500 {
		level = zap.WarnLevel
	}
	if c := s.logger.Check(level, "request not served"); c != nil {
		suppressed, ok := s.faults().admit("request " + string(p.reason))
		if !ok {
			return
		}
		c.Write(
			zap.Int("status", p.status),
			zap.String("reason", string(p.reason)),
			zap.String("method", r.Method),
			zap.String("path", r.URL.Path),
			zap.Error(p.err),
			suppressed)
	}
}
