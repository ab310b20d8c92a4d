package site

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
)

// SessionOf returns the session that the request's cookie leads to.
func (s *Site) SessionOf(r *http.Request) (*session.Session, error) {
	return s.SessionAt(r, s.Sessions.Clock.Now().Unix())
}

// SessionAt is SessionOf for a caller that knows the time, in Unix seconds.
func (s *Site) SessionAt(r *http.Request, now int64) (*session.Session, error) {
	value, ok := s.Session(r.Header)
	if !ok {
		return nil, session.ErrNone
	}
	return s.Sessions.GetAt(r.Context(), value, now)
}

// Permits implements policy: a visitor may do what the site allows.
func (s *Site) Permits(*session.Session, *http.Request) *problem.Problem { return nil }

// Ended implements policy.
func (s *Site) Ended(err error) *problem.Problem {
	p := problem.LoginRequired(s.LoginURL(), reason.ReauthorizationRequired)
	p.Err = err
	return p
}

// logProblem writes one line about a refusal that an operator may want to know of. The
// problem gets the identifier that is in the line.
func (s *Site) logProblem(r *http.Request, p *problem.Problem) {
	if p.Ordinary() && p.Reason != reason.CrossSite && p.Reason != reason.LoginLoop {
		return
	}
	p.RequestID = s.Faults().NotServed(s.Logger, r, p.Status, p.Reason, p.Err)
}

// Identify tells the rest of the chain, and the access log, whose request it is.
// The values are looked up when somebody asks for them.
func Identify(r *http.Request, sess *session.Session) {
	if repl := replacerFrom(r); repl != nil {
		repl.Map(sess.Placeholder)
	}
}

// Fail answers a request with p: as a page to a person who navigated, as JSON
// to code. An error route of the site's own (handle_errors) goes first, and
// what it leaves unanswered gets our rendering.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, p *problem.Problem) error {
	s.logProblem(r, p)
	p.SetHeaders(w.Header())
	render := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if !p.ForCode && browser.WantsPage(r) {
			return s.Pages.Page(w, r, p.Status, page.Problem(p))
		}
		problem.SetJSONHeaders(w.Header())
		return problem.Write(w, r, p.Status, p.Body())
	})

	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Errors == nil || len(server.Errors.Routes) == 0 {
		return render(w, r)
	}
	// Returning the error would also reach handle_errors, but a route that
	// does not match would then leave an empty body instead of ours.
	r = server.Errors.WithError(r, caddyhttp.Error(p.Status, p))
	return throughErrorRoutes(w, r, server.Errors.Routes, p, render)
}

// replacerFrom returns the request's replacer, or nil outside of a server.
func replacerFrom(r *http.Request) *caddy.Replacer {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl
}
