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
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			k, v, found := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			if !found || k != name {
				continue
			}
			if ok {
				return "", false
			}
			value, ok = strings.TrimRight(v, " \t"), true
		}
	}
	return value, ok
}

// Cookies are the cookies of a site: what they are called and their attributes.
type Cookies struct {
	SessionName  string
	Login        string // name prefix of the pending logins' cookies
	JustLoggedIn string // marks a login that has just succeeded
	secure       bool   // https: Secure, and a name prefix that browsers insist on
	SameSite     http.SameSite
	lifetime     time.Duration // of the session's cookie
}

// NewCookies returns the cookies of a site. An empty name stands for the default.
func NewCookies(redirect Redirect, name string, strict bool, lifetime time.Duration) *Cookies {
	secure := redirect.Secure
	c := &Cookies{
		SessionName:  name,
		Login:        "spotify_login_" + redirect.tag(),
		JustLoggedIn: "spotify_login_done",
		secure:       secure,
		SameSite:     http.SameSiteLaxMode,
		lifetime:     lifetime,
	}
	if name == "" {
		c.SessionName = "spotify_session"
		if secure {
			c.SessionName = HostPrefix + c.SessionName
		}
	}
	if secure {
		c.Login = HostPrefix + c.Login
		c.JustLoggedIn = HostPrefix + c.JustLoggedIn
	}
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

// SetSession gives the browser the session's cookie.
func (s *Cookies) SetSession(w http.ResponseWriter, value string) {
	c := s.New(s.SessionName, value, int(s.lifetime.Seconds()))
	c.SameSite = s.SameSite
	http.SetCookie(w, c)
}

// Clear has the browser delete a cookie.
func (s *Cookies) Clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, s.New(name, "", -1))
}
