package upstream

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/oldform"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// TranslatedHeader names, on a response, the operation that was sent in place of one
// that Spotify withdrew, or in whose response members were added.
const TranslatedHeader = "Spotify-Proxy-Translated"

// translatedKey is where a response has it until it leaves, also while it is kept for
// others. No header of Spotify's has that key, which is not in canonical form.
const translatedKey = "spotify-proxy-translated"

// sendInForm sends a call as the client made it, unless the app is known to lack that
// form of the operation: then in the form that Spotify offers instead. If Spotify
// refuses a form of which nothing is known, the other one is tried, once, and what the
// client gets is the response to it, or else the first refusal.
func (t *Transport) sendInForm(c *call, token *pkce.Token) (*http.Response, error) {
	forms := c.ex.Site.Forms
	if t.keepForms || forms == nil {
		return t.send(c, token)
	}
	form := c.op.OldForm
	if form == nil {
		if c.op.NewForm && c.ex.Session != nil {
			c.ex.Session.NoteForm(false)
		}
		return t.send(c, token)
	}
	if !form.Applies(c.in.URL.RawQuery) {
		return t.sendSame(c, form, token)
	}
	var first *http.Response
	if !forms.withdrawn(form) {
		res, err := t.send(c, token)
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode < 300:
			forms.noteCurrent(form)
			return res, nil
		case forms.current(form) || !mayBeWithdrawn(form, res):
			return res, nil
		}
		first = res
		if token, err = AccessToken(c.in.Context(), c.ex); err != nil { // the first may have been replayed
			return first, nil //nolint:nilerr // the refusal is all there is
		}
	}
	n, why := t.inNewForm(c, token)
	if n == nil {
		return t.withoutNewForm(c, form, token, first, why)
	}
	res, err := t.send(n, token)
	c.reason = n.reason
	if err == nil && first != nil && isSameRefusal(res) {
		c.reason = ""
		if refusalReason(res) == reason.InsufficientScope {
			c.reason = reason.InsufficientScope
		}
		discard(res)
		return first, nil
	}
	if first != nil {
		discard(first)
	}
	if err != nil {
		return nil, err
	}
	res.Header[translatedKey] = []string{form.Name}
	if res.StatusCode < 300 {
		t.learn(c, form)
		inOldForm(c, n, form, res)
	}
	return res, nil
}

// withoutNewForm responds to a call that cannot be sent in the new form: by the first
// refusal of the old one, with why as its reason if that is not empty.
func (t *Transport) withoutNewForm(c *call, form *webapi.OldForm, token *pkce.Token, first *http.Response, why reason.Reason) (*http.Response, error) {
	if first == nil {
		var err error
		if first, err = t.send(c, token); err != nil || !mayBeWithdrawn(form, first) {
			return first, err
		}
	}
	c.reason = why
	return first, nil
}

// mayBeWithdrawn reports whether a response is what Spotify says to a form that an
// app does not have. It says the same of what the user may not see.
func mayBeWithdrawn(form *webapi.OldForm, res *http.Response) bool {
	contentType := problem.First(res.Header["Content-Type"])
	switch res.StatusCode {
	case http.StatusBadRequest:
		return form.SamePath() && reason.IsInvalidLimit(contentType, decoded(problem.First(res.Header["Content-Encoding"]), peek(res, reason.PrefixSize)))
	case http.StatusForbidden:
		return !form.SamePath() && refusalReason(res) == reason.Forbidden && !strings.Contains(contentType, "html")
	case http.StatusNotFound, http.StatusGone:
		return !form.SamePath()
	}
	return false
}

// isSameRefusal reports whether the new form was refused as the old one was, so that
// the first refusal says all there is to say.
func isSameRefusal(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return true
	}
	return false
}

// learn remembers that the app lacks a form, and that this session's client uses it.
func (t *Transport) learn(c *call, form *webapi.OldForm) {
	if c.ex.Site.Forms.noteWithdrawn(form) {
		t.logger.Info("Spotify no longer takes an operation from this app in the form in which clients send it; sending the form that replaces it",
			zap.String("operation", form.Name))
	}
	if c.ex.Session != nil && !form.SamePath() {
		c.ex.Session.NoteForm(true)
	}
}

// inNewForm returns the call that asks for the same in the new form, or nil if there is
// none or it may not be sent. If it is for want of a scope, that is the reason.
func (t *Transport) inNewForm(c *call, token *pkce.Token) (*call, reason.Reason) {
	form := c.op.OldForm
	body, ok := c.bodyForTranslation()
	if !ok {
		return nil, ""
	}
	req, ok := form.Translate(webapi.Request{Path: c.in.URL.Path, Query: c.in.URL.RawQuery, Body: body}, c.isCaller)
	if !ok {
		return nil, ""
	}
	in := c.in.WithContext(c.in.Context())
	in.URL = &url.URL{Scheme: c.in.URL.Scheme, Host: c.in.URL.Host, Path: req.Path, RawQuery: req.Query}
	if !webapi.Allowed(c.ex.Site.Allow, in.Method, req.Path) || c.ex.Policy.Permits(c.ex.Session, in) != nil {
		return nil, ""
	}
	if !hasScopes(c.op, token) || !hasScopes(form.New, token) {
		return nil, reason.InsufficientScope
	}
	n := &call{ex: c.ex, in: in, memory: c.memory, url: c.url}
	n.op = form.New
	n.ctx = callContext{Context: &c.ctx, trace: c.ctx.trace}
	n.url.Path, n.url.RawPath, n.url.RawQuery, n.url.ForceQuery = t.api.basePath+req.Path, "", req.Query, false
	n.request = *c.out.WithContext(&n.ctx)
	n.out = &n.request
	n.out.URL = &n.url
	n.out.Header = maps.Clone(c.out.Header)
	n.setBody(req.Body, c.in.Method)
	if form.Body != webapi.Opaque || in.Method == http.MethodGet || in.Method == http.MethodHead {
		t.askForWhole(n.out.Header)
	}
	return n, ""
}

// bodyForTranslation returns the body of a call that can be sent again, and false if it
// has one that cannot, or cannot be read.
func (c *call) bodyForTranslation() ([]byte, bool) {
	if c.in.Body == nil || c.in.Body == http.NoBody {
		return nil, true
	}
	if c.out.GetBody == nil || c.out.Header["Content-Encoding"] != nil {
		return nil, false
	}
	r, err := c.out.GetBody()
	if err != nil {
		return nil, false
	}
	body, err := io.ReadAll(r)
	return body, err == nil
}

// setBody gives a call that is not sent yet a body, which may be empty.
func (c *call) setBody(body []byte, method string) {
	c.out.TransferEncoding = nil
	c.out.ContentLength = int64(len(body))
	if len(body) == 0 {
		c.out.Body, c.out.GetBody = http.NoBody, nil
		delete(c.out.Header, "Content-Type")
		delete(c.out.Header, "Expect")
		return
	}
	c.out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	c.out.Body, _ = c.out.GetBody()
}

// isCaller reports whether a user's id is that of the account whose request this is.
func (c *call) isCaller(id string) bool {
	s := c.ex.Session
	return s != nil && id != "" && (id == s.Account.UserID || id == s.Account.ID)
}

// hasScopes reports whether a token has the scopes that an operation needs, as far as
// Spotify has said what the token has.
func hasScopes(op *webapi.Operation, token *pkce.Token) bool {
	if len(token.Scopes()) == 0 {
		return true
	}
	return !slices.ContainsFunc(op.All, func(scope string) bool { return !token.HasScope(scope) }) &&
		(len(op.Any) == 0 || slices.ContainsFunc(op.Any, token.HasScope))
}

// askForWhole has the response come as a whole, in plain text, whatever the client has
// already: what it gets is not what Spotify's validators stand for.
func (t *Transport) askForWhole(h http.Header) {
	for _, name := range []string{"Accept-Encoding", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		delete(h, name)
	}
	setAcceptEncoding(h, !t.identity)
}

// sendSame sends a call whose path is the same in both forms. Its response gets the
// members of the old form if the client is known to look for them.
func (t *Transport) sendSame(c *call, form *webapi.OldForm, token *pkce.Token) (*http.Response, error) {
	if !t.addsTracks(c, form) || c.in.Method == http.MethodHead {
		return t.send(c, token)
	}
	query := c.in.URL.RawQuery
	if !c.sent {
		t.askForWhole(c.out.Header)
		if form.NamesTracks(query) && c.ex.Site.Forms.anyWithdrawn() {
			req, _ := form.Translate(webapi.Request{Path: c.in.URL.Path, Query: query}, c.isCaller)
			c.url.RawQuery = req.Query
		}
	}
	res, err := t.send(c, token)
	if err == nil && res.StatusCode < 300 && addOldMembers(res, form.Body, oldform.Links{}) {
		res.Header[translatedKey] = []string{form.Name}
	}
	return res, err
}

// looksForTracks reports whether the client is known to look for the members of the old
// form, or is likely to: it is a library, which sends a token of its own, or a program
// with an access key, and has sent no request in a new form.
func (ex *Exchange) looksForTracks() bool {
	old, current := false, false
	if ex.Session != nil {
		old, current = ex.Session.Forms()
	}
	return old || ex.OwnToken && !current && !ex.Site.Forms.anyCurrent()
}

// addsTracks reports whether the response to a call whose path is the same in both forms
// is to have the members of the old form.
func (t *Transport) addsTracks(c *call, form *webapi.OldForm) bool {
	query := c.in.URL.RawQuery
	if form.Body == webapi.SearchBody && !strings.Contains(query, "playlist") {
		return false
	}
	return t.oldPlaylists || c.ex.looksForTracks() || form.NamesTracks(query)
}

// formVariant tells calls apart that are the same but for what is added to their
// responses.
func (t *Transport) formVariant(c *call) string {
	form := c.op.OldForm
	if t.keepForms || c.ex.Site.Forms == nil || form == nil || !form.SamePath() || !t.addsTracks(c, form) {
		return ""
	}
	return "\x00tracks"
}

// inOldForm makes the response to a call in the new form one to the old.
func inOldForm(c, n *call, form *webapi.OldForm, res *http.Response) {
	if form.Status != 0 {
		discard(res)
		res.StatusCode, res.Status = form.Status, ""
		res.Body, res.ContentLength, res.TransferEncoding = http.NoBody, 0, nil
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
			delete(res.Header, name)
		}
		if form.Status == http.StatusOK {
			res.Header.Set("Content-Length", "0")
		}
		return
	}
	var links oldform.Links
	if !form.SamePath() {
		links.New = strings.TrimPrefix(n.in.URL.EscapedPath(), "/v1")
		links.Old = strings.TrimSuffix(strings.TrimPrefix(c.in.URL.EscapedPath(), "/v1"), "/")
	}
	if c.in.Method != http.MethodHead {
		addOldMembers(res, form.Body, links)
	}
}
