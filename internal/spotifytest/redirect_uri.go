package spotifytest

import (
	"net/netip"
	"net/url"
	"strings"
)

// couldRegister reports whether Spotify's dashboard would take uri: https, http
// on a loopback literal, or an app's own scheme. The name localhost is refused
// with any scheme of the web.
func couldRegister(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Fragment != "" || strings.Contains(uri, "#") || u.User != nil {
		return false
	}
	host := u.Hostname()
	switch u.Scheme {
	case "https":
		return host != "" && !strings.EqualFold(host, "localhost")
	case "http":
		return loopbackLiteral(host)
	case "javascript", "data", "file", "vbscript", "blob", "about", "ftp", "ws", "wss":
		return false
	default:
		return true // myapp://callback, myapp:/callback
	}
}

// loopbackLiteral is Spotify's rule: 127.0.0.1 or [::1], never a name.
func loopbackLiteral(host string) bool {
	return host == "127.0.0.1" || host == "::1"
}

// matchesRegistered compares a redirect URI with a registered one. The match is
// exact; a loopback literal registered without a port takes any port (RFC 8252 §7.3).
func matchesRegistered(registered, uri string) bool {
	if registered == uri {
		return true
	}
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || r.Port() != "" || !loopbackLiteral(r.Hostname()) {
		return false
	}
	u, err := url.Parse(uri)
	if err != nil || u.Port() == "" {
		return false
	}
	if _, err := netip.ParseAddrPort(u.Host); err != nil {
		return false
	}
	return strings.Replace(uri, u.Host, r.Host, 1) == registered
}
