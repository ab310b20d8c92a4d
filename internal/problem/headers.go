package problem

import (
	"net/http"
	"strings"
)

// First is http.Header.Get for a name known to be canonical, which that would
// find out again in every request.
func First(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// A person who opens an API URL sees the answer as a page. Whatever is in it
// must stay inert there.
const InertPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

// SetJSONHeaders makes the headers of JSON of our own. Opened as a page it is
// inert and in no frame, and no other origin's page gets it into its process by
// naming it as a picture or script. CORS, where it is allowed, does not ask for
// Cross-Origin-Resource-Policy.
func SetJSONHeaders(h http.Header) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", InertPolicy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// HasToken reports whether a list of tokens (RFC 9110 §5.6.1) has one.
func HasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
