package caddyspotify

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// askedFor returns the URL that the browser asked for. What comes before this
// handler, try_files above all, may have rewritten it: a single-page app has
// every path that is no file lead to its index, ours included.
func askedFor(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL
	}
	return r.URL
}

// ours reports whether a request is for a path below the prefix, and what
// follows the prefix there. One that was rewritten away from there is taken back.
func (s *site) ours(r *http.Request) (rest string, ok bool) {
	if rest, ok := s.below(r.URL.Path); ok {
		return rest, true
	}
	asked := askedFor(r)
	if rest, ok = s.below(asked.Path); ok {
		u := *asked
		r.URL, r.RequestURI = &u, u.RequestURI()
	}
	return rest, ok
}
