package browser

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// CallbackSegment is the last path segment of every redirect URI.
const CallbackSegment = "/callback"

// Redirect is what a redirect URI says about the site.
type Redirect struct {
	Origin, Host, Hostname, Prefix string
	Secure                         bool
}

// Base is what the URLs of all endpoints begin with. It tells sites apart.
func (s Redirect) Base() string { return s.Origin + s.Prefix }

// ParseRedirectURI checks a redirect URI against Spotify's rules and ours. The
// error says what to do.
//
// https://developer.spotify.com/documentation/web-api/concepts/redirect_uri
func ParseRedirectURI(raw string) (Redirect, error) {
	var p Redirect
	if raw == "" {
		return p, errors.New("redirect_uri is missing: give the URI registered in Spotify's dashboard, " +
			"for example http://127.0.0.1:8080/spotify/callback")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return p, fmt.Errorf("redirect_uri %q is not an absolute URL: give it as registered with Spotify, "+
			"for example https://app.example.com/spotify/callback", raw)
	}
	p.Hostname = u.Hostname()
	switch {
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return p, fmt.Errorf("redirect_uri %q has a user, query or fragment: remove it", raw)
	case u.Scheme == "https":
		p.Secure = true
	case u.Scheme != "http":
		return p, fmt.Errorf("redirect_uri %q has the scheme %q: use https, or http on 127.0.0.1", raw, u.Scheme)
	case isLoopbackLiteral(p.Hostname):
	case isLoopbackHost(p.Hostname):
		return p, fmt.Errorf("redirect_uri %q: Spotify refuses %q; use 127.0.0.1 instead, here and in Spotify's dashboard", raw, p.Hostname)
	default:
		return p, fmt.Errorf("redirect_uri %q is plain http on a public host, which Spotify refuses: use https", raw)
	}
	prefix, ok := strings.CutSuffix(u.EscapedPath(), CallbackSegment)
	if !ok || prefix == "" {
		return p, fmt.Errorf("redirect_uri %q must end in a prefix and %s, for example %s://%s/spotify%s",
			raw, CallbackSegment, u.Scheme, u.Host, CallbackSegment)
	}
	if prefix != u.Path[:len(u.Path)-len(CallbackSegment)] || ReturnPath(prefix) != prefix || strings.HasSuffix(prefix, "/") {
		return p, fmt.Errorf("redirect_uri %q has a path that is not plain: use letters, digits, '-' and '_' between single slashes", raw)
	}
	p.Prefix = prefix
	name, host, err := originHost(u)
	switch {
	case err != nil:
		return p, fmt.Errorf("redirect_uri %q %w", raw, err)
	case name != strings.ToLower(p.Hostname):
		// It is compared with what browsers say, and by Spotify to the letter.
		return p, fmt.Errorf("redirect_uri %q has a host that browsers write as %s: write it so, here and in Spotify's dashboard", raw, name)
	case !isIP(name) && (strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" || strings.HasPrefix(name, ".") || strings.Contains(name, "..")):
		return p, fmt.Errorf("redirect_uri %q has a host that is no name: use letters, digits and '-' between dots, and no wildcard", raw)
	}
	p.Hostname, p.Host = name, host
	p.Origin = u.Scheme + "://" + p.Host
	return p, nil
}
