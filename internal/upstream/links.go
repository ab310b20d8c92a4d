package upstream

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/links"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// NewLinkRewriter makes what turns the Web API's URLs into the site's.
func NewLinkRewriter(apiURL, origin, prefix string) *links.Rewriter {
	return links.New(apiURL+webapi.Root, origin+prefix+webapi.Root)
}

// rewriteLinks makes the Web API's own URLs in an answer lead to the proxy, so
// that a client that pages by following them stays inside. The body is changed
// while it streams. It stays gzipped if it is and the client takes that, and is
// unpacked if the client does not; a body in any other coding stays as it is.
//
// Cache-Control: no-transform does not change this. It is for intermediaries
// (RFC 9110 §7.7), and to clients the proxy is the origin server, on whose URLs
// they depend.
func rewriteLinks(rw *links.Rewriter, method string, res *http.Response, takesGzip bool) {
	h := res.Header
	rewriteHeader(h["Location"], rw.RewriteURL)
	rewriteHeader(h["Content-Location"], rw.RewriteURL)
	rewriteHeader(h["Link"], rw.RewriteLink)

	gzipped := false
	switch coding := problem.First(h["Content-Encoding"]); {
	case coding == "" || strings.EqualFold(coding, "identity"):
	case isGzip(coding):
		gzipped = true
	default:
		return // nobody asked for it, so it is left as it is
	}
	json := links.IsJSON(problem.First(h["Content-Type"])) && res.StatusCode != http.StatusPartialContent
	unpack := gzipped && !takesGzip
	if !json && !unpack {
		return
	}
	if unpack {
		delete(h, "Content-Encoding")
	}
	if res.StatusCode == http.StatusNotModified || res.StatusCode == http.StatusNoContent || res.ContentLength == 0 {
		return
	}
	// reverse_proxy flushes every piece of an answer without a length, so one
	// that came with a length keeps that here, even if its header must not say
	// how long it will be: it then leaves in as few pieces as it does where
	// nothing is rewritten.
	delete(h, "Content-Length")
	if method == http.MethodHead {
		return
	}
	if !json {
		rw = new(links.Rewriter)
	}
	var body io.ReadCloser
	var length int64
	switch {
	case !gzipped:
		body, length = rw.Whole(res.Body, res.ContentLength)
	case !unpack:
		if body, length = rw.Gzip(res.Body, res.ContentLength); body != nil {
			break
		}
		delete(h, "Content-Encoding") // for want of memory
		fallthrough
	default:
		body, length = rw.Gunzip(res.Body, res.ContentLength)
	}
	if res.Body = body; length >= 0 {
		res.ContentLength = length
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
}

// isGzip reports whether a content coding is gzip, by either of its names (RFC
// 9110 §8.4.1.3).
func isGzip(coding string) bool {
	return strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip")
}

// nameJSON gives a response without a Content-Type that of JSON, if its body
// begins like it. Go's server would call it plain text.
func nameJSON(res *http.Response) {
	if problem.First(res.Header["Content-Type"]) != "" {
		return
	}
	var start []byte
	switch coding := problem.First(res.Header["Content-Encoding"]); {
	case coding == "":
		start = peek(res, 8)
	case isGzip(coding):
		start = decoded(coding, peek(res, reason.PrefixSize))
	default:
		return
	}
	start = bytes.TrimPrefix(start, []byte("\uFEFF"))
	start = bytes.TrimLeft(start, " \t\r\n")
	if bytes.HasPrefix(start, []byte("{")) || bytes.HasPrefix(start, []byte("[")) {
		res.Header.Set("Content-Type", "application/json")
	}
}

// mayChangeBytes reports whether the bytes of a call's response may differ from
// the API's. A 304 does not say what kind of response it stands for, and must
// have the validators of that (RFC 9110 §15.4.5), so this goes by the request.
func (t *Transport) mayChangeBytes(c *call) bool {
	if !t.keepLinks {
		return true
	}
	// http.Transport asks for gzip by itself and unpacks it.
	return !t.identity && c.out.Header["Accept-Encoding"] == nil && c.out.Header["Range"] == nil
}

// weakenValidators takes back what a header promises about the very bytes of a
// body that are not passed on as they came (RFC 9110 §8.8.1). Of a JSON text the
// tag still says whether it means the same.
func weakenValidators(h http.Header) {
	if tag := problem.First(h["Etag"]); tag != "" && !strings.HasPrefix(tag, "W/") {
		h.Set("ETag", "W/"+tag)
	}
	delete(h, "Content-Md5")
	delete(h, "Digest")
	delete(h, "Content-Digest")
	delete(h, "Repr-Digest")
	delete(h, "Accept-Ranges") // their ranges are not ours
}

func rewriteHeader(values []string, rewrite func(string) (string, bool)) {
	for i, v := range values {
		if changed, ok := rewrite(v); ok {
			values[i] = changed
		}
	}
}
