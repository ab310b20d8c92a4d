package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// HeadersForAPI returns those of a client's headers that mean something to the
// Web API. The handlers after spotify_auth get no others. The transport sees to
// what Spotify gets in any case; this is so that reverse_proxy need not copy,
// log and send what stays here. A browser's dozen of headers cost it more than
// the session does.
func HeadersForAPI(client http.Header) http.Header {
	h := make(http.Header, 8)
	for name, values := range client {
		if usedByAPI(name) {
			h[name] = values
		}
	}
	return h
}

// setRequestHeaders fills dst with what Spotify gets to see of a request's
// headers. directed is what reverse_proxy made of them, and client is what the
// client sent.
//
// What a client sends passes only if the Web API has a use for it. A list of
// what may not pass would have to foresee everything that tells of the visitor
// or the site, and every spelling of it that some server takes for the same
// (X_Forwarded_For, CVE-2025-64484): cookies, addresses, single sign-on,
// tracing. The API is one and known, so the list of what may pass is short
// and needs no foresight.
//
// What reverse_proxy adds about the client on its own account does not pass
// either. All that is left then was added by the site's own header_up and
// passes, as in any reverse_proxy, unless it would undo this.
//
// If whole is set, the answer must come as a whole, in a coding that is chosen
// here.
func setRequestHeaders(dst, directed, client http.Header, whole bool) {
	for name, values := range directed {
		if usedByAPI(name) {
			if !whole || !asksForPart(name) {
				dst[name] = values
			}
			continue
		}
		if client == nil || neverPasses(name) {
			continue
		}
		if sent, ok := client[name]; ok {
			if slices.Equal(values, sent) {
				continue
			}
			values = without(values, sent)
		}
		if len(values) > 0 && !tellsOfVisitor(name) {
			dst[name] = values
		}
	}
}

// usedByAPI reports whether a client's header means something to the Web API.
// Names are in canonical form, here and below.
func usedByAPI(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "User-Agent",
		"Content-Type", "Content-Encoding", "Content-Language", "Expect",
		"Cache-Control", "Pragma", "Range", "If-Range",
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since":
		return true
	}
	return false
}

// asksForPart reports whether a header asks for an answer in which links cannot
// be found, or could not be changed. A part of an answer would not fit the rest
// as we passed it on; any server may send the whole instead (RFC 9110 §14.2).
func asksForPart(name string) bool {
	switch name {
	case "Accept-Encoding", "Range", "If-Range":
		return true
	}
	return false
}

// setAcceptEncoding asks for the content codings in which a refusal can be read:
// gzip if the client takes it, and none otherwise. Without the header the
// transport asks for gzip and unpacks it, if compression is on.
func setAcceptEncoding(h http.Header, compression bool) {
	switch {
	case takesGzip(h["Accept-Encoding"]):
		h["Accept-Encoding"] = gzipOnly
	case compression:
		delete(h, "Accept-Encoding")
	default:
		h["Accept-Encoding"] = []string{"identity"}
	}
}

// gzipOnly is the value of Accept-Encoding that asks for gzip. It is not changed.
var gzipOnly = []string{"gzip"}

// takesGzip reports whether a client takes gzip, and not less gladly than what is
// not compressed (Accept-Encoding, RFC 9110 §12.5.3). One that takes anything but
// names neither is asked for no more than it can read for certain.
func takesGzip(values []string) bool {
	const unnamed = -1
	gzip, identity, others := unnamed, unnamed, unnamed
	for _, v := range values {
		for coding := range strings.SplitSeq(v, ",") {
			name, parameters, _ := strings.Cut(coding, ";")
			switch name = strings.TrimSpace(name); {
			case isGzip(name):
				gzip = max(gzip, weight(parameters))
			case strings.EqualFold(name, "identity"):
				identity = weight(parameters)
			case name == "*":
				others = weight(parameters)
			}
		}
	}
	if gzip == unnamed && (identity == 0 || identity == unnamed && others == 0) {
		gzip = others // it takes no other
	}
	return gzip > 0 && gzip >= identity
}

// weight returns the weight in a parameter q, in thousandths. What cannot be read
// counts as if it were not there.
func weight(parameters string) int {
	name, q, ok := strings.Cut(parameters, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1000
	}
	whole, part, _ := strings.Cut(strings.TrimSpace(q), ".")
	if whole != "0" && whole != "" {
		return 1000
	}
	n := 0
	for i := range 3 {
		n *= 10
		if i < len(part) {
			if part[i] < '0' || part[i] > '9' {
				return 1000
			}
			n += int(part[i] - '0')
		}
	}
	return n
}

// neverPasses reports whether a header stays here, whoever set it. These are
// the ones that every request has, because reverse_proxy adds them;
// tellsOfVisitor would say the same of them, less quickly.
func neverPasses(name string) bool {
	switch name {
	case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via":
		return true
	}
	return false
}

// tellsOfVisitor reports whether a header would, in any spelling, carry
// credentials or a visitor's address past what this proxy promises.
func tellsOfVisitor(name string) bool {
	name = strings.Map(func(r rune) rune {
		if r == '_' || r == '.' {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	switch name {
	case "authorization", "proxy-authorization", "cookie", "cookie2", "forwarded", "via", "x-real-ip", "referer", "origin",
		"early-data", "connection", "upgrade":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded") || strings.HasPrefix(name, "sec-") || strings.HasPrefix(name, "spotify-proxy-")
}

// without returns the values that are not among those sent.
func without(values, sent []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(sent, v) })
}
