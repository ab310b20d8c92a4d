package caddyspotify

import (
	"net/http"
	"strings"
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

// cookie returns a cookie with the attributes that all of ours share.
// maxAge is in seconds; negative deletes it.
func (s *site) cookie(name, value string, maxAge int) *http.Cookie {
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

func (s *site) setSessionCookie(w http.ResponseWriter, value string) {
	c := s.cookie(s.sessionCookie, value, int(s.lifetime.Seconds()))
	c.SameSite = s.sameSite
	http.SetCookie(w, c)
}

func (s *site) clearCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, s.cookie(name, "", -1))
}
