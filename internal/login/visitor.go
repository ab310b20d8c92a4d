package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// sessionInfo is what GET session answers.
type sessionInfo struct {
	Authenticated bool             `json:"authenticated"`
	Account       *session.Account `json:"account,omitempty"`
	Scopes        []string         `json:"scopes,omitempty"`
	ExpiresAt     *time.Time       `json:"expires_at,omitempty"`
	ReauthorizeBy *time.Time       `json:"reauthorize_by,omitempty"`
	Due           bool             `json:"reauthorization_due,omitempty"`
	LoginURL      string           `json:"login_url,omitempty"`
	LogoutURL     string           `json:"logout_url,omitempty"`
	AccountURL    string           `json:"account_url,omitempty"`
}

// ServeSession says who is logged in. Asking does not count as using the
// session, so a page that polls does not keep it alive.
func (f *Flow) ServeSession(w http.ResponseWriter, r *http.Request) error {
	s := f.site
	if p := s.CheckTransport(r); p != nil {
		return s.Fail(w, r, p)
	}
	if p := s.CheckOriginOrAllowed(r); p != nil {
		return s.Fail(w, r, p)
	}
	sess, err := s.SessionOf(r)
	if err != nil && !errors.Is(err, session.ErrNone) {
		return s.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	info := sessionInfo{LoginURL: s.LoginURL()}
	if err == nil {
		site.Identify(r, sess)
		if token := sess.Auth.Current(); token != nil {
			expires, reauthorize := time.Unix(sess.ExpiresAt(), 0).UTC(), sess.ReauthorizeBy()
			info = sessionInfo{
				Authenticated: true,
				Account:       &sess.Account,
				Scopes:        append([]string{}, token.Scopes()...),
				ExpiresAt:     &expires,
				ReauthorizeBy: &reauthorize,
				Due:           sess.ReauthorizeDue(s.Clock.Now(), s.Upstream.ReauthorizeNotice),
				LogoutURL:     s.LogoutURL(),
				AccountURL:    s.AccountURL(),
			}
		}
	}
	problem.SetJSONHeaders(w.Header())
	w.Header().Add("Vary", "Cookie")
	return json.NewEncoder(w).Encode(info)
}

// ServeLogout ends the session, in the store and so everywhere. A person who comes by a
// link or the address bar is asked first: any page could have sent them.
func (f *Flow) ServeLogout(w http.ResponseWriter, r *http.Request) error {
	s := f.site
	if r.Method != http.MethodPost {
		if !browser.WantsPage(r) {
			return s.Fail(w, r, problem.MethodNotAllowed([]string{http.MethodPost}))
		}
		if p := s.CheckTransport(r); p != nil {
			return s.Fail(w, r, p)
		}
		action := s.LogoutURL()
		if query := r.URL.Query(); query.Has("return_to") {
			action += "?return_to=" + url.QueryEscape(browser.ReturnPath(query.Get("return_to")))
		}
		return s.Pages.Page(w, r, http.StatusOK, page.Data{Kind: page.KindLogOut, Next: action, Home: "/"})
	}
	if p := s.CheckTransport(r); p != nil {
		return s.Fail(w, r, p)
	}
	if p := s.CheckOriginOrAllowed(r); p != nil {
		return s.Fail(w, r, p)
	}
	return f.LogOut(w, r)
}

// LogOut ends the session of a request whose origin has been checked.
func (f *Flow) LogOut(w http.ResponseWriter, r *http.Request) error {
	s := f.site
	if value, ok := s.Session(r.Header); ok {
		sess, err := s.Sessions.Remove(r.Context(), value, session.EndLogout, telemetry.ClientIP(r))
		switch {
		case err == nil:
			site.Identify(r, sess)
		case !errors.Is(err, session.ErrNone):
			p := problem.StoreUnavailable(err, "")
			p.Message = "You could not be logged out just now. Try again in a moment."
			return s.Fail(w, r, p)
		}
	}
	s.ClearSession(w, r.Header)
	s.ForgetLogin(w, r.Header)
	w.Header().Set("Cache-Control", "no-store")
	if browser.WantsPageAfterForm(r) {
		if query := r.URL.Query(); query.Has("return_to") {
			return problem.Redirect(w, browser.ReturnPath(query.Get("return_to")), http.StatusSeeOther)
		}
		return s.Pages.Page(w, r, http.StatusOK, page.Data{Kind: page.KindLoggedOut, Next: s.LoginURL(), Home: "/"})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
