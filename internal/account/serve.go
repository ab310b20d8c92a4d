package account

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
)

// The paths below that of the page, for forms and for code.
const (
	endPath      = "/end"      // one session or access key
	othersPath   = "/others"   // all other sessions
	deletePath   = "/delete"   // everything
	sessionsPath = "/sessions" // DELETE: all others, or below it one
)

// Serve responds below <prefix>/account. Whatever it is asked, it asks the session's
// cookie whose account it is about; an access key is of no use here.
func (a *Accounts) Serve(w http.ResponseWriter, r *http.Request, rest string) error {
	s := a.site
	ref, one := strings.CutPrefix(rest, sessionsPath+"/")
	var methods []string
	switch {
	case rest == "":
		methods = []string{http.MethodGet, http.MethodHead, http.MethodDelete}
	case rest == endPath, rest == othersPath, rest == deletePath:
		methods = []string{http.MethodPost}
	case rest == sessionsPath, one && session.IsRef(ref):
		methods = []string{http.MethodDelete}
	default:
		return s.Fail(w, r, problem.NotFound(s.Prefix))
	}
	if !slices.Contains(methods, r.Method) {
		return s.Fail(w, r, problem.MethodNotAllowed(methods))
	}
	if p := s.CheckTransport(r); p != nil {
		return s.Fail(w, r, p)
	}
	// A link to the page may stand anywhere: it shows itself to the person alone.
	pg := browser.WantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if !pg {
		if p := s.CheckOrigin(r); p != nil {
			return s.Fail(w, r, p)
		}
	}
	sess, err := s.SessionOf(r)
	if errors.Is(err, session.ErrNone) {
		if pg {
			return a.flow.AskToLogIn(w, r, reason.LoginRequired)
		}
		return s.Fail(w, r, problem.LoginRequired(s.LoginURLFor(a.path()), reason.LoginRequired))
	}
	if err != nil {
		return s.Fail(w, r, problem.StoreUnavailable(err, a.path()))
	}
	site.Identify(r, sess)
	if pg || r.Method == http.MethodPost {
		s.Sessions.Touch(sess)
	}
	switch {
	case rest == endPath:
		return a.endByForm(w, r, sess)
	case rest == othersPath, rest == sessionsPath:
		return a.endOthers(w, r, sess)
	case rest == deletePath, r.Method == http.MethodDelete && rest == "":
		return a.deleteAll(w, r, sess)
	case one:
		return a.endSession(w, r, sess, ref)
	case pg:
		return a.showPage(w, r, sess)
	}
	return a.showJSON(w, r, sess)
}
