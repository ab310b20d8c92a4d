package doctor

import (
	"net/url"

	"github.com/caddyspotify/caddy-spotify/internal/browser"

	pathpkg "path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// spotifyClientID is the shape of the client IDs that Spotify gives out.
var spotifyClientID = regexp.MustCompile(`^[0-9a-f]{32}$`)

const dashboard = "https://developer.spotify.com/dashboard"

func checkClientID(r *SiteReport, id string) bool {
	switch {
	case id == "":
		r.fail("client_id", "is empty: copy the Client ID from %s (if it is a placeholder, set the variable for this command, too)", dashboard)
		return false
	case !spotifyClientID.MatchString(id):
		r.fail("client_id", "%q is not one of Spotify's, which have 32 hexadecimal digits: copy the Client ID from %s", id, dashboard)
		return false
	}
	r.ok("client_id", "has 32 hexadecimal digits, as Spotify's have")
	return true
}

func checkRedirectURI(r *SiteReport, raw string) (browser.Redirect, bool) {
	redirect, err := browser.ParseRedirectURI(raw)
	if err != nil {
		r.fail("redirect_uri", "%s", strings.TrimPrefix(err.Error(), "redirect_uri "))
		return redirect, false
	}
	r.ok("redirect_uri", "follows Spotify's rules; the endpoints are below %s%s", redirect.Origin, redirect.Prefix)
	return redirect, true
}

// checkOtherOptions says no more than is needed: nobody cares for the options
// that are right.
func checkOtherOptions(r *SiteReport, h *Subject) bool {
	err := h.Options
	for _, o := range []struct{ name, value string }{
		{"authorize_url", h.AuthorizeURL},
		{"token_url", h.TokenURL},
		{"api_url", h.APIURL},
	} {
		if err == nil {
			_, err = browser.ParseServiceURL(o.name, o.value)
		}
	}
	if err != nil {
		r.fail("options", "%s", err)
		return false
	}
	return true
}

// checkAddress checks whether what the browser is sent back to is this handler.
func checkAddress(r *SiteReport, h *Subject, redirect browser.Redirect) {
	callback := redirect.Prefix + browser.CallbackSegment
	port := portOf(redirect)
	if !h.Proxied && !listensOn(h.Listen, port) {
		r.fail("address", "redirect_uri leads to port %d, but the site listens on %s: make them the same, or set "+
			"trusted_proxies if a proxy in front maps the port", port, strings.Join(h.Listen, ", "))
		return
	}
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
	r.ok("address", "%s leads to this site", redirect.Origin+callback)
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

func matchesPath(paths []string, callback string) bool {
	if paths == nil {
		return true
	}
	callback = strings.ToLower(callback)
	return slices.ContainsFunc(paths, func(path string) bool {
		path = strings.ToLower(path)
		if prefix, ok := strings.CutSuffix(path, "*"); ok && !strings.Contains(prefix, "*") {
			return strings.HasPrefix(callback, prefix)
		}
		if suffix, ok := strings.CutPrefix(path, "*"); ok && !strings.Contains(suffix, "*") {
			return strings.HasSuffix(callback, suffix)
		}
		ok, err := pathpkg.Match(path, callback)
		return ok || err != nil || strings.ContainsAny(path, "{}")
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
