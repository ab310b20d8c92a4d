package caddyspotify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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

func (u *usedStates) succeeded(state, next string) { u.seen.Add(state, next) }

// worked returns where to go on when the login of this state comes back once
// more, and false unless it did what it was for.
func (u *usedStates) worked(state string) (next string, ok bool) {
	next, _ = u.seen.Get(state)
	return next, next != ""
}

// mayHoldCode reports whether a request's URL may hold a code and a state: if
// it is for the callback, with whatever method, or looks as if it was meant to
// be, as when its path got another slash on the way.
func mayHoldCode(rest string, r *http.Request) bool {
	return rest == callbackSegment || strings.Contains(r.URL.RawQuery, "code=") || strings.Contains(r.URL.RawQuery, "state=")
}

// serveCallback is where Spotify sends the browser back.
func (f *loginFlow) serveCallback(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")

	s := f.site
	if p := s.checkTransport(r); p != nil {
		return f.loginFailed(w, r, p)
	}
	answer, p := parseCallback(r.URL.RawQuery)
	if p != nil {
		p.loginURL = s.loginURL()
		return f.loginFailed(w, r, p)
	}
	name := s.loginCookies + answer.state
	value, found := cookieValue(r.Header, name)
	if !found {
		return f.callbackWithoutLogin(w, r, answer.state)
	}
	// Whatever comes of it, this login is over.
	s.clearCookie(w, name)
	pending, err := decodePendingLogin(value)
	if err != nil || pending.expired(s.clock.Now()) {
		return f.loginFailed(w, r, f.loginExpired())
	}
	if !f.used.take(answer.state) {
		return f.callbackWithoutLogin(w, r, answer.state)
	}
	purpose, known := f.purposes[pending.purpose]
	if !known && pending.purpose != "" {
		// The config has changed since.
		return f.loginFailed(w, r, f.loginExpired())
	}
	if p := f.validate(answer); p != nil {
		p.loginURL = f.againURL(pending)
		if purpose != nil && purpose.cancelled != nil && p.reason == reason.LoginCancelled {
			purpose.cancelled(p)
		}
		return f.loginFailed(w, r, p)
	}
	return f.finishLogin(w, r, answer, pending, purpose)
}

// callbackAnswer is what Spotify says through the browser (RFC 6749 §4.1.2).
type callbackAnswer struct {
	state, code, issuer string
	err, description    string
}

func parseCallback(rawQuery string) (callbackAnswer, *problem) {
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

func badCallback(message string) *problem {
	return &problem{status: http.StatusBadRequest, reason: reason.LoginFailed, message: message}
}

func (f *loginFlow) loginExpired() *problem {
	return &problem{
		status: http.StatusBadRequest,
		reason: reason.LoginExpired,
		message: "This login is no longer under way in this browser. It may have taken longer than ten minutes, " +
			"or it began in another browser or under another address than " + f.site.origin + ".",
		loginURL: f.site.loginURL(),
	}
}

// validate refuses an answer that is not a success from the right server.
func (f *loginFlow) validate(a callbackAnswer) *problem {
	if a.issuer != "" && a.issuer != f.issuer {
		return &problem{
			status: http.StatusBadRequest, reason: reason.LoginFailed,
			message: "The answer came from another authorization server than the one that was asked.",
			err:     fmt.Errorf("iss is %s, want %s", printable(a.issuer), f.issuer),
		}
	}
	switch {
	case a.err == "":
		return nil
	case a.err == "access_denied":
		return &problem{
			status: http.StatusForbidden, reason: reason.LoginCancelled,
			message: "You did not give this app access to your Spotify account, so you are not logged in.",
		}
	default:
		return &problem{
			status: http.StatusBadGateway, reason: reason.LoginFailed,
			message: "Spotify ended the login with the error " + printable(a.err) + ".",
			err:     fmt.Errorf("authorization error %s: %s", printable(a.err), printable(a.description)),
		}
	}
}

// callbackWithoutLogin answers a callback whose pending login is gone. Reloading
// the address of a login that worked just goes on to the app.
func (f *loginFlow) callbackWithoutLogin(w http.ResponseWriter, r *http.Request, state string) error {
	next, worked := f.used.worked(state)
	if value, ok := cookieValue(r.Header, f.site.sessionCookie); ok && worked {
		if _, err := f.site.sessions.get(r.Context(), value); err == nil {
			return redirect(w, next, http.StatusSeeOther)
		}
	}
	return f.loginFailed(w, r, f.loginExpired())
}

// finishLogin exchanges the code and begins the session.
func (f *loginFlow) finishLogin(w http.ResponseWriter, r *http.Request, answer callbackAnswer, pending pendingLogin, purpose *loginPurpose) error {
	s := f.site
	again := f.againURL(pending)
	// A browser that goes away now must not lose a code that is used up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*f.tokens.Timeout)
	defer cancel()

	token, err := f.tokens.Exchange(ctx, answer.code, pending.verifier)
	if err != nil {
		return f.loginFailed(w, r, exchangeProblem(err, again))
	}
	if purpose != nil {
		return purpose.finish(ctx, w, r, loginResult{token: token, details: pending.details, state: answer.state})
	}
	who, err := f.lookUpProfile(ctx, token)
	acct := who.account()
	if p := asProblem(err); p != nil {
		// Spotify would let the same account in again without asking.
		p.loginURL = withDialog(again)
		return f.loginFailed(w, r, p)
	}
	if err != nil {
		// The login itself worked. Better a session without a name than none.
		s.logger.Warn("the account could not be looked up", zap.Error(err))
	}
	sess, err := s.sessions.create(ctx, token, acct)
	if err != nil {
		return f.loginFailed(w, r, storeProblem(err, again))
	}
	f.endReplaced(ctx, r, sess)

	identify(r, sess)
	f.used.succeeded(answer.state, "/")
	s.setSessionCookie(w, sess.id.Cookie())
	http.SetCookie(w, s.cookie(s.guardCookie, "1", int(guardLife/time.Second)))
	s.metrics.login(loginSucceeded)
	s.logger.Info("login",
		zap.String("session", sess.ref()),
		zap.String("account", acct.ID),
		zap.Strings("scopes", token.Scopes()),
		clientIP(r))
	s.observer.emit(eventLogin, sess, payload{"scopes": token.Scopes()})
	return f.goOn(w, r, pending.returnTo)
}

// endReplaced ends the session that this browser had before: an id is never
// used for two logins.
func (f *loginFlow) endReplaced(ctx context.Context, r *http.Request, by *session) {
	value, ok := cookieValue(r.Header, f.site.sessionCookie)
	if !ok {
		return
	}
	_, err := f.site.sessions.remove(ctx, value, endReplaced)
	if err != nil && !errors.Is(err, errNoSession) {
		f.site.logger.Warn("the session before this login could not be ended", zap.String("by", by.ref()), zap.Error(err))
	}
}

// againURL is where a login that failed is tried again.
func (f *loginFlow) againURL(p pendingLogin) string {
	if purpose, ok := f.purposes[p.purpose]; ok {
		return purpose.retryURL
	}
	return f.site.loginURLFor(p.returnTo)
}

// goOn returns to the app. A redirect would carry on the chain that began at
// Spotify, and the browser then calls the request cross-site: it would come
// without a strict cookie, and the Web API would refuse it. A page that moves
// on by itself begins a new chain.
func (f *loginFlow) goOn(w http.ResponseWriter, r *http.Request, path string) error {
	_, api := f.site.below(path)
	if f.site.sameSite == http.SameSiteStrictMode || api {
		return f.site.pages.page(w, r, http.StatusOK, pageData{Kind: pageGoOn, Next: path})
	}
	return redirect(w, path, http.StatusSeeOther)
}

func exchangeProblem(err error, loginURL string) *problem {
	p := &problem{
		status: http.StatusBadGateway, reason: reason.LoginFailed, err: err, loginURL: loginURL,
		message: "Spotify did not complete the login. Try again.",
	}
	if t, ok := errors.AsType[*pkce.TokenError](err); ok && t.Code == "invalid_client" {
		p.message = "Spotify does not know this app. Its operator should check client_id."
	}
	if errors.Is(err, pkce.ErrTemporary) {
		p.status, p.reason = http.StatusServiceUnavailable, reason.UpstreamUnavailable
		p.message = "Spotify cannot be reached just now. Try again in a moment."
		p.retryAfter = retryAfter(err)
	}
	return p
}

// retryAfter is how long a temporary error asks to wait, or a little while.
func retryAfter(err error) time.Duration {
	if t, ok := errors.AsType[*pkce.TemporaryError](err); ok && t.RetryAfter > 0 {
		return t.RetryAfter
	}
	return 5 * time.Second
}

func storeProblem(err error, loginURL string) *problem {
	return &problem{
		status: http.StatusServiceUnavailable, reason: reason.StoreUnavailable, err: err, loginURL: loginURL,
		message:    "Sessions cannot be reached just now. Try again in a moment; you are not logged out.",
		retryAfter: 5 * time.Second,
	}
}

// loginFailed ends a login that did not work. Nothing starts it again but the
// person, so it cannot loop.
func (f *loginFlow) loginFailed(w http.ResponseWriter, r *http.Request, p *problem) error {
	f.site.metrics.login(string(p.reason))
	// The access log skips the callback, so here is the only trace of somebody
	// who tries states or codes. What is out of the ordinary fail logs.
	if p.ordinary() {
		if suppressed, ok := f.site.faults().admit("login " + string(p.reason)); ok {
			f.site.logger.Info("login failed", zap.Int("status", p.status), zap.String("reason", string(p.reason)), clientIP(r), suppressed)
		}
	}
	return f.site.fail(w, r, p)
}

// clientIP is a log line's field with the visitor's address, as the access log
// would have it.
func clientIP(r *http.Request) zap.Field {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return zap.String("client_ip", ip)
}

// maxProfile bounds the profile that is read at login.
const maxProfile = 256 << 10

// profile is what the Web API says of the user behind a token.
type profile struct {
	AccountID   string `json:"account_id"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
}

func (p profile) account() account {
	return account{ID: cmp.Or(p.AccountID, p.ID), DisplayName: strings.ToValidUTF8(p.DisplayName, "")}
}

// lookUpProfile asks the Web API whose token it is. An account that Spotify
// does not let use the app comes back as a problem for the person to read.
//
// https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile
func (f *loginFlow) lookUpProfile(ctx context.Context, token *pkce.Token) (profile, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.apiURL+"/v1/me", nil)
	if err != nil {
		return profile{}, err
	}
	req.Header["Authorization"] = token.Header()
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return profile{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return profile{}, &problem{
			status: http.StatusForbidden, reason: reason.UserNotAllowlisted,
			message: "Spotify does not let this account use the app. While an app is in development mode, its owner " +
				"has to add the account under User Management in Spotify's dashboard.",
		}
	case resp.StatusCode != http.StatusOK:
		return profile{}, fmt.Errorf("the profile was answered with status %d", resp.StatusCode)
	}
	var who profile
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxProfile)).Decode(&who); err != nil {
		return profile{}, fmt.Errorf("reading the profile: %w", err)
	}
	return who, nil
}
