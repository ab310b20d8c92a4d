package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// usedStates remembers the logins that have come back, so that a second
// callback is told from a first even when the browser presents an old cookie.
// It is bounded; what it forgets, Spotify's single-use code still stops.
type usedStates struct {
	mu   sync.Mutex
	seen *lru.Cache[string, string] // where a login that worked went on to
}

func newUsedStates() *usedStates {
	seen, _ := lru.New[string, string](8192) // fails only for a size below one
	return &usedStates{seen: seen}
}

// take marks a state as used and reports whether it was unused before.
func (u *usedStates) take(state string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen.Contains(state) {
		return false
	}
	u.seen.Add(state, "")
	return true
}

func (u *usedStates) Succeeded(state, next string) { u.seen.Add(state, next) }

// worked returns where to go on when the login of this state comes back once
// more, and false unless it did what it was for.
func (u *usedStates) worked(state string) (next string, ok bool) {
	next, _ = u.seen.Get(state)
	return next, next != ""
}

// MayHoldCode reports whether a request's URL may hold a code and a state: if
// it is for the callback, with whatever method, or looks as if it was meant to
// be, as when its path got another slash on the way.
func MayHoldCode(rest string, r *http.Request) bool {
	return rest == browser.CallbackSegment || strings.Contains(r.URL.RawQuery, "code=") || strings.Contains(r.URL.RawQuery, "state=")
}

// ServeCallback is where Spotify sends the browser back.
func (f *Flow) ServeCallback(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")

	s := f.site
	if p := s.CheckTransport(r); p != nil {
		return f.LoginFailed(w, r, p)
	}
	answer, p := parseCallback(r.URL.RawQuery)
	if p != nil {
		p.LoginURL = s.LoginURL()
		return f.LoginFailed(w, r, p)
	}
	name := s.Login + answer.state
	value, found := browser.CookieValue(r.Header, name)
	if !found {
		return f.callbackWithoutLogin(w, r, answer.state)
	}
	// Whatever comes of it, this login is over.
	s.Clear(w, name)
	pending, err := decodePendingLogin(value)
	if err != nil || pending.expired(s.Clock.Now()) {
		return f.LoginFailed(w, r, f.LoginExpired())
	}
	if !f.Used.take(answer.state) {
		return f.callbackWithoutLogin(w, r, answer.state)
	}
	purpose, known := f.purposes[pending.purpose]
	if !known && pending.purpose != "" {
		// The config has changed since.
		return f.LoginFailed(w, r, f.LoginExpired())
	}
	if p := f.validate(answer); p != nil {
		p.LoginURL = f.againURL(pending)
		if purpose != nil && purpose.Cancelled != nil && p.Reason == reason.LoginCancelled {
			purpose.Cancelled(p)
		}
		return f.LoginFailed(w, r, p)
	}
	return f.finishLogin(w, r, answer, pending, purpose)
}

// callbackAnswer is what Spotify says through the browser (RFC 6749 §4.1.2).
type callbackAnswer struct {
	state, code, issuer string
	err, description    string
}

func parseCallback(rawQuery string) (callbackAnswer, *problem.Problem) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return callbackAnswer{}, badCallback("The address that Spotify sent you back to cannot be read.")
	}
	for _, name := range []string{"state", "code", "error", "error_description", "iss"} {
		if len(query[name]) > 1 {
			return callbackAnswer{}, badCallback("The address you came back with names " + name + " more than once.")
		}
	}
	a := callbackAnswer{
		state: query.Get("state"), code: query.Get("code"), issuer: query.Get("iss"),
		err: query.Get("error"), description: query.Get("error_description"),
	}
	switch {
	case !validState(a.state):
		return a, badCallback("The address you came back with does not belong to a login that began here.")
	case a.code == "" && a.err == "":
		return a, badCallback("The address you came back with has no code.")
	case a.code != "" && a.err != "":
		return a, badCallback("The address you came back with has a code and an error at once.")
	}
	return a, nil
}

func badCallback(message string) *problem.Problem {
	return &problem.Problem{Status: http.StatusBadRequest, Reason: reason.LoginFailed, Message: message}
}

// LoginExpired says that a login is no longer under way in this browser.
func (f *Flow) LoginExpired() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusBadRequest,
		Reason: reason.LoginExpired,
		Message: "This login is no longer under way in this browser. It may have taken longer than ten minutes, " +
			"or it began in another browser or under another address than " + f.site.Origin + ".",
		LoginURL: f.site.LoginURL(),
	}
}

// validate refuses an answer that is not a success from the right server.
func (f *Flow) validate(a callbackAnswer) *problem.Problem {
	if a.issuer != "" && a.issuer != f.issuer {
		return &problem.Problem{
			Status: http.StatusBadRequest, Reason: reason.LoginFailed,
			Message: "The answer came from another authorization server than the one that was asked.",
			Err:     fmt.Errorf("iss is %s, want %s", problem.Quote(a.issuer), f.issuer),
		}
	}
	switch {
	case a.err == "":
		return nil
	case a.err == "access_denied":
		return &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.LoginCancelled,
			Message: "You did not give this app access to your Spotify account, so you are not logged in.",
		}
	default:
		return &problem.Problem{
			Status: http.StatusBadGateway, Reason: reason.LoginFailed,
			Message: "Spotify ended the login with the error " + problem.Quote(a.err) + ".",
			Err:     fmt.Errorf("authorization error %s: %s", problem.Quote(a.err), problem.Quote(a.description)),
		}
	}
}

// callbackWithoutLogin answers a callback whose pending login is gone. Reloading
// the address of a login that worked just goes on to the app.
func (f *Flow) callbackWithoutLogin(w http.ResponseWriter, r *http.Request, state string) error {
	next, worked := f.Used.worked(state)
	if value, ok := browser.CookieValue(r.Header, f.site.SessionName); ok && worked {
		if _, err := f.site.Sessions.Get(r.Context(), value); err == nil {
			return problem.Redirect(w, next, http.StatusSeeOther)
		}
	}
	return f.LoginFailed(w, r, f.LoginExpired())
}

// finishLogin exchanges the code and begins the session.
func (f *Flow) finishLogin(w http.ResponseWriter, r *http.Request, answer callbackAnswer, pending pendingLogin, purpose *Purpose) error {
	s := f.site
	again := f.againURL(pending)
	// A browser that goes away now must not lose a code that is used up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*f.tokens.Timeout)
	defer cancel()

	token, err := f.tokens.Exchange(ctx, answer.code, pending.verifier)
	if err != nil {
		return f.LoginFailed(w, r, exchangeProblem(err, again))
	}
	if purpose != nil {
		return purpose.Finish(ctx, w, r, Result{Token: token, Details: pending.details, State: answer.state})
	}
	who, err := f.LookUpProfile(ctx, token)
	acct := who.Account()
	if p := problem.As(err); p != nil {
		// Spotify would let the same account in again without asking.
		p.LoginURL = withDialog(again)
		return f.LoginFailed(w, r, p)
	}
	if err != nil {
		// The login itself worked. Better a session without a name than none.
		s.Logger.Warn("account lookup failed", zap.Error(err))
	}
	sess, err := s.Sessions.Create(ctx, token, acct)
	if err != nil {
		return f.LoginFailed(w, r, problem.StoreUnavailable(err, again))
	}
	f.endReplaced(ctx, r, sess)

	site.Identify(r, sess)
	f.Used.Succeeded(answer.state, "/")
	s.SetSession(w, sess.ID.Cookie())
	http.SetCookie(w, s.New(s.JustLoggedIn, "1", int(guardLife/time.Second)))
	s.Metrics.Login(telemetry.LoginSucceeded)
	s.Logger.Info("login",
		zap.String("session", sess.Ref()),
		zap.String("account", acct.ID),
		zap.Strings("scopes", token.Scopes()),
		site.ClientIP(r))
	s.Observer.Emit(telemetry.EventLogin, sess, telemetry.Payload{"scopes": token.Scopes()})
	return f.returnToApp(w, r, pending.returnTo)
}

// EndReplaced ends the session that this browser had before: an id is never
// used for two logins.
func (f *Flow) endReplaced(ctx context.Context, r *http.Request, by *session.Session) {
	value, ok := browser.CookieValue(r.Header, f.site.SessionName)
	if !ok {
		return
	}
	_, err := f.site.Sessions.Remove(ctx, value, session.EndReplaced)
	if err != nil && !errors.Is(err, session.ErrNone) {
		f.site.Logger.Warn("ending previous session failed", zap.String("by", by.Ref()), zap.Error(err))
	}
}

// againURL is where a login that failed is tried again.
func (f *Flow) againURL(p pendingLogin) string {
	if purpose, ok := f.purposes[p.purpose]; ok {
		return purpose.RetryURL
	}
	return f.site.LoginURLFor(p.returnTo)
}

// returnToApp returns to the app. A redirect would carry on the chain that began at
// Spotify, and the browser then calls the request cross-site: it would come
// without a strict cookie, and the Web API would refuse it. A page that moves
// on by itself begins a new chain.
func (f *Flow) returnToApp(w http.ResponseWriter, r *http.Request, path string) error {
	_, api := f.site.Below(path)
	if f.site.SameSite == http.SameSiteStrictMode || api {
		return f.site.Pages.Page(w, r, http.StatusOK, page.Data{Kind: page.KindReturn, Next: path})
	}
	return problem.Redirect(w, path, http.StatusSeeOther)
}

func exchangeProblem(err error, loginURL string) *problem.Problem {
	p := &problem.Problem{
		Status: http.StatusBadGateway, Reason: reason.LoginFailed, Err: err, LoginURL: loginURL,
		Message: "Spotify did not complete the login. Try again.",
	}
	if t, ok := errors.AsType[*pkce.TokenError](err); ok && t.Code == "invalid_client" {
		p.Message = "Spotify does not know this app. Its operator should check client_id."
	}
	if errors.Is(err, pkce.ErrTemporary) {
		p.Status, p.Reason = http.StatusServiceUnavailable, reason.UpstreamUnavailable
		p.Message = "Spotify cannot be reached just now. Try again in a moment."
		p.RetryAfter = problem.RetryAfter(err)
	}
	return p
}

// LoginFailed ends a login that did not work. Nothing starts it again but the
// person, so it cannot loop.
func (f *Flow) LoginFailed(w http.ResponseWriter, r *http.Request, p *problem.Problem) error {
	f.site.Metrics.Login(string(p.Reason))
	// The access log skips the callback, so here is the only trace of somebody
	// who tries states or codes. What is out of the ordinary fail logs.
	if p.Ordinary() {
		if suppressed, ok := f.site.Faults().Admit("login " + string(p.Reason)); ok {
			f.site.Logger.Info("login failed", zap.Int("status", p.Status), zap.String("reason", string(p.Reason)), site.ClientIP(r), suppressed)
		}
	}
	return f.site.Fail(w, r, p)
}
