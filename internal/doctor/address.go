package doctor

import (
	"net/netip"
	"net/url"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
)

// checkAddress checks whether what the browser is sent back to is this handler.
func checkAddress(r *SiteReport, h *Subject, redirect browser.Redirect) {
	callback := redirect.Prefix + browser.CallbackSegment
	for _, alternatives := range h.Matchers {
		var hosts, paths []string
		var okHost, okPath bool
		for _, m := range alternatives {
			hosts, paths = append(hosts, m.Host...), append(paths, m.Path...)
			okHost = okHost || matchesHost(m.Host, redirect.Hostname)
			okPath = okPath || matchesPath(m.Path, callback)
		}
		if !okHost {
			r.fail("address", "redirect_uri leads to the host %s, but the site is for %s: make them the same",
				redirect.Hostname, strings.Join(hosts, ", "))
			return
		}
		if !okPath {
			r.fail("address", "redirect_uri leads to the path %s, but the route of spotify_auth is for %s: have it take %s/*, too",
				callback, strings.Join(paths, ", "), redirect.Prefix)
			return
		}
	}
	for _, b := range h.Before {
		if b.takes(redirect.Hostname, callback) {
			r.fail("address", "requests for %s do not reach spotify_auth: %s is before it and responds to them: move spotify_proxy "+
				"or spotify_auth before it, or give it a matcher", callback, b.Name)
			return
		}
	}
	port := portOf(redirect)
	switch {
	case h.Proxied || listensOn(h.Listen, port):
		r.ok("address", "%s leads to this site", redirect.Origin+callback)
	case onLoopbackOnly(h.Listen) && isLoopback(redirect.Hostname):
		r.skip("address", "redirect_uri leads to port %d of this machine, and the site listens on %s: right if a development server there "+
			"passes %s on to here, else make them the same", port, strings.Join(h.Listen, ", "), redirect.Prefix)
	default:
		r.fail("address", "redirect_uri leads to port %d, but the site listens on %s: make them the same, or set "+
			"trusted_proxies if a proxy in front maps the port", port, strings.Join(h.Listen, ", "))
	}
}

// checkRequireLogin checks whether what is to be guarded comes to the handler.
func checkRequireLogin(r *SiteReport, h *Subject, redirect browser.Redirect) {
	for _, guarded := range h.RequireLogin {
		for _, alternatives := range h.Matchers {
			var paths []string
			if slices.ContainsFunc(alternatives, func(m Matcher) bool {
				paths = append(paths, m.Path...)
				return browser.CoversPath(m.Path, guarded)
			}) {
				continue
			}
			r.fail("require_login", "%s is not guarded: the route of spotify_auth is for %s: have it take %[1]s, too", guarded, strings.Join(paths, ", "))
			return
		}
		for _, b := range h.Before {
			if b.takes(redirect.Hostname, strings.TrimSuffix(guarded, "*")) {
				r.fail("require_login", "%s is not guarded: %s is before spotify_auth and responds to it: move spotify_proxy or "+
					"spotify_auth before it, or give it a matcher", guarded, b.Name)
				return
			}
		}
	}
	if len(h.RequireLogin) > 0 {
		r.ok("require_login", "%s are guarded", strings.Join(h.RequireLogin, ", "))
	}
}

// takes reports whether the responder certainly takes requests for a path.
func (b *Responder) takes(host, path string) bool {
	for _, alternatives := range b.Matchers {
		if !slices.ContainsFunc(alternatives, func(m Matcher) bool {
			return !m.Other && !uncertain(m.Host) && !uncertain(m.Path) && matchesHost(m.Host, host) && matchesPath(m.Path, path)
		}) {
			return false
		}
	}
	return true
}

// uncertain reports whether there are placeholders in any of the patterns.
func uncertain(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.ContainsAny(p, "{}") })
}

func matchesHost(hosts []string, name string) bool {
	if hosts == nil {
		return true
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		if strings.ContainsAny(host, "{}") {
			return true // who knows
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		if rest, ok := strings.CutPrefix(host, "*."); ok {
			_, domain, found := strings.Cut(name, ".")
			return found && domain == rest
		}
		return host == name
	})
}

func matchesPath(paths []string, path string) bool {
	if paths == nil {
		return true
	}
	path = strings.ToLower(path)
	return slices.ContainsFunc(paths, func(pattern string) bool {
		pattern = strings.ToLower(pattern)
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !strings.Contains(prefix, "*") {
			return strings.HasPrefix(path, prefix)
		}
		if suffix, ok := strings.CutPrefix(pattern, "*"); ok && !strings.Contains(suffix, "*") {
			return strings.HasSuffix(path, suffix)
		}
		ok, err := pathpkg.Match(pattern, path)
		return ok || err != nil || strings.ContainsAny(pattern, "{}")
	})
}

func portOf(redirect browser.Redirect) uint {
	if u, err := url.Parse(redirect.Origin); err == nil {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			return uint(n)
		}
	}
	if redirect.Secure {
		return 443
	}
	return 80
}

func listensOn(addresses []string, port uint) bool {
	// A server without addresses listens where Caddy's default is.
	if len(addresses) == 0 {
		return port == 443
	}
	return slices.ContainsFunc(addresses, func(address string) bool {
		a, err := caddy.ParseNetworkAddress(address)
		// What cannot be told from here, such as a socket, is not judged.
		return err != nil || a.IsUnixNetwork() || a.IsFdNetwork() || a.StartPort <= port && port <= a.EndPort
	})
}

// onLoopbackOnly reports whether nobody but this machine comes to a server without
// something in front of it.
func onLoopbackOnly(addresses []string) bool {
	return len(addresses) > 0 && !slices.ContainsFunc(addresses, func(address string) bool {
		a, err := caddy.ParseNetworkAddress(address)
		return err != nil || !isLoopback(a.Host)
	})
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
