package caddyspotify

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// guard says which requests from browsers a site trusts.
type guard struct {
	redirectParts
	csrf           *http.CrossOriginProtection
	allowedOrigins []string
}

// newGuard returns the guard of the site that a redirect URI stands for. Pages on
// the allowed origins are trusted as its own are.
func newGuard(redirect redirectParts, allowedOrigins []string) (*guard, error) {
	csrf := http.NewCrossOriginProtection()
	if err := csrf.AddTrustedOrigin(redirect.origin); err != nil {
		return nil, fmt.Errorf("redirect_uri: %w", err)
	}
	for _, origin := range allowedOrigins {
		if err := csrf.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allow_origin: %w", err)
		}
	}
	return &guard{redirect, csrf, allowedOrigins}, nil
}

// checkOrigin refuses a request that another site made the browser send.
// A session cookie says whose browser it is, not whose page asked, so every
// request it authenticates must come from the site's own origin, reads
// included: an answer is one person's listening, and a GET may cost the app
// its rate limit.
//
// Fetch Metadata decides where the browser sends it. Without it a matching
// Origin counts, or none at all: then it is not a browser, which has no
// cookies of someone else's to abuse.
func (s *guard) checkOrigin(r *http.Request) *problem {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.csrf.Check(r); err != nil {
			return crossSite(err)
		}
	}
	switch first(r.Header["Sec-Fetch-Site"]) {
	case "same-origin":
		return nil
	case "none":
		// The person's own doing: typed, bookmarked, restored. Browsers say the
		// same of what another site's speculation rules have them load ahead of
		// time, but then say that it is for that. What is refused ahead of time
		// they ask for again when the person goes there.
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header["Sec-Purpose"] == nil {
			return nil
		}
	case "":
		origin := r.Header.Get("Origin")
		if origin == "" || origin == s.origin {
			return nil
		}
	}
	return crossSite(nil)
}

// checkOriginOrAllowed is checkOrigin, but for pages on the origins of
// allow_origin too. Browsers say Origin in what scripts ask of other origins,
// reads included, so a link or a form's GET from there is still refused.
func (s *guard) checkOriginOrAllowed(r *http.Request) *problem {
	if len(s.allowedOrigins) > 0 && s.allowsOrigin(r) {
		return nil
	}
	return s.checkOrigin(r)
}

// first is http.Header.Get for a name known to be canonical, which that would
// find out anew in every request.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func crossSite(err error) *problem {
	return &problem{
		status:  http.StatusForbidden,
		reason:  reason.CrossSite,
		message: "Requests from other origins are not allowed. Call the proxy from a page on its own origin.",
		err:     err,
	}
}

// checkTransport refuses cookies over plain http where the site is https.
func (s *guard) checkTransport(r *http.Request) *problem {
	if !s.secure || r.TLS != nil || forwardedHTTPS(r) {
		return nil
	}
	return &problem{
		status: http.StatusForbidden,
		reason: reason.HTTPSRequired,
		message: "This site works over https only. If a proxy in front of Caddy ends TLS, list it " +
			"under trusted_proxies so that its X-Forwarded-Proto counts.",
	}
}

// forwardedHTTPS reports whether a trusted proxy says that the visitor came over
// https. Where there are two values, one may be the
// visitor's own word, which the proxy let pass.
func forwardedHTTPS(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	proto := r.Header["X-Forwarded-Proto"]
	return trusted && len(proto) == 1 && strings.EqualFold(proto[0], "https")
}

// loopbackDetour returns the same URL on the configured loopback literal when
// the visitor came under another loopback name. Spotify refuses "localhost"
// in redirect URIs, and a cookie set there would not be sent to 127.0.0.1.
func (s *guard) loopbackDetour(r *http.Request) (string, bool) {
	if r.Host == s.host || !isLoopbackHost(s.hostname) {
		return "", false
	}
	if u, err := url.Parse("http://" + r.Host); err != nil || !isLoopbackHost(u.Hostname()) {
		return "", false
	}
	return s.origin + r.URL.RequestURI(), true
}

// isLoopbackHost reports whether a host name without port is a loopback
// literal or a name that resolves to one by definition (RFC 6761 §6.3).
func isLoopbackHost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return isLoopbackLiteral(name) || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

func isLoopbackLiteral(name string) bool {
	return name == "127.0.0.1" || name == "::1"
}
