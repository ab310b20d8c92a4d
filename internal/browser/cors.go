package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ParseAllowedOrigin reads one value of the option allow_origin and returns it
// as browsers write it. An origin that would never get the session's cookie is
// refused, because it would only look as if it were allowed.
func ParseAllowedOrigin(raw string, site Redirect) (string, error) {
	if strings.Contains(raw, "*") || raw == "null" {
		return "", fmt.Errorf("allow_origin %q would let any page use the sessions: list the origins one by one", raw)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("allow_origin %q is not an origin: write it like https://www.example.com", raw)
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#") {
		return "", fmt.Errorf("allow_origin %q is more than an origin: leave out what follows the host and port, also a slash", raw)
	}
	name, host, err := originHost(u)
	if err != nil {
		return "", fmt.Errorf("allow_origin %q %w", raw, err)
	}
	origin := u.Scheme + "://" + host
	switch {
	case origin == site.Origin:
		return "", fmt.Errorf("allow_origin %q is the site's own origin, which needs no leave: remove it", raw)
	case (u.Scheme == "https") != site.Secure:
		return "", fmt.Errorf("allow_origin %q: browsers take http and https for two sites and would not send the session's cookie: use the scheme of redirect_uri", raw)
	case !sameSite(name, site.Hostname):
		return "", fmt.Errorf("allow_origin %q is another site than %s, and browsers do not send the session's cookie (SameSite) for its pages: serve both below one domain of your own", raw, site.Hostname)
	}
	return origin, nil
}

// AllowsOrigin reports whether the request comes from a page on one of the
// origins of allow_origin.
func (s *Guard) AllowsOrigin(r *http.Request) bool {
	origin := r.Header["Origin"]
	return len(origin) == 1 && slices.Contains(s.allowedOrigins, origin[0])
}

// What pages on allowed origins may send and see. Both lists are fixed: what is
// asked for is not reflected.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	// Authorization is for stock clients, which always send one of their own.
	corsRequestHeaders = "Accept, Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, Pragma, Range"
	corsAnswerHeaders  = "Age, Cache-Status, Content-Range, Deprecation, ETag, Link, Location, Retry-After, Spotify-Proxy-Limited, Spotify-Proxy-Limited-Until, " +
		"Spotify-Proxy-Login-Url, Spotify-Proxy-Missing-Scope, Spotify-Proxy-Quota, Spotify-Proxy-Reason, Spotify-Proxy-Reauthorize-By, " +
		"Spotify-Proxy-Request-Id, Spotify-Proxy-Stale, Spotify-Proxy-Translated"
	corsMaxAge = "7200" // seconds; Chromium remembers no answer for longer
)

// ServeCORS lets pages on allowed origins read the answer to come, and answers
// the question whether they may ask at all. It reports whether that is done.
//
// https://fetch.spec.whatwg.org/#http-cors-protocol
func (s *Guard) ServeCORS(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(s.allowedOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !s.AllowsOrigin(r) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsAnswerHeaders)
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsRequestHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
