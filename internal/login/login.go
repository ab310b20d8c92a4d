// Package login is the Authorization Code flow through the browser, from the pending
// login to the logout.
package login

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

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/site"
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

// Purpose is what a login is for that does not begin a session, such as
// one that creates an access key.
type Purpose struct {
	Name      string // in the cookies of pending logins: lower-case letters
	RetryURL  string // where a login that failed is started again
	Exclusive bool   // a browser has at most one such login pending, for its cookie is large
	// Finish ends a login that worked.
	Finish func(ctx context.Context, w http.ResponseWriter, r *http.Request, result Result) error
	// Cancelled words what it means that the person said no. It may be nil.
	Cancelled func(*problem.Problem)
}

// Result is what a login with a purpose led to.
type Result struct {
	Token   *pkce.Token
	Details string // of the purpose, as they were given
	State   string
}

// Flow is the Authorization Code flow of a site, through the browser. It is
// safe for concurrent use once its purposes are registered.
type Flow struct {
	site           *site.Site
	tokens         *pkce.Config
	issuer         string       // of the authorization server, for RFC 9207
	client         *http.Client // for the account lookup
	apiURL         string
	scopes         []string // asked for at every login
	optionalScopes []string // that a login may ask for in addition
	Used           *usedStates
	purposes       map[string]*Purpose
}

// New returns the flow of a site whose logins ask for the scopes of
// tokens, and for the optional ones where they are named.
func New(s *site.Site, tokens *pkce.Config, apiURL string, optionalScopes []string) *Flow {
	return &Flow{
		site:           s,
		tokens:         tokens,
		issuer:         IssuerOf(tokens.AuthorizeURL),
		client:         tokens.HTTPClient,
		apiURL:         apiURL,
		scopes:         tokens.Scopes,
		optionalScopes: optionalScopes,
		Used:           newUsedStates(),
		purposes:       make(map[string]*Purpose),
	}
}

// Register has logins of a purpose end where it says.
func (f *Flow) Register(p *Purpose) { f.purposes[p.Name] = p }

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

// ErrBadPendingLogin says that the cookie of a pending login makes no sense.
var ErrBadPendingLogin = errors.New("malformed pending login")

func decodePendingLogin(value string) (pendingLogin, error) {
	started, rest, ok1 := strings.Cut(value, ".")
	verifier, encoded, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 {
		return pendingLogin{}, ErrBadPendingLogin
	}
	seconds, err := strconv.ParseInt(started, 36, 64)
	if err != nil {
		return pendingLogin{}, ErrBadPendingLogin
	}
	if _, err := pkce.CodesFromVerifier(verifier); err != nil {
		return pendingLogin{}, ErrBadPendingLogin
	}
	encoded, purpose, marked := strings.Cut(encoded, ".")
	purpose, detailed, _ := strings.Cut(purpose, ".")
	if marked && !validPurpose(purpose) || len(detailed) > 2*maxDetails {
		return pendingLogin{}, ErrBadPendingLogin
	}
	details, err := base64.RawURLEncoding.DecodeString(detailed)
	if err != nil {
		return pendingLogin{}, ErrBadPendingLogin
	}
	path, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return pendingLogin{}, ErrBadPendingLogin
	}
	return pendingLogin{
		started:  time.Unix(seconds, 0),
		verifier: verifier,
		// The browser kept it; what it says is checked as if it came again.
		returnTo: browser.ReturnPath(string(path)),
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

// NewState returns 256 random bits. They name a cookie, so the alphabet is
// that of base64url.
func NewState() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// validState tells a state of ours from what cannot be one.
func validState(state string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(state)
	return err == nil && len(b) == 32
}

// ServeLogin begins the login that a person asked for.
func (f *Flow) ServeLogin(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.site.LoopbackDetour(r); ok {
		return problem.Redirect(w, there, http.StatusFound)
	}
	if p := f.site.CheckTransport(r); p != nil {
		return f.site.Fail(w, r, p)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f.site.Fail(w, r, problem.BadRequest("The query cannot be read: "+problem.QueryHint))
	}
	for name, values := range query {
		if len(values) > 1 {
			return f.site.Fail(w, r, problem.BadRequest("The parameter "+problem.Quote(name)+" is given more than once."))
		}
	}
	scopes, p := f.RequestedScopes(r, query)
	if p != nil {
		return f.site.Fail(w, r, p)
	}
	dialog := query.Get("show_dialog")
	if dialog != "" && dialog != "true" && dialog != "false" {
		return f.site.Fail(w, r, problem.BadRequest("show_dialog is true or false."))
	}
	// A person asked for this login, so it is no loop.
	f.site.Clear(w, f.site.JustLoggedIn)
	return f.Start(w, r, Options{
		ReturnTo:   browser.ReturnPath(query.Get("return_to")),
		Scopes:     scopes,
		ShowDialog: dialog == "true",
	})
}

// RequestedScopes returns the scopes a login asks for: those configured, the
// optional ones that the query names, and those that the visitor's session was
// granted before, which the new one would otherwise lose.
func (f *Flow) RequestedScopes(r *http.Request, query url.Values) ([]string, *problem.Problem) {
	scopes := slices.Clone(f.scopes)
	for _, scope := range strings.Fields(query.Get("scope")) {
		if !f.mayAskFor([]string{scope}) {
			return nil, problem.BadRequest("The scope " + problem.Quote(scope) + " is not among the configured ones. Add it to optional_scopes.")
		}
		scopes = append(scopes, scope)
	}
	if sess, err := f.site.SessionOf(r); err == nil && len(f.optionalScopes) > 0 {
		if token := sess.Auth.Current(); token != nil {
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

// Options say what a login asks for, and where it leads.
type Options struct {
	ReturnTo   string
	Scopes     []string
	ShowDialog bool
	Purpose    *Purpose // nil for a session
	Details    string
}

// startLogin sends the browser to Spotify.
func (f *Flow) Start(w http.ResponseWriter, r *http.Request, o Options) error {
	s := f.site
	// The answer's Location holds the state. The access log would show it.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	if p := s.CheckTransport(r); p != nil {
		return f.site.Fail(w, r, p)
	}
	codes, err := pkce.GenerateCodesLength(verifierLength)
	if err != nil {
		return f.site.Fail(w, r, &problem.Problem{Status: http.StatusInternalServerError, Reason: reason.LoginFailed, Message: "The login could not be started.", Err: err})
	}
	state := NewState()
	login, err := pkce.LoginRequest{
		AuthorizeURL: f.tokens.AuthorizeURL,
		ClientID:     s.ClientID,
		RedirectURI:  f.tokens.RedirectURI,
		State:        state,
		Codes:        codes,
		Scopes:       o.Scopes,
		ShowDialog:   o.ShowDialog,
	}.URL()
	if err != nil {
		return f.site.Fail(w, r, &problem.Problem{Status: http.StatusInternalServerError, Reason: reason.LoginFailed, Message: "The login could not be started.", Err: err})
	}
	f.dropPending(w, r, o.Purpose)
	pending := pendingLogin{started: s.Clock.Now(), verifier: codes.Verifier, returnTo: o.ReturnTo, details: o.Details}
	if o.Purpose != nil {
		pending.purpose = o.Purpose.Name
	}
	http.SetCookie(w, s.New(s.Login+state, pending.encode(), int(loginLife.Seconds())))
	s.Logger.Info("login started", zap.String("path", r.URL.Path), zap.Strings("scopes", o.Scopes))
	return problem.Redirect(w, login, http.StatusFound)
}

// maxDropped bounds how many cookies one answer deletes. A browser that has
// more is rid of the rest at its next logins.
const maxDropped = 2 * maxPendingLogins

// dropPending drops pending logins that have expired or make no sense, and the
// oldest of too many. A new login is never refused. One with an exclusive purpose
// takes the place of another such one.
func (f *Flow) dropPending(w http.ResponseWriter, r *http.Request, purpose *Purpose) {
	type entry struct {
		name    string
		started time.Time
	}
	var pending []entry
	dropped := 0
	drop := func(name string) {
		if dropped < maxDropped {
			f.site.Clear(w, name)
		}
		dropped++
	}
	now := f.site.Clock.Now()
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, f.site.Login) || c.Name == f.site.JustLoggedIn {
			continue
		}
		p, err := decodePendingLogin(c.Value)
		if err != nil || p.expired(now) || purpose != nil && purpose.Exclusive && p.purpose == purpose.Name {
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
func (f *Flow) startFor(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.site.LoopbackDetour(r); ok {
		return problem.Redirect(w, there, http.StatusFound)
	}
	if _, looping := browser.CookieValue(r.Header, f.site.JustLoggedIn); looping {
		f.site.Clear(w, f.site.JustLoggedIn)
		message := "You logged in a moment ago, but your browser came back without the session's cookie. " +
			"Check that it accepts cookies from this site, then try again."
		if _, ok := browser.CookieValue(r.Header, f.site.SessionName); ok {
			message = "You logged in a moment ago, but the session has ended already. Try again."
		}
		return f.site.Fail(w, r, &problem.Problem{
			Status:   http.StatusUnauthorized,
			Reason:   reason.LoginLoop,
			Message:  message,
			LoginURL: f.site.LoginURLFor(browser.ReturnPath(browser.OriginalURL(r).RequestURI())),
		})
	}
	return f.Start(w, r, Options{ReturnTo: browser.ReturnPath(browser.OriginalURL(r).RequestURI()), Scopes: f.scopes})
}

// AskToLogIn sends a person to log in and tells code to. Only a navigation is
// redirected: a fetch cannot follow to another origin, and the body of anything
// but a GET would be lost on the way.
func (f *Flow) AskToLogIn(w http.ResponseWriter, r *http.Request, why reason.Reason) error {
	if browser.WantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return f.startFor(w, r)
	}
	p := problem.LoginRequired(f.site.LoginURL(), why)
	p.ForCode = true
	return f.site.Fail(w, r, p)
}

// IssuerOf is the issuer identifier that an authorization endpoint stands for:
// its origin, as Spotify's.
func IssuerOf(authorizeURL string) string {
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
func (f *Flow) mayAskFor(scopes []string) bool {
	for _, scope := range scopes {
		if !slices.Contains(f.scopes, scope) && !slices.Contains(f.optionalScopes, scope) {
			return false
		}
	}
	return true
}

// LoginURLForScopes is the login that grants scopes, or empty if none does.
func (f *Flow) LoginURLForScopes(scopes []string) string {
	if !f.mayAskFor(scopes) {
		return ""
	}
	return f.site.LoginURL() + "?scope=" + url.QueryEscape(strings.Join(scopes, " "))
}
