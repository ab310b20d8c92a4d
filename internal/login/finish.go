package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// callbackWithoutLogin answers a callback whose pending login is gone, with the
// reason why it is. Reloading the address of a login that worked just goes on to the
// app.
func (f *Flow) callbackWithoutLogin(w http.ResponseWriter, r *http.Request, st state) error {
	used, known := f.states.seen.Get(st.nonce)
	if value, ok := f.site.Session(r.Header); ok && used.how == endedSucceeded {
		if _, err := f.site.Sessions.Get(r.Context(), value); err == nil {
			return problem.Redirect(w, used.next, http.StatusSeeOther)
		}
	}
	why := wrongBrowser
	switch _, taken := browser.CookieValue(r.Header, f.slotName(st.slot)); {
	case used.how == endedCancelled:
		why = cancelledAlready
	case known:
		why = usedUp
	case st.slot == 0: // it says nothing of itself
	case f.site.Clock.Now().Sub(st.started) > loginLife:
		why = tooOld
	case st.host:
		why = wrongHost
	case taken:
		why = replaced
	}
	return f.LoginFailed(w, r, f.refuseCallback(why))
}

// finishLogin exchanges the code and begins the session.
func (f *Flow) finishLogin(w http.ResponseWriter, r *http.Request, answer callbackAnswer, pending pendingLogin, purpose *Purpose) error {
	s := f.site
	again := f.againURL(pending)
	// A browser that goes away now must not lose a code that is used up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*f.tokens.Timeout)
	defer cancel()

	codes, err := pending.codes()
	if err != nil {
		return err
	}
	token, err := f.tokens.Exchange(ctx, answer.code, codes.Verifier)
	if err != nil {
		return f.LoginFailed(w, r, exchangeProblem(err, again))
	}
	if purpose != nil {
		return purpose.Finish(ctx, w, r, Result{Token: token, Details: pending.details, State: answer.state.String()})
	}
	who, p := f.LookUpProfile(ctx, token)
	if p != nil {
		if p.LoginURL = again; p.Status == http.StatusForbidden {
			// Spotify would let the same account in again without asking.
			p.LoginURL = withDialog(again)
		}
		return f.LoginFailed(w, r, p)
	}
	acct := who.Account()
	sess := s.Sessions.NewBrowser(acct)
	if f.begins != nil {
		f.begins(ctx, r, sess)
	}
	if err := s.Sessions.Keep(ctx, sess, token); err != nil {
		return f.LoginFailed(w, r, problem.StoreUnavailable(err, again))
	}
	f.endReplaced(ctx, r, sess)

	site.Identify(r, sess)
	f.Succeeded(answer.state.String(), pending.returnTo)
	s.SetSession(w, r.Header, sess.ID.Cookie())
	s.MarkLogin(w, int(guardLife/time.Second))
	s.Metrics.Login(telemetry.LoginSucceeded)
	s.Logger.Info("login",
		zap.String("session", sess.Ref()),
		zap.String("account", acct.ID),
		zap.Strings("scopes", token.Scopes()),
		telemetry.ClientIP(r))
	s.Observer.Audit(telemetry.AuditLogin, sess, zap.Strings("scopes", token.Scopes()), telemetry.ClientIP(r))
	s.Observer.Emit(telemetry.EventLogin, sess, telemetry.Payload{"scopes": token.Scopes()})
	return f.ReturnToApp(w, r, pending.returnTo)
}

// endReplaced ends the session that this browser had before: an id is never used
// for two logins. Until the browser has the new cookie, its other tabs go on with
// the old one.
func (f *Flow) endReplaced(ctx context.Context, r *http.Request, by *session.Session) {
	value, ok := f.site.OwnSession(r.Header)
	if !ok {
		return
	}
	err := f.site.Sessions.Replace(ctx, value, by, telemetry.ClientIP(r))
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

// ReturnToApp returns to the app. A redirect would carry on the chain that began at
// Spotify, and the browser then calls the request cross-site: it would come
// without a strict cookie, and the Web API would refuse it. A page that moves
// on by itself begins a new chain.
func (f *Flow) ReturnToApp(w http.ResponseWriter, r *http.Request, path string) error {
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
	if suppressed, ok := f.site.Faults().Admit("audit login " + string(p.Reason)); ok {
		f.site.Observer.Audit(telemetry.AuditLoginFailed, nil,
			zap.Int("status", p.Status), zap.String("reason", string(p.Reason)), telemetry.ClientIP(r), suppressed)
	}
	// The access log skips the callback, so here is the only trace of somebody
	// who tries states or codes. What is out of the ordinary fail logs.
	if p.Ordinary() {
		if suppressed, ok := f.site.Faults().Admit("login " + string(p.Reason)); ok {
			p.RequestID = telemetry.RequestID(r)
			f.site.Logger.Info("login failed", zap.Int("status", p.Status), zap.String("reason", string(p.Reason)),
				telemetry.ClientIP(r), zap.String("uuid", p.RequestID), suppressed)
		}
	}
	return f.site.Fail(w, r, p)
}
