package upstream

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

const (
	// MissingScopeHeader names the scopes that the operation needs and the session lacks.
	MissingScopeHeader = "Spotify-Proxy-Missing-Scope"
	// LoginURLHeader is the login that would grant them.
	LoginURLHeader = "Spotify-Proxy-Login-Url"
)

// refusalReason reads from the start of a refusal why Spotify refused. The
// body stays as it was.
func refusalReason(res *http.Response) reason.Reason {
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
	default:
		return ""
	}
	prefix := decoded(problem.First(res.Header["Content-Encoding"]), peek(res, reason.PrefixSize))
	return reason.Parse(res.StatusCode, res.Header.Get("Content-Type"), prefix)
}

// decoded returns what can be read of the start of a body in a content coding.
// Others than these are not asked for.
func decoded(coding string, b []byte) []byte {
	var r io.Reader
	var err error
	switch strings.ToLower(coding) {
	case "", "identity":
		return b
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "deflate":
		if r, err = zlib.NewReader(bytes.NewReader(b)); err != nil {
			r, err = flate.NewReader(bytes.NewReader(b)), nil // as some servers understand it (RFC 9110 §8.4.1.2)
		}
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(r, reason.PrefixSize)) // cut short, as a prefix is
	return plain
}

// explainRefusal names the reason of a refusal in the headers, and what would
// help against a missing scope.
func explainRefusal(c *call, h http.Header, why reason.Reason) {
	if why == "" {
		return
	}
	h.Set(reason.Header, string(why))
	if why != reason.InsufficientScope {
		return
	}
	token := c.ex.Auth.Current()
	if token == nil {
		return
	}
	missing := c.op.Missing(token.HasScope)
	if len(missing) == 0 {
		return
	}
	h.Set(MissingScopeHeader, strings.Join(missing, " "))
	if c.ex.Session != nil && c.ex.Session.IsKey() {
		return // no login would grant it to the key
	}
	if login := c.ex.Site.LoginFor(missing); login != "" {
		h.Set(LoginURLHeader, login)
	}
}

// announceRemoval marks an operation that Spotify withdrew as deprecated (RFC
// 9745), unless Spotify does so itself. The list is advice: apps with extended
// quota keep what others lose. It also says what was sent in its place.
func announceRemoval(c *call, h http.Header) {
	if name := h[translatedKey]; name != nil { //nolint:staticcheck // on purpose: no header of Spotify's can have it
		delete(h, translatedKey)
		h[TranslatedHeader] = name
	}
	if c.op.Change == nil || h["Deprecation"] != nil {
		return
	}
	h.Set("Deprecation", c.op.Change.Deprecation())
	h.Add("Link", c.op.Change.Link())
}
