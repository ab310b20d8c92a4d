// Package browser says what a request from a browser may be trusted for: its
// origin, its site, its cookies, its navigation and its return path.
package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// Guard says which requests from browsers a site trusts.
type Guard struct {
	Redirect
	csrf           *http.CrossOriginProtection
	allowedOrigins []string
}

// NewGuard returns the guard of the site that a redirect URI stands for. Pages on
// the allowed origins are trusted as its own are.
func NewGuard(redirect Redirect, allowedOrigins []string) (*Guard, error) {
	csrf := http.NewCrossOriginProtection()
	if err := csrf.AddTrustedOrigin(redirect.Origin); err != nil {
		return nil, fmt.Errorf("redirect_uri: %w", err)
	}
	for _, origin := range allowedOrigins {
		if err := csrf.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allow_origin: %w", err)
		}
	}
	return &Guard{redirect, csrf, allowedOrigins}, nil
}

// CheckOrigin refuses a request that another site made the browser send.
// A session cookie says whose browser it is, not whose page asked, so every
// request it authenticates must come from the site's own origin, reads
// included: an answer is one person's listening, and a GET may cost the app
// its rate limit.
//
// Fetch Metadata decides where the browser sends it. Without it a matching
// Origin counts, or none at all: then it is not a browser, which has no
// cookies of someone else's to abuse.
func (s *Guard) CheckOrigin(r *http.Request) *problem.Problem {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.csrf.Check(r); err != nil {
			return crossSite(err)
		}
	}
	switch problem.First(r.Header["Sec-Fetch-Site"]) {
	case "same-origin":
		return nil
	case "none":
		// The person's own doing: typed, bookmarked, restored. Browsers say the
		// same of what another site's speculation rules have them load ahead of
		// time, but then say that it is for that. What is refused ahead of time
		// they ask for again when the person goes there.
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header["Sec-Purpose"] == nil && !AheadOfTime(r) {
			return nil
		}
	case "":
		origin := r.Header.Get("Origin")
		if origin == "" || origin == s.Origin {
			return nil
		}
	}
	return crossSite(nil)
}

// CheckOriginOrAllowed is CheckOrigin, but for pages on the origins of
// allow_origin too. Browsers say Origin in what scripts ask of other origins,
// reads included, so a link or a form's GET from there is still refused.
func (s *Guard) CheckOriginOrAllowed(r *http.Request) *problem.Problem {
	if len(s.allowedOrigins) > 0 && s.AllowsOrigin(r) {
		return nil
	}
	return s.CheckOrigin(r)
}

func crossSite(err error) *problem.Problem {
	return &problem.Problem{
		Status:  http.StatusForbidden,
		Reason:  reason.CrossSite,
		Message: "Requests from other origins are not allowed. Call the proxy from a page on its own origin.",
		Err:     err,
	}
}

// CheckTransport refuses cookies over plain http where the site is https.
func (s *Guard) CheckTransport(r *http.Request) *problem.Problem {
	if !s.Secure || r.TLS != nil || forwardedHTTPS(r) {
		return nil
	}
	return &problem.Problem{
		Status: http.StatusForbidden,
		Reason: reason.HTTPSRequired,
		Message: "This site works over https only. If a proxy in front of Caddy ends TLS, list it " +
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

// LoopbackDetour returns the same URL on the configured loopback literal when
// the visitor came under another loopback name. Spotify refuses "localhost"
// in redirect URIs, and a cookie set there would not be sent to 127.0.0.1.
func (s *Guard) LoopbackDetour(r *http.Request) (string, bool) {
	if r.Host == s.Host || !isLoopbackHost(s.Hostname) {
		return "", false
	}
	if u, err := url.Parse("http://" + r.Host); err != nil || !isLoopbackHost(u.Hostname()) {
		return "", false
	}
	return s.Origin + r.URL.RequestURI(), true
}

// SiblingDetour returns the same URL on the public origin when the visitor came under
// another name of the same site, such as www. A login begun there could not end: the
// browser sends its cookie to that name only, and Spotify sends the browser to the
// public one.
func (s *Guard) SiblingDetour(r *http.Request) (string, bool) {
	u, err := url.Parse("http://" + askedHost(r))
	if err != nil {
		return "", false
	}
	name := strings.ToLower(u.Hostname())
	if name == s.Hostname || !sameSite(strings.TrimSuffix(name, "."), s.Hostname) {
		return "", false
	}
	return s.Origin + OriginalURL(r).RequestURI(), true
}

// askedHost is the host that the visitor asked for. A proxy in front that puts another
// into Host may say which it was.
func askedHost(r *http.Request) string {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if forwarded := r.Header["X-Forwarded-Host"]; trusted && len(forwarded) == 1 {
		return forwarded[0]
	}
	return r.Host
}

// OnPublicHost reports whether the visitor came under the host name of the public
// origin, which is where the browser sends the cookies that it gets. Ports do not
// matter to cookies.
func (s *Guard) OnPublicHost(r *http.Request) bool {
	u, err := url.Parse("http://" + askedHost(r))
	return err == nil && strings.EqualFold(u.Hostname(), s.Hostname)
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
