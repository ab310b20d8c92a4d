package caddyspotify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// loginLife is how long a person may take at Spotify.
	loginLife = 10 * time.Minute
	// maxPendingLogins bounds the logins under way in one browser: ten tabs
	// that a person opened at once can all come back, and the cookies of the
	// most devoted clicker still fit a request header.
	maxPendingLogins = 10
	// verifierLength is the shortest that RFC 7636 §4.1 allows. Its 43
	// characters hold 256 random bits, and every cookie carries one.
	verifierLength = 43
	// guardLife is how soon after a login a new one, started by a page and not
	// by a person, means that the browser did not keep the session.
	guardLife = 10 * time.Second
)

// pendingLogin is a login under way. It lives in a cookie of its own, named by
// its state, so the server keeps nothing for a visitor who may never return,
// and several tabs can log in at once. The state and the verifier in it are
// of use only together with a code that Spotify hands to the same browser.
type pendingLogin struct {
	started  time.Time
	verifier string
	returnTo string
	purpose  string // what it is for, if not for a session
	details  string // of the purpose
}

// loginPurpose is what a login is for that does not begin a session, such as
// one that creates an access key.
type loginPurpose struct {
	name      string // in the cookies of pending logins: lower-case letters
	retryURL  string // where a login that failed is started again
	exclusive bool   // a browser has at most one such login pending, for its cookie is large
	// finish ends a login that worked.
	finish func(ctx context.Context, w http.ResponseWriter, r *http.Request, result loginResult) error
	// cancelled words what it means that the person said no. It may be nil.
	cancelled func(*problem)
}

// loginResult is what a login with a purpose led to.
type loginResult struct {
	token   *pkce.Token
	details string // of the purpose, as they were given
	state   string
}

// loginFlow is the Authorization Code flow of a site, through the browser. It is
// safe for concurrent use once its purposes are registered.
type loginFlow struct {
	site           *site
	tokens         *pkce.Config
	issuer         string       // of the authorization server, for RFC 9207
	client         *http.Client // for the account lookup
	apiURL         string
	scopes         []string // asked for at every login
	optionalScopes []string // that a login may ask for in addition
	used           *usedStates
	purposes       map[string]*loginPurpose
}

// newLoginFlow returns the flow of a site whose logins ask for the scopes of
// tokens, and for the optional ones where they are named.
func newLoginFlow(s *site, tokens *pkce.Config, apiURL string, optionalScopes []string) *loginFlow {
	return &loginFlow{
		site:           s,
		tokens:         tokens,
		issuer:         issuerOf(tokens.AuthorizeURL),
		client:         tokens.HTTPClient,
		apiURL:         apiURL,
		scopes:         tokens.Scopes,
		optionalScopes: optionalScopes,
		used:           newUsedStates(),
		purposes:       make(map[string]*loginPurpose),
	}
}

// register has logins of a purpose end where it says.
func (f *loginFlow) register(p *loginPurpose) { f.purposes[p.name] = p }

// maxDetails bounds what a login's purpose may add to its cookie.
const maxDetails = 2048

func (p pendingLogin) encode() string {
	return strconv.FormatInt(p.started.Unix(), 36) + "." + p.verifier + "." +
		base64.RawURLEncoding.EncodeToString([]byte(p.returnTo)) + p.suffix()
}

func (p pendingLogin) suffix() string {
	if p.purpose == "" {
		return ""
	}
	if p.details == "" {
		return "." + p.purpose
	}
	return "." + p.purpose + "." + base64.RawURLEncoding.EncodeToString([]byte(p.details))
}

var errBadPendingLogin = errors.New("malformed pending login")

func decodePendingLogin(value string) (pendingLogin, error) {
	started, rest, ok1 := strings.Cut(value, ".")
	verifier, encoded, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 {
		return pendingLogin{}, errBadPendingLogin
	}
	seconds, err := strconv.ParseInt(started, 36, 64)
	if err != nil {
		return pendingLogin{}, errBadPendingLogin
	}
	if _, err := pkce.CodesFromVerifier(verifier); err != nil {
		return pendingLogin{}, errBadPendingLogin
	}
	encoded, purpose, marked := strings.Cut(encoded, ".")
	purpose, detailed, _ := strings.Cut(purpose, ".")
	if marked && !validPurpose(purpose) || len(detailed) > 2*maxDetails {
		return pendingLogin{}, errBadPendingLogin
	}
	details, err := base64.RawURLEncoding.DecodeString(detailed)
	if err != nil {
		return pendingLogin{}, errBadPendingLogin
	}
	path, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return pendingLogin{}, errBadPendingLogin
	}
	return pendingLogin{
		started:  time.Unix(seconds, 0),
		verifier: verifier,
		// The browser kept it; what it says is checked as if it came anew.
		returnTo: returnPath(string(path)),
		purpose:  purpose,
		details:  string(details),
	}, nil
}

// validPurpose reports whether a purpose may be one, of this config or another.
func validPurpose(name string) bool {
	return name != "" && len(name) <= 16 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == ""
}

func (p pendingLogin) expired(now time.Time) bool {
	age := now.Sub(p.started)
	return age < -time.Minute || age > loginLife
}

// newState returns 256 random bits. They name a cookie, so the alphabet is
// that of base64url.
func newState() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// validState tells a state of ours from what cannot be one.
func validState(state string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(state)
	return err == nil && len(b) == 32
}

func (f *loginFlow) serveLogin(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	if p := f.site.checkTransport(r); p != nil {
		return f.site.fail(w, r, p)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f.site.fail(w, r, badRequest("The query cannot be read: "+queryHint))
	}
	for name, values := range query {
		if len(values) > 1 {
			return f.site.fail(w, r, badRequest("The parameter "+printable(name)+" is given more than once."))
		}
	}
	scopes, p := f.requestedScopes(r, query)
	if p != nil {
		return f.site.fail(w, r, p)
	}
	dialog := query.Get("show_dialog")
	if dialog != "" && dialog != "true" && dialog != "false" {
		return f.site.fail(w, r, badRequest("show_dialog is true or false."))
	}
	// A person asked for this login, so it is no loop.
	f.site.clearCookie(w, f.site.guardCookie)
	return f.start(w, r, loginOptions{
		returnTo:   returnPath(query.Get("return_to")),
		scopes:     scopes,
		showDialog: dialog == "true",
	})
}

const queryHint = "percent-encode its values, and separate them by &."

func badRequest(message string) *problem {
	return &problem{status: http.StatusBadRequest, reason: reason.BadRequest, message: message}
}

// requestedScopes returns the scopes a login asks for: those configured, the
// optional ones that the query names, and those that the visitor's session was
// granted before, which the new one would otherwise lose.
func (f *loginFlow) requestedScopes(r *http.Request, query url.Values) ([]string, *problem) {
	scopes := slices.Clone(f.scopes)
	for _, scope := range strings.Fields(query.Get("scope")) {
		if !f.mayAskFor([]string{scope}) {
			return nil, badRequest("The scope " + printable(scope) + " is not among the configured ones. Add it to optional_scopes.")
		}
		scopes = append(scopes, scope)
	}
	if sess, err := f.site.sessionOf(r); err == nil && len(f.optionalScopes) > 0 {
		if token := sess.auth.Current(); token != nil {
			for _, scope := range token.Scopes() {
				if slices.Contains(f.optionalScopes, scope) {
					scopes = append(scopes, scope)
				}
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

type loginOptions struct {
	returnTo   string
	scopes     []string
	showDialog bool
	purpose    *loginPurpose // nil for a session
	details    string
}

// startLogin sends the browser to Spotify.
func (f *loginFlow) start(w http.ResponseWriter, r *http.Request, o loginOptions) error {
	s := f.site
	// The answer's Location holds the state. The access log would show it.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	if p := s.checkTransport(r); p != nil {
		return f.site.fail(w, r, p)
	}
	codes, err := pkce.GenerateCodesLength(verifierLength)
	if err != nil {
		return f.site.fail(w, r, &problem{status: http.StatusInternalServerError, reason: reason.LoginFailed, message: "The login could not be started.", err: err})
	}
	state := newState()
	login, err := pkce.LoginRequest{
		AuthorizeURL: f.tokens.AuthorizeURL,
		ClientID:     s.clientID,
		RedirectURI:  f.tokens.RedirectURI,
		State:        state,
		Codes:        codes,
		Scopes:       o.scopes,
		ShowDialog:   o.showDialog,
	}.URL()
	if err != nil {
		return f.site.fail(w, r, &problem{status: http.StatusInternalServerError, reason: reason.LoginFailed, message: "The login could not be started.", err: err})
	}
	f.makeRoom(w, r, o.purpose)
	pending := pendingLogin{started: s.clock.Now(), verifier: codes.Verifier, returnTo: o.returnTo, details: o.details}
	if o.purpose != nil {
		pending.purpose = o.purpose.name
	}
	http.SetCookie(w, s.cookie(s.loginCookies+state, pending.encode(), int(loginLife.Seconds())))
	s.logger.Info("login started", zap.String("path", r.URL.Path), zap.Strings("scopes", o.scopes))
	return redirect(w, login, http.StatusFound)
}

// maxDropped bounds how many cookies one answer deletes. A browser that has
// more is rid of the rest at its next logins.
const maxDropped = 2 * maxPendingLogins

// makeRoom drops pending logins that have expired or make no sense, and the
// oldest of too many. A new login is never refused. One with an exclusive purpose
// takes the place of another such one.
func (f *loginFlow) makeRoom(w http.ResponseWriter, r *http.Request, purpose *loginPurpose) {
	type entry struct {
		name    string
		started time.Time
	}
	var pending []entry
	dropped := 0
	drop := func(name string) {
		if dropped < maxDropped {
			f.site.clearCookie(w, name)
		}
		dropped++
	}
	now := f.site.clock.Now()
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, f.site.loginCookies) || c.Name == f.site.guardCookie {
			continue
		}
		p, err := decodePendingLogin(c.Value)
		if err != nil || p.expired(now) || purpose != nil && purpose.exclusive && p.purpose == purpose.name {
			drop(c.Name)
			continue
		}
		pending = append(pending, entry{c.Name, p.started})
	}
	slices.SortStableFunc(pending, func(a, b entry) int { return a.started.Compare(b.started) })
	for len(pending) >= maxPendingLogins {
		drop(pending[0].name)
		pending = pending[1:]
	}
}

// startLoginFor begins a login that a page, and not a person, asked for, and
// stops with a diagnosis when one has succeeded a moment ago: then the browser
// does not keep the session's cookie, and going round again would never end.
func (f *loginFlow) startFor(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	if _, looping := cookieValue(r.Header, f.site.guardCookie); looping {
		f.site.clearCookie(w, f.site.guardCookie)
		message := "You logged in a moment ago, but your browser came back without the session's cookie. " +
			"Check that it accepts cookies from this site, then try again."
		if _, ok := cookieValue(r.Header, f.site.sessionCookie); ok {
			message = "You logged in a moment ago, but the session has ended already. Try again."
		}
		return f.site.fail(w, r, &problem{
			status:   http.StatusUnauthorized,
			reason:   reason.LoginLoop,
			message:  message,
			loginURL: f.site.loginURLFor(returnPath(askedFor(r).RequestURI())),
		})
	}
	return f.start(w, r, loginOptions{returnTo: returnPath(askedFor(r).RequestURI()), scopes: f.scopes})
}

// askToLogIn sends a person to log in and tells code to. Only a navigation is
// redirected: a fetch cannot follow to another origin, and the body of anything
// but a GET would be lost on the way.
func (f *loginFlow) askToLogIn(w http.ResponseWriter, r *http.Request, why reason.Reason) error {
	if wantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return f.startFor(w, r)
	}
	p := loginRequired(f.site.loginURL(), why)
	p.forCode = true
	return f.site.fail(w, r, p)
}

// redirect sends the browser elsewhere. Nothing about it is to be kept.
func redirect(w http.ResponseWriter, location string, status int) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", location)
	w.WriteHeader(status)
	return nil
}

// printable quotes what a visitor sent for a message, and bounds it.
func printable(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.QuoteToASCII(s)
}

// issuerOf is the issuer identifier that an authorization endpoint stands for:
// its origin, as Spotify's.
func issuerOf(authorizeURL string) string {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "" // it was checked
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// withDialog has a login ask even a user who agreed before, who can then switch
// accounts.
func withDialog(loginURL string) string {
	if strings.Contains(loginURL, "?") {
		return loginURL + "&show_dialog=true"
	}
	return loginURL + "?show_dialog=true"
}

// mayAskFor reports whether a login here can grant the scopes.
func (f *loginFlow) mayAskFor(scopes []string) bool {
	for _, scope := range scopes {
		if !slices.Contains(f.scopes, scope) && !slices.Contains(f.optionalScopes, scope) {
			return false
		}
	}
	return true
}

// loginURLForScopes is the login that grants scopes, or empty if none does.
func (f *loginFlow) loginURLForScopes(scopes []string) string {
	if !f.mayAskFor(scopes) {
		return ""
	}
	return f.site.loginURL() + "?scope=" + url.QueryEscape(strings.Join(scopes, " "))
}
