package upstream

import (
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// usualCacheControl is what nearly all answers have. To know it spares them the
// parsing.
const usualCacheControl = "private, max-age=0"

// headerValues is room for the values that setResponseHeaders and varyByCoding
// may set.
type headerValues [6]string

// setResponseHeaders makes the headers of the API's answer fit for the site's
// origin and for one person's eyes.
func setResponseHeaders(h http.Header, room *headerValues) {
	for name := range h {
		if speaksForSite(name) {
			delete(h, name)
		}
	}
	room[0], room[1] = problem.InertPolicy, "nosniff"
	h["Content-Security-Policy"] = room[0:1:1]
	h["X-Content-Type-Options"] = room[1:2:2]
	if cc := h["Cache-Control"]; !isPrivate(cc) {
		room[2] = madePrivate(cc)
		h["Cache-Control"] = room[2:3:3]
	}
	switch vary := h["Vary"]; {
	case problem.HasToken(vary, "cookie") || problem.HasToken(vary, "*"):
	case len(vary) <= 1:
		room[4] = "Cookie"
		own := room[4:5]
		if len(vary) == 1 {
			room[3] = vary[0]
			own = room[3:5]
		}
		h["Vary"] = own
	default:
		h["Vary"] = append(vary[:len(vary):len(vary)], "Cookie")
	}
}

// varyByCoding says that a response depends on which codings the client takes. It
// comes after setResponseHeaders, which leaves it room.
func varyByCoding(h http.Header) {
	if vary := h["Vary"]; !problem.HasToken(vary, "accept-encoding") && !problem.HasToken(vary, "*") {
		h["Vary"] = append(vary, "Accept-Encoding")
	}
}

// speaksForSite reports whether a header of an answer would act upon the
// site's origin, or upon a cache or server in front of it. Only the site may
// set such, not the API. Names are in canonical form.
func speaksForSite(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Set-Login",
		"Timing-Allow-Origin", "Content-Security-Policy", "Content-Security-Policy-Report-Only",
		"Permissions-Policy", "Document-Policy", "Origin-Agent-Cluster",
		"Service-Worker-Allowed", "Speculation-Rules", "Refresh", "Sourcemap", "X-Sourcemap",
		"Alt-Svc", "Strict-Transport-Security", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Expect-Ct",
		"Report-To", "Reporting-Endpoints", "Nel", "Server-Timing", "Accept-Ch", "Critical-Ch",
		"Surrogate-Control", "Edge-Control", "X-Sendfile":
		return true
	}
	return strings.HasPrefix(name, "Access-Control-") ||
		strings.HasPrefix(name, "Cross-Origin-") ||
		strings.HasPrefix(name, "X-Accel-") ||
		strings.HasPrefix(name, "Spotify-Proxy-") ||
		strings.HasSuffix(name, "Cdn-Cache-Control")
}

// isPrivate reports whether Cache-Control keeps shared caches from storing an
// answer (RFC 9111 §5.2.2).
func isPrivate(cacheControl []string) bool {
	if len(cacheControl) == 1 && cacheControl[0] == usualCacheControl {
		return true
	}
	private := false
	for _, v := range cacheControl {
		for v != "" {
			var directive string
			directive, v, _ = strings.Cut(v, ",")
			directive = strings.TrimSpace(directive)
			switch {
			case strings.EqualFold(directive, "private"), strings.EqualFold(directive, "no-store"):
				private = true
			case isShared(directive):
				return false
			}
		}
	}
	return private
}

// isShared reports whether a directive is for shared caches, which must not
// have an answer, or private for named fields only, which is not enough.
func isShared(directive string) bool {
	name, _, _ := strings.Cut(directive, "=")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "public", "s-maxage", "proxy-revalidate":
		return true
	case "private":
		return len(directive) > len("private")
	}
	return false
}

// madePrivate returns Cache-Control with private in place of what was meant for
// shared caches.
func madePrivate(cacheControl []string) string {
	var b strings.Builder
	b.WriteString("private")
	for _, v := range cacheControl {
		if strings.Contains(v, `"`) {
			return "private" // a comma may be part of a quoted argument
		}
		for directive := range strings.SplitSeq(v, ",") {
			directive = strings.TrimSpace(directive)
			if directive == "" || isShared(directive) || strings.EqualFold(directive, "private") {
				continue
			}
			b.WriteString(", ")
			b.WriteString(directive)
		}
	}
	return b.String()
}
