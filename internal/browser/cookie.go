package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// HostPrefix makes browsers insist on Secure, Path=/ and no Domain, so that no
// sibling subdomain can plant the cookie (RFC 6265bis §4.1.3.2). It needs
// https, so plain http on loopback goes without.
const HostPrefix = "__Host-"

// CookieValue returns the value of the cookie called name, without allocating.
// Two cookies of that name mean that somebody planted one, and none counts.
func CookieValue(h http.Header, name string) (value string, ok bool) {
	value, n, _ := cookieValue(h, name, nil)
	return value, n == 1
}

// cookieValue returns the value of the cookie called name, of those that count, and
// how many of that name count and there are at all. The value is empty if more than
// one counts.
func cookieValue(h http.Header, name string, counts func(value string) bool) (value string, counted, all int) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			k, v, found := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			if !found || k != name {
				continue
			}
			all++
			v = strings.TrimRight(v, " \t")
			if counts != nil && !counts(v) {
				continue
			}
			if counted++; counted > 1 {
				return "", counted, all
			}
			value = v
		}
	}
	return value, counted, all
}

// Cookies are the cookies of a site: what they are called and their attributes.
//
// Another instance on the same host, below another prefix or on another port, gets
// them as well. Those of pending logins have the site's tag in their names. The
// session's has it only where the other instance has the name without: which has, a
// cookie beside it says.
type Cookies struct {
	sessionName    string
	ownSessionName string // with the tag
	sessionOwner   string // whose tag the cookie without one belongs to
	Login          string // name prefix of the pending logins' cookies
	justLoggedIn   string // marks a login that has just succeeded
	tag            string
	secure         bool // https: Secure, and a name prefix that browsers insist on
	SameSite       http.SameSite
	lifetime       time.Duration // of the session's cookie
}

// NewCookies returns the cookies of a site. An empty name stands for the default.
func NewCookies(redirect Redirect, name string, strict bool, lifetime time.Duration) *Cookies {
	secure := redirect.Secure
	c := &Cookies{
		sessionName:  name,
		Login:        "spotify_login_" + redirect.tag(),
		justLoggedIn: "spotify_login_done",
		tag:          redirect.tag(),
		secure:       secure,
		SameSite:     http.SameSiteLaxMode,
		lifetime:     lifetime,
	}
	if name == "" {
		c.sessionName = "spotify_session"
		if secure {
			c.sessionName = HostPrefix + c.sessionName
		}
	}
	if secure {
		c.Login = HostPrefix + c.Login
		c.justLoggedIn = HostPrefix + c.justLoggedIn
	}
	c.ownSessionName = c.sessionName + "_" + c.tag
	c.sessionOwner = c.sessionName + "_of"
	if strict {
		c.SameSite = http.SameSiteStrictMode
	}
	return c
}

// tag is a short name for the site. Browsers do not tell cookies apart by port, and
// ours have the path "/", so another instance on the same host sees them.
func (s Redirect) tag() string {
	sum := sha256.Sum256([]byte(s.Host + s.Prefix))
	return base64.RawURLEncoding.EncodeToString(sum[:3])
}

// New returns a cookie with the attributes that all of ours share.
// maxAge is in seconds; negative deletes it.
func (s *Cookies) New(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   s.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
}

// Session returns the value of the session's cookie. Other software on the host may
// have cookies of the same name on other paths. Those that cannot be a session's do
// not count; of two that can, somebody planted one, and none counts.
func (s *Cookies) Session(h http.Header) (value string, ok bool) {
	value, n, all := cookieValue(h, s.ownSessionName, mayBeSession)
	if all == 0 {
		value, n, _ = cookieValue(h, s.sessionName, mayBeSession)
	}
	return value, n == 1
}

// mayBeSession reports whether a cookie's value has the form of a session ID: 43
// characters of base64url.
func mayBeSession(value string) bool {
	if len(value) != 43 {
		return false
	}
	for _, c := range []byte(value) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// OwnSession is Session, less a session that another instance says is its own.
func (s *Cookies) OwnSession(h http.Header) (value string, ok bool) {
	if !s.hasOwnName(h) && s.ownedByAnother(h) {
		return "", false
	}
	return s.Session(h)
}

func (s *Cookies) hasOwnName(h http.Header) bool {
	_, _, all := cookieValue(h, s.ownSessionName, nil)
	return all > 0
}

// ownedByAnother reports whether the session's cookie without a tag is another
// instance's.
func (s *Cookies) ownedByAnother(h http.Header) bool {
	owner, ok := CookieValue(h, s.sessionOwner)
	return ok && owner != s.tag
}

// ClaimSession notes in the browser that sent the header h that the session's cookie
// without a tag is this site's, unless it is another's. A login does so when it begins.
func (s *Cookies) ClaimSession(w http.ResponseWriter, h http.Header) {
	if !s.ownedByAnother(h) {
		http.SetCookie(w, s.New(s.sessionOwner, s.tag, int(s.lifetime.Seconds())))
	}
}

// SetSession gives the browser that sent the header h the session's cookie.
func (s *Cookies) SetSession(w http.ResponseWriter, h http.Header, value string) {
	age := int(s.lifetime.Seconds())
	name := s.sessionName
	switch {
	case s.hasOwnName(h) || s.ownedByAnother(h):
		name = s.ownSessionName
	case s.SameSite == http.SameSiteStrictMode:
		// Coming from Spotify the browser does not say whether it has one, which would
		// count before this.
		s.Clear(w, s.ownSessionName)
	}
	c := s.New(name, value, age)
	c.SameSite = s.SameSite
	http.SetCookie(w, c)
}

// ClearSession has the browser that sent the header h delete the session's cookie.
func (s *Cookies) ClearSession(w http.ResponseWriter, h http.Header) {
	if s.hasOwnName(h) {
		s.Clear(w, s.ownSessionName)
	}
	if s.ownedByAnother(h) {
		return
	}
	s.Clear(w, s.sessionName)
	if _, ok := CookieValue(h, s.sessionOwner); ok {
		s.Clear(w, s.sessionOwner)
	}
}

// MarkLogin notes in the browser, for a while in seconds, that a login has succeeded.
func (s *Cookies) MarkLogin(w http.ResponseWriter, maxAge int) {
	http.SetCookie(w, s.New(s.justLoggedIn, s.tag, maxAge))
}

// JustLoggedIn reports whether a login here has succeeded a moment ago.
func (s *Cookies) JustLoggedIn(h http.Header) bool {
	value, ok := CookieValue(h, s.justLoggedIn)
	return ok && (value == s.tag || value == "1") // the latter is an earlier version's
}

// ForgetLogin takes back what MarkLogin did.
func (s *Cookies) ForgetLogin(w http.ResponseWriter, h http.Header) {
	if s.JustLoggedIn(h) {
		s.Clear(w, s.justLoggedIn)
	}
}

// Clear has the browser delete a cookie.
func (s *Cookies) Clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, s.New(name, "", -1))
}
