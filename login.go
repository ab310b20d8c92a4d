package caddyspotify

import (
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

// The purposes of logins that do not begin a session.
const (
	purposeShare = "share" // connects the shared account
	purposeKey   = "key"   // creates an access key, which the details describe
)

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
	if marked && purpose != purposeShare && purpose != purposeKey || len(detailed) > 2*maxDetails {
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

func (h *Handler) serveLogin(w http.ResponseWriter, r *http.Request) error {
	if there, ok := h.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	if p := h.site.checkTransport(r); p != nil {
		return h.fail(w, r, p)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return h.fail(w, r, badRequest("The query cannot be read: "+queryHint))
	}
	for name, values := range query {
		if len(values) > 1 {
			return h.fail(w, r, badRequest("The parameter "+printable(name)+" is given more than once."))
		}
	}
	scopes, p := h.requestedScopes(r, query)
	if p != nil {
		return h.fail(w, r, p)
	}
	dialog := query.Get("show_dialog")
	if dialog != "" && dialog != "true" && dialog != "false" {
		return h.fail(w, r, badRequest("show_dialog is true or false."))
	}
	// A person asked for this login, so it is no loop.
	h.site.clearCookie(w, h.site.guardCookie)
	return h.startLogin(w, r, loginOptions{
		returnTo:   returnPath(query.Get("return_to")),
		scopes:     scopes,
		showDialog: dialog == "true",
	})
}

const queryHint = "percent-encode its values, and separate them by &."

func badRequest(message string) *problem {
	return &problem{status: http.StatusBadRequest, reason: reasonBadRequest, message: message}
}

// requestedScopes returns the scopes a login asks for: those configured, the
// optional ones that the query names, and those that the visitor's session was
// granted before, which the new one would otherwise lose.
func (h *Handler) requestedScopes(r *http.Request, query url.Values) ([]string, *problem) {
	scopes := slices.Clone(h.Scopes)
	for _, scope := range strings.Fields(query.Get("scope")) {
		if !h.site.mayAskFor([]string{scope}) {
			return nil, badRequest("The scope " + printable(scope) + " is not among the configured ones. Add it to optional_scopes.")
		}
		scopes = append(scopes, scope)
	}
	if sess, err := h.sessionOf(r); err == nil && len(h.OptionalScopes) > 0 {
		if token := sess.auth.Current(); token != nil {
			for _, scope := range token.Scopes() {
				if slices.Contains(h.OptionalScopes, scope) {
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
	purpose    string // as in pendingLogin
	details    string
}

// startLogin sends the browser to Spotify.
func (h *Handler) startLogin(w http.ResponseWriter, r *http.Request, o loginOptions) error {
	s := h.site
	// The answer's Location holds the state. The access log would show it.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	if p := s.checkTransport(r); p != nil {
		return h.fail(w, r, p)
	}
	codes, err := pkce.GenerateCodesLength(verifierLength)
	if err != nil {
		return h.fail(w, r, &problem{status: http.StatusInternalServerError, reason: reasonLoginFailed, message: "The login could not be started.", err: err})
	}
	state := newState()
	login, err := pkce.LoginRequest{
		AuthorizeURL: s.tokens.AuthorizeURL,
		ClientID:     s.clientID,
		RedirectURI:  s.tokens.RedirectURI,
		State:        state,
		Codes:        codes,
		Scopes:       o.scopes,
		ShowDialog:   o.showDialog,
	}.URL()
	if err != nil {
		return h.fail(w, r, &problem{status: http.StatusInternalServerError, reason: reasonLoginFailed, message: "The login could not be started.", err: err})
	}
	h.makeRoom(w, r, o.purpose)
	pending := pendingLogin{started: s.clock.Now(), verifier: codes.Verifier, returnTo: o.returnTo, purpose: o.purpose, details: o.details}
	http.SetCookie(w, s.cookie(s.loginCookies+state, pending.encode(), int(loginLife.Seconds())))
	s.logger.Info("login started", zap.String("path", r.URL.Path), zap.Strings("scopes", o.scopes))
	return redirect(w, login, http.StatusFound)
}

// maxDropped bounds how many cookies one answer deletes. A browser that has
// more is rid of the rest at its next logins.
const maxDropped = 2 * maxPendingLogins

// makeRoom drops pending logins that have expired or make no sense, and the
// oldest of too many. A new login is never refused. One that creates a key takes
// the place of another such one, for their cookies are large.
func (h *Handler) makeRoom(w http.ResponseWriter, r *http.Request, purpose string) {
	type entry struct {
		name    string
		started time.Time
	}
	var pending []entry
	dropped := 0
	drop := func(name string) {
		if dropped < maxDropped {
			h.site.clearCookie(w, name)
		}
		dropped++
	}
	now := h.site.clock.Now()
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, h.site.loginCookies) || c.Name == h.site.guardCookie {
			continue
		}
		p, err := decodePendingLogin(c.Value)
		if err != nil || p.expired(now) || purpose == purposeKey && p.purpose == purposeKey {
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
func (h *Handler) startLoginFor(w http.ResponseWriter, r *http.Request) error {
	if there, ok := h.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	if _, looping := cookieValue(r.Header, h.site.guardCookie); looping {
		h.site.clearCookie(w, h.site.guardCookie)
		message := "You logged in a moment ago, but your browser came back without the session's cookie. " +
			"Check that it accepts cookies from this site, then try again."
		if _, ok := cookieValue(r.Header, h.site.sessionCookie); ok {
			message = "You logged in a moment ago, but the session has ended already. Try again."
		}
		return h.fail(w, r, &problem{
			status:   http.StatusUnauthorized,
			reason:   reasonLoginLoop,
			message:  message,
			loginURL: h.site.loginURLFor(returnPath(askedFor(r).RequestURI())),
		})
	}
	return h.startLogin(w, r, loginOptions{returnTo: returnPath(askedFor(r).RequestURI()), scopes: h.Scopes})
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
