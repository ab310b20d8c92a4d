package caddyspotify

import (
	"net/http"
	"strings"
	"time"
)

// hostPrefix makes browsers insist on Secure, Path=/ and no Domain, so that no
// sibling subdomain can plant the cookie (RFC 6265bis §4.1.3.2). It needs
// https, so plain http on loopback goes without.
const hostPrefix = "__Host-"

// cookieValue returns the value of the cookie called name, without allocating.
// Two cookies of that name mean that somebody planted one, and none counts.
func cookieValue(h http.Header, name string) (value string, ok bool) {
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

// cookies are the cookies of a site: what they are called and their attributes.
type cookies struct {
	sessionCookie string
	loginCookies  string // name prefix of the pending logins' cookies
	guardCookie   string // marks a login that has just succeeded
	secure        bool   // https: Secure, and a name prefix that browsers insist on
	sameSite      http.SameSite
	lifetime      time.Duration // of the session's cookie
}

// newCookies returns the cookies of a site. An empty name stands for the default.
func newCookies(secure bool, name string, strict bool, lifetime time.Duration) *cookies {
	c := &cookies{
		sessionCookie: name,
		loginCookies:  "spotify_login_",
		guardCookie:   "spotify_login_done",
		secure:        secure,
		sameSite:      http.SameSiteLaxMode,
		lifetime:      lifetime,
	}
	if name == "" {
		c.sessionCookie = "spotify_session"
		if secure {
			c.sessionCookie = hostPrefix + c.sessionCookie
		}
	}
	if secure {
		c.loginCookies = hostPrefix + c.loginCookies
		c.guardCookie = hostPrefix + c.guardCookie
	}
	if strict {
		c.sameSite = http.SameSiteStrictMode
	}
	return c
}

// cookie returns a cookie with the attributes that all of ours share.
// maxAge is in seconds; negative deletes it.
func (s *cookies) cookie(name, value string, maxAge int) *http.Cookie {
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

func (s *cookies) setSessionCookie(w http.ResponseWriter, value string) {
	c := s.cookie(s.sessionCookie, value, int(s.lifetime.Seconds()))
	c.SameSite = s.sameSite
	http.SetCookie(w, c)
}

func (s *cookies) clearCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, s.cookie(name, "", -1))
}
