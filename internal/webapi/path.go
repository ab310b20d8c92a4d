package webapi

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Root is what the path of every Web API request begins with.
const Root = "/v1/"

// PlainPath reports whether a path means the same to everyone who reads it:
// to Caddy's matchers, to the allow list and to the API. A path with another
// spelling of it, such as "/v1/a/../b", "//v1/a" or "/v1/a%2fb", has been the
// way around many a proxy's rules, and no Web API path needs one.
func PlainPath(u *url.URL) bool {
	if u.Opaque != "" || u.Path == "" || u.Path[0] != '/' {
		return false
	}
	// Path is decoded once, so an encoded backslash, dot or control character
	// shows in it as itself. What was encoded twice stays as it is: to decode
	// it again is nobody's business. An encoded slash shows in RawPath alone,
	// which is set where the path was not written in the usual way.
	// Bytes that are no UTF-8 are an overlong dot or slash to some, and nothing to
	// others.
	if containsEncodedSlash(u.RawPath) || !utf8.ValidString(u.Path) {
		return false
	}
	segment := 1 // where the current segment begins
	for i := 1; i < len(u.Path); i++ {
		c := u.Path[i]
		switch {
		case c > '/' && c != '\\' && c != 0x7f:
		case c == '/':
			if i == segment || isDots(u.Path[segment:i]) {
				return false
			}
			segment = i + 1
		case c < ' ', c == '\\', c == 0x7f:
			return false
		}
	}
	// The last segment may be empty: the path then ends in a slash.
	return !isDots(u.Path[segment:])
}

// isDots reports whether a server may take a path segment for "." or "..".
// Some drop what follows a semicolon first.
func isDots(segment string) bool {
	if segment == "" || segment[0] != '.' {
		return false
	}
	name, _, _ := strings.Cut(segment, ";")
	return name == "." || name == ".."
}

func containsEncodedSlash(rawPath string) bool {
	for i := 0; i+2 < len(rawPath); i++ {
		if rawPath[i] == '%' && rawPath[i+1] == '2' && rawPath[i+2]|0x20 == 'f' {
			return true
		}
	}
	return false
}

// StripPrefix takes the prefix from a path below it, in place, as a rewrite does.
// What is left is the Web API's.
func StripPrefix(u *url.URL, prefix string) {
	u.Path = u.Path[len(prefix):]
	if rest, ok := strings.CutPrefix(u.RawPath, prefix); ok {
		u.RawPath = rest
	} else {
		// There is none, or one with the prefix encoded. The usual encoding of
		// Path means the same.
		u.RawPath = ""
	}
}
