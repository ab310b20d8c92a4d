package browser

import (
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// OriginalURL returns the URL that the browser asked for. What comes before this
// handler, try_files above all, may have rewritten it: a single-page app has
// every path that is no file lead to its index, ours included.
func OriginalURL(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL
	}
	return r.URL
}

// Ours reports whether a request is for a path below the prefix, and what
// follows the prefix there. One that was rewritten away from there is taken back.
func (s Redirect) Ours(r *http.Request) (rest string, ok bool) {
	if rest, ok := s.Below(r.URL.Path); ok {
		return rest, true
	}
	asked := OriginalURL(r)
	if rest, ok = s.Below(asked.Path); ok {
		u := *asked
		r.URL, r.RequestURI = &u, u.RequestURI()
	}
	return rest, ok
}

// Below returns what follows the prefix, and whether the path is ours at all.
// A path that Caddy's path matchers, which ignore case and clean what they
// match, would take for one below the prefix is ours too, with nothing after
// it: it must not reach the proxy by a side door.
func (s Redirect) Below(path string) (rest string, ours bool) {
	n := len(s.Prefix)
	if len(path) > n && path[n] == '/' && path[:n] == s.Prefix {
		return path[n:], true
	}
	if strings.Contains(path, "//") || strings.Contains(path, "/.") {
		path = pathpkg.Clean(path)
	}
	return "", len(path) >= n && strings.EqualFold(path[:n], s.Prefix) && (len(path) == n || path[n] == '/')
}
