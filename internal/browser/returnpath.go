package browser

import (
	"net/url"
	"strings"
)

// maxReturnPath bounds what a pending login's cookie may hold.
const maxReturnPath = 1024

// ReturnPath returns the path on this origin that s names, and "/" for
// anything else. What browsers might read as another origin or a scheme is
// refused rather than repaired: "//host", "/\host", their encoded variants,
// control characters, which browsers drop before they parse, and backslashes,
// which they treat as slashes (CVE-2020-5233, CVE-2024-21497).
func ReturnPath(s string) string {
	// url.Parse takes "//" and "//?x" for empty paths with an empty host.
	if len(s) > maxReturnPath || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
		return "/"
	}
	for _, c := range []byte(s) {
		// Percent-encoding is left to the caller's browser, so what arrives
		// decoded and is not printable ASCII has no business here.
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return "/"
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	// Encoded slashes and backslashes are looked at as if a later hop had
	// decoded them, twice.
	path := u.EscapedPath()
	for range 3 {
		if strings.HasPrefix(path, "//") || strings.Contains(path, `\`) || hasDotSegment(path) {
			return "/"
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "/"
		}
		path = decoded
	}
	return s
}

// hasDotSegment reports whether a segment of path is "." or "..". Browsers
// resolve "/.//host" to "//host".
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
