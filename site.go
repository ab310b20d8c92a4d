package caddyspotify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// site is a site as its endpoints share it: what it is, whose request it is, and
// how to respond. It does not change after it is made.
type site struct {
	*guard
	*cookies
	pages    renderer
	clientID string
	allow    []rule
	sessions *sessions
	store    *pooledStore
	upstream *upstreamSite
	observer *observer
	metrics  *siteMetrics
	clock    pkce.Clock
	logger   *zap.Logger
}

// callbackSegment is the last path segment of every redirect URI.
const callbackSegment = "/callback"

// redirectParts is what a redirect URI says about the site.
type redirectParts struct {
	origin, host, hostname, prefix string
	secure                         bool
}

// parseRedirectURI checks a redirect URI against Spotify's rules and ours. The
// error says what to do.
//
// https://developer.spotify.com/documentation/web-api/concepts/redirect_uri
func parseRedirectURI(raw string) (redirectParts, error) {
	var p redirectParts
	if raw == "" {
		return p, errors.New("redirect_uri is missing: give the URI registered in Spotify's dashboard, " +
			"for example http://127.0.0.1:8080/spotify/callback")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return p, fmt.Errorf("redirect_uri %q is not an absolute URL: give it as registered with Spotify, "+
			"for example https://app.example.com/spotify/callback", raw)
	}
	p.hostname = u.Hostname()
	switch {
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return p, fmt.Errorf("redirect_uri %q has a user, query or fragment: remove it", raw)
	case u.Scheme == "https":
		p.secure = true
	case u.Scheme != "http":
		return p, fmt.Errorf("redirect_uri %q has the scheme %q: use https, or http on 127.0.0.1", raw, u.Scheme)
	case isLoopbackLiteral(p.hostname):
	case isLoopbackHost(p.hostname):
		return p, fmt.Errorf("redirect_uri %q: Spotify refuses %q; use 127.0.0.1 instead, here and in Spotify's dashboard", raw, p.hostname)
	default:
		return p, fmt.Errorf("redirect_uri %q is plain http on a public host, which Spotify refuses: use https", raw)
	}
	prefix, ok := strings.CutSuffix(u.EscapedPath(), callbackSegment)
	if !ok || prefix == "" {
		return p, fmt.Errorf("redirect_uri %q must end in a prefix and %s, for example %s://%s/spotify%s",
			raw, callbackSegment, u.Scheme, u.Host, callbackSegment)
	}
	if prefix != u.Path[:len(u.Path)-len(callbackSegment)] || returnPath(prefix) != prefix || strings.HasSuffix(prefix, "/") {
		return p, fmt.Errorf("redirect_uri %q has a path that is not plain: use letters, digits, '-' and '_' between single slashes", raw)
	}
	p.prefix = prefix
	name, host, err := originHost(u)
	switch {
	case err != nil:
		return p, fmt.Errorf("redirect_uri %q %w", raw, err)
	case name != strings.ToLower(p.hostname):
		// It is compared with what browsers say, and by Spotify to the letter.
		return p, fmt.Errorf("redirect_uri %q has a host that browsers write as %s: write it so, here and in Spotify's dashboard", raw, name)
	}
	p.hostname, p.host = name, host
	p.origin = u.Scheme + "://" + p.host
	return p, nil
}

// parseServiceURL checks the URL of one of Spotify's services, or of what
// stands in for it. Tokens travel there, so it is https, or stays on this
// machine.
func parseServiceURL(option, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s %q is not an absolute URL: give one like https://accounts.spotify.com/…, or leave the option out", option, raw)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%s %q has a user or fragment: remove it", option, raw)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		return nil, fmt.Errorf("%s %q would send tokens in the clear: use https, or http on a loopback name", option, raw)
	}
	return u, nil
}

func (s *site) loginURL() string  { return s.prefix + "/login" }
func (s *site) logoutURL() string { return s.prefix + "/logout" }

// loginURLFor is the login that comes back to the request's own page.
func (s *site) loginURLFor(path string) string {
	if path == "/" {
		return s.loginURL()
	}
	return s.loginURL() + "?return_to=" + url.QueryEscape(path)
}

// faults is what bounds the lines about the site's faults.
func (s *site) faults() *faultLog {
	if s.sessions == nil {
		return nil
	}
	return s.sessions.faults
}
