package login

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/site"
)

// IsCallback reports whether a request is for the callback, or would be but for
// slashes or another case that its path got on the way. Its URL may hold a code and
// a state. That of another may hold what looks like one, but if that were enough, a
// query would keep any request out of the access log.
func (f *Flow) IsCallback(r *http.Request) bool {
	return strings.EqualFold(path.Clean(browser.OriginalURL(r).Path), f.site.Prefix+browser.CallbackSegment)
}

// ServeCallback is where Spotify sends the browser back.
func (f *Flow) ServeCallback(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")

	s := f.site
	if p := s.CheckTransport(r); p != nil {
		return f.LoginFailed(w, r, p)
	}
	if browser.AheadOfTime(r) {
		return s.Fail(w, r, aheadOfTime())
	}
	answer, p := parseCallback(r.URL.RawQuery)
	if p != nil {
		p.LoginURL = s.LoginURL()
		return f.LoginFailed(w, r, p)
	}
	if r.Method == http.MethodHead {
		// What a GET would say is not known before it is done.
		return s.Fail(w, r, problem.BadRequest("A login is completed by a GET only."))
	}
	pending, p := f.pendingOf(w, r, answer.state)
	if pending == nil && p == nil {
		return f.callbackWithoutLogin(w, r, answer.state)
	}
	if p != nil {
		return f.LoginFailed(w, r, p)
	}
	for {
		c, first := f.states.begin(answer.state.nonce)
		switch {
		case c == nil:
			f.clearPending(w, r, answer.state.slot, pending)
			return f.callbackWithoutLogin(w, r, answer.state)
		case first:
			return f.complete(w, r, c, answer, pending)
		}
		select {
		case <-c.done:
		case <-r.Context().Done():
			return nil // nobody waits any more
		}
		if c.response != nil {
			return c.response.Send(w)
		}
		// The first has given up, and the login is still to be had.
	}
}

// pendingOf returns the login that a callback's state belongs to, if this browser
// has it pending. The problem, if there is one, is what is wrong with it; then it is
// over, and its cookies are cleared.
func (f *Flow) pendingOf(w http.ResponseWriter, r *http.Request, st state) (*pendingLogin, *problem.Problem) {
	if st.slot == 0 {
		return nil, nil
	}
	name := f.slotName(st.slot)
	value, found := browser.CookieValue(r.Header, name)
	if !found {
		return nil, nil
	}
	pending, err := decodePendingLogin(value)
	if err != nil {
		f.site.Clear(w, name)
		return nil, f.refuseCallback(wrongBrowser)
	}
	if subtle.ConstantTimeCompare([]byte(pending.nonce()), []byte(st.nonce)) != 1 {
		// The cookie is another login's, which goes on.
		return nil, nil
	}
	var why refusal
	switch {
	case !pending.started.Equal(st.started):
		why = wrongBrowser // somebody changed the cookie
	case pending.expired(f.site.Clock.Now()):
		why = tooOld
	default:
		return &pending, nil
	}
	f.clearPending(w, r, st.slot, &pending)
	return nil, f.refuseCallback(why)
}

// clearPending has the browser delete the cookies of a login that is over.
func (f *Flow) clearPending(w http.ResponseWriter, r *http.Request, slot byte, p *pendingLogin) {
	f.site.Clear(w, f.slotName(slot))
	if isPathReference(p.returnTo) && !f.shared(r, slot, p.returnTo) {
		f.site.Clear(w, f.slotName(pathSlot))
	}
}

// complete ends a login that has come back, for this callback and those that come
// with the same state meanwhile.
func (f *Flow) complete(w http.ResponseWriter, r *http.Request, c *completion, answer callbackAnswer, pending *pendingLogin) error {
	var response *site.Recorder
	var used bool
	end := sync.OnceFunc(func() { f.states.end(answer.state.nonce, c, response, used) })
	defer end() // also of a panic
	if answer.code != "" {
		if err := f.exchanges.begin(r.Context()); errors.Is(err, errTooManyExchanges) {
			p := tooManyExchanges(err)
			p.LoginURL = f.againURL(*pending)
			return f.LoginFailed(w, r, p)
		} else if err != nil {
			return nil // nobody waits any more
		}
		defer f.exchanges.end()
	}
	used = true
	own := site.NewRecorder(w.Header(), 0)
	f.clearPending(own, r, answer.state.slot, pending)
	resolved := *pending
	resolved.returnTo = f.returnPath(r, resolved)
	if err := f.conclude(own, r, answer, resolved); err != nil {
		return err
	}
	response = own
	end()
	return own.Send(w)
}

// conclude ends a login that has come back.
func (f *Flow) conclude(w http.ResponseWriter, r *http.Request, answer callbackAnswer, pending pendingLogin) error {
	purpose, known := f.purposes[pending.purpose]
	if !known && pending.purpose != "" {
		return f.LoginFailed(w, r, f.LoginUnfinishable())
	}
	if p := f.validate(answer); p != nil {
		p.LoginURL = f.againURL(pending)
		if p.Reason == reason.LoginCancelled {
			f.states.cancelled(answer.state.nonce)
			if purpose != nil && purpose.Cancelled != nil {
				purpose.Cancelled(p)
			}
		}
		return f.LoginFailed(w, r, p)
	}
	return f.finishLogin(w, r, answer, pending, purpose)
}

// callbackAnswer is what Spotify says through the browser (RFC 6749 §4.1.2).
type callbackAnswer struct {
	state            state
	code, issuer     string
	err, description string
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
		code: query.Get("code"), issuer: query.Get("iss"),
		err: query.Get("error"), description: query.Get("error_description"),
	}
	var ours bool
	a.state, ours = parseState(query.Get("state"))
	switch {
	case !ours:
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

// authorizationErrors are those of RFC 6749 §4.1.2.1 which are not worded
// otherwise. What else an address may name as an error is for the log alone.
var authorizationErrors = []string{
	"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
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
		message := "Spotify ended the login with an error."
		if slices.Contains(authorizationErrors, a.err) {
			message = "Spotify ended the login with the error " + strconv.Quote(a.err) + "."
		}
		return &problem.Problem{
			Status: http.StatusBadGateway, Reason: reason.LoginFailed,
			Message: message,
			Err:     fmt.Errorf("authorization error %s: %s", problem.Quote(a.err), problem.Quote(a.description)),
		}
	}
}
