// Package login is the Authorization Code flow through the browser, from the pending
// login to the logout.
package login

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// ServeLogin begins the login that a person asked for.
func (f *Flow) ServeLogin(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.Detour(w, r); ok {
		return problem.Redirect(w, there, http.StatusFound)
	}
	if p := f.site.CheckTransport(r); p != nil {
		return f.site.Fail(w, r, p)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f.site.Fail(w, r, problem.BadRequest("The query cannot be read: "+problem.QueryHint))
	}
	for _, values := range query {
		if len(values) > 1 {
			return f.site.Fail(w, r, problem.BadRequest("A parameter is given more than once."))
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
	if browser.InFrame(r) {
		return f.loginInFrame(w, r, browser.OriginalURL(r).RequestURI())
	}
	// A person asked for this login, so it is no loop.
	if r.Method != http.MethodHead && !browser.AheadOfTime(r) {
		f.site.ForgetLogin(w, r.Header)
	}
	return f.Start(w, r, Options{
		ReturnTo:   browser.ReturnPath(query.Get("return_to")),
		Scopes:     scopes,
		ShowDialog: dialog == "true",
	})
}

// detourLife is how soon after it was sent to the public origin a browser cannot be
// expected to be back under another name.
const detourLife = 10 * time.Second

// Detour returns where a login has to begin if it cannot begin here: the same URL on
// the public origin. A browser is sent there once. If it is back at once, then
// something in front changes the names, and the login has to do with this one.
func (f *Flow) Detour(w http.ResponseWriter, r *http.Request) (string, bool) {
	if there, ok := f.site.LoopbackDetour(r); ok {
		return there, true
	}
	there, ok := f.site.SiblingDetour(r)
	if _, again := browser.CookieValue(r.Header, f.slotName(detourSlot)); !ok || again {
		return "", false
	}
	if r.Method != http.MethodHead && !browser.AheadOfTime(r) {
		http.SetCookie(w, f.site.New(f.slotName(detourSlot), "1", int(detourLife.Seconds())))
	}
	return there, true
}

// RequestedScopes returns the scopes a login asks for: those configured, the
// optional ones that the query names, and those that the visitor's session was
// granted before, which the new one would otherwise lose.
func (f *Flow) RequestedScopes(r *http.Request, query url.Values) ([]string, *problem.Problem) {
	scopes := slices.Clone(f.scopes)
	for _, scope := range strings.Fields(query.Get("scope")) {
		if !f.MayAskFor([]string{scope}) {
			p := problem.BadRequest("A scope that is asked for is not among the configured ones; the log has its name. Add it to optional_scopes.")
			p.Err = fmt.Errorf("scope %s is not configured", problem.Quote(scope))
			return nil, p
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

// Start sends the browser to Spotify. A HEAD gets the same response, but no login
// begins: there is no cookie.
func (f *Flow) Start(w http.ResponseWriter, r *http.Request, o Options) error {
	s := f.site
	if p := s.CheckTransport(r); p != nil {
		return f.site.Fail(w, r, p)
	}
	if browser.AheadOfTime(r) {
		return s.Fail(w, r, aheadOfTime())
	}
	pending := pendingLogin{started: s.Clock.Now(), mark: processMark, secret: newSecret(), returnTo: o.ReturnTo, details: o.Details}
	if o.Purpose != nil {
		pending.purpose = o.Purpose.Name
	}
	codes, err := pending.codes()
	if err != nil {
		return f.site.Fail(w, r, notStarted(err))
	}
	slot := byte('0')
	if r.Method != http.MethodHead {
		var ok bool
		if slot, ok = f.place(w, r, &pending, o.Purpose != nil && o.Purpose.Exclusive); !ok {
			return s.Fail(w, r, problem.BadRequest("There is too much to keep in mind until you come back from Spotify. Ask for less."))
		}
	}
	login, err := pkce.LoginRequest{
		AuthorizeURL: f.tokens.AuthorizeURL,
		ClientID:     s.ClientID,
		RedirectURI:  f.tokens.RedirectURI,
		State:        state{nonce: pending.nonce(), slot: slot, host: !s.OnPublicHost(r), started: pending.started}.String(),
		Codes:        codes,
		Scopes:       o.Scopes,
		ShowDialog:   o.ShowDialog,
	}.URL()
	if err != nil {
		return f.site.Fail(w, r, notStarted(err))
	}
	if r.Method == http.MethodHead {
		return problem.Redirect(w, login, http.StatusFound)
	}
	// The response's Location has the state of a login that this browser can end. The
	// access log would show it, so there is a line of our own instead.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	if o.Purpose == nil {
		s.ClaimSession(w, r.Header)
	}
	s.Logger.Info("login started", zap.String("path", r.URL.Path), zap.Strings("scopes", o.Scopes), telemetry.ClientIP(r))
	return problem.Redirect(w, login, http.StatusFound)
}

func notStarted(err error) *problem.Problem {
	return &problem.Problem{Status: http.StatusInternalServerError, Reason: reason.LoginFailed, Message: "The login could not be started.", Err: err}
}

// startFor begins a login that a page, and not a person, asked for, and
// stops with a diagnosis when one has succeeded a moment ago: then the browser
// does not keep the session's cookie, and going round again would never end.
func (f *Flow) startFor(w http.ResponseWriter, r *http.Request) error {
	if there, ok := f.Detour(w, r); ok {
		return problem.Redirect(w, there, http.StatusFound)
	}
	if f.site.JustLoggedIn(r.Header) {
		if r.Method != http.MethodHead {
			f.site.ForgetLogin(w, r.Header)
		}
		message := "You logged in a moment ago, but your browser came back without the session's cookie. " +
			"Check that it accepts cookies from this site, then try again."
		if _, ok := f.site.Session(r.Header); ok {
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
// but a GET would be lost on the way. One for a frame gets a page that leads out of it,
// and one ahead of time is refused like code, so that no login begins.
func (f *Flow) AskToLogIn(w http.ResponseWriter, r *http.Request, why reason.Reason) error {
	if browser.WantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !browser.AheadOfTime(r) {
		if browser.InFrame(r) {
			return f.loginInFrame(w, r, f.site.LoginURLFor(f.pageAround(r)))
		}
		return f.startFor(w, r)
	}
	p := problem.LoginRequired(f.site.LoginURL(), why)
	p.ForCode = true
	return f.site.Fail(w, r, p)
}

// withDialog has a login ask even a user who agreed before, who can then switch
// accounts.
func withDialog(loginURL string) string {
	if strings.Contains(loginURL, "?") {
		return loginURL + "&show_dialog=true"
	}
	return loginURL + "?show_dialog=true"
}

// MayAskFor reports whether a login here can grant the scopes.
func (f *Flow) MayAskFor(scopes []string) bool {
	for _, scope := range scopes {
		if !slices.Contains(f.scopes, scope) && !slices.Contains(f.optionalScopes, scope) {
			return false
		}
	}
	return true
}

// Configured returns those of the scopes that a login here can ask for.
func (f *Flow) Configured(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !f.MayAskFor([]string{scope}) })
}

// LoginURLForScopes is the login that grants scopes, or empty if none does.
func (f *Flow) LoginURLForScopes(scopes []string) string {
	if !f.MayAskFor(scopes) {
		return ""
	}
	return f.site.LoginURL() + "?scope=" + url.QueryEscape(strings.Join(scopes, " "))
}
