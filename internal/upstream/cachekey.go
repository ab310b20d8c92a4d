package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
)

// keyOf returns what other requests of the account have in common with a call if
// they have the same response. It reports false if no other may have it.
func (t *Transport) keyOf(c *call) (cache.Key, bool) {
	token := c.ex.Auth.Current()
	if token == nil || c.in.ContentLength != 0 || c.in.Header["Range"] != nil {
		return cache.Key{}, false
	}
	for name, values := range c.out.Header {
		switch name {
		case "Range", "If-Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Expect":
			return cache.Key{}, false
		case "If-None-Match":
			if !cache.OwnTags(values) {
				return cache.Key{}, false // it is Spotify's
			}
			c.ifNoneMatch = values
		}
	}
	delete(c.out.Header, "If-None-Match") // Spotify does not know our tags
	path := c.in.URL.RawPath
	if path == "" {
		path = c.in.URL.Path
	}
	return cache.Key{
		Via: t, Scope: token.Fields().Scope, Path: path, Query: c.in.URL.RawQuery, Variant: variantOf(c.out.Header) + t.formVariant(c),
	}, true
}

// variantOf returns what a response may depend on of a request's headers, as
// Spotify gets them. It depends on no browser, and what there is of caching is
// looked at here.
func variantOf(h http.Header) string {
	var b strings.Builder
	b.Grow(96)
	known := 0
	for _, name := range [...]string{"Accept", "Accept-Encoding", "Accept-Language"} {
		if values := h[name]; values != nil {
			known++
			appendHeader(&b, name, values)
		}
	}
	for _, name := range [...]string{"User-Agent", "Cache-Control", "Pragma"} {
		if h[name] != nil {
			known++
		}
	}
	if known < len(h) {
		appendOthers(&b, h)
	}
	return b.String()
}

// appendHeader adds a header to a variant.
func appendHeader(b *strings.Builder, name string, values []string) {
	b.WriteString(name)
	for _, v := range values {
		b.WriteByte('\n')
		b.WriteString(v)
	}
	b.WriteByte(0)
}

// appendOthers adds the headers to a variant that variantOf does not know, which
// the site's own header_up has set.
func appendOthers(b *strings.Builder, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "Accept", "Accept-Encoding", "Accept-Language", "User-Agent", "Cache-Control", "Pragma":
			continue
		}
		appendHeader(b, name, h[name])
	}
}
