package upstream

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/links"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// NewLinkRewriter makes what turns the Web API's URLs into the site's.
func NewLinkRewriter(apiURL, origin, prefix string) *links.Rewriter {
	return links.New(apiURL+webapi.Root, origin+prefix+webapi.Root)
}

// rewriteLinks makes the Web API's own URLs in an answer lead to the proxy, so
// that a client that pages by following them stays inside. The body is changed
// while it streams.
func rewriteLinks(rw *links.Rewriter, method string, res *http.Response) {
	h := res.Header
	rewriteHeader(h["Location"], rw.RewriteURL)
	rewriteHeader(h["Content-Location"], rw.RewriteURL)
	rewriteHeader(h["Link"], rw.RewriteLink)

	if !links.IsJSON(problem.First(h["Content-Type"])) || res.StatusCode == http.StatusPartialContent {
		return
	}
	if encoding := problem.First(h["Content-Encoding"]); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return // nobody asked for it, so it is left as it is
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
	var length int64
	if res.Body, length = rw.Whole(res.Body, res.ContentLength); length >= 0 {
		res.ContentLength = length
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
}

// nameJSON gives a response without a Content-Type that of JSON, if its body
// begins like it. Go's server would call it plain text.
func nameJSON(res *http.Response) {
	if problem.First(res.Header["Content-Type"]) != "" || problem.First(res.Header["Content-Encoding"]) != "" {
		return
	}
	start := bytes.TrimPrefix(peek(res, 8), []byte("\uFEFF"))
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
