package site

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// Guarded returns the writer of a response that is for those who are logged in only.
// Whatever the handlers after it say, no cache keeps such a page, the browser's own
// and its back/forward cache included: after a logout, Back asks for it again. Parts
// of a page, such as scripts and pictures, may be kept by the browser, which has to ask
// whether it may use them (RFC 9111 §5.2.2.4).
//
// Pages of other origins cannot load any of it unless the site or its backend sets
// Cross-Origin-Resource-Policy. A sibling subdomain's page sends the cookie too, and an
// image or a no-cors fetch would tell it whether there is a session.
func Guarded(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	control := "private, no-store"
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "audio", "font", "image", "manifest", "script", "style", "track", "video":
		control = "private, no-cache"
	}
	// Set here, and not only in protect, so that errors that handlers return have it, too.
	if h := w.Header(); h[resourcePolicy] == nil {
		h.Set(resourcePolicy, "same-origin")
	}
	return &guarded{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, control: control}
}

type guarded struct {
	*caddyhttp.ResponseWriterWrapper
	control string
	done    bool
}

// otherCacheControls are headers that speak to some caches in place of
// Cache-Control (RFC 9213 and its forerunners).
var otherCacheControls = []string{"Expires", "Pragma", "Surrogate-Control", "Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control"}

const resourcePolicy = "Cross-Origin-Resource-Policy"

// protect sets the headers, once there are no more to come.
func (g *guarded) protect() {
	if g.done {
		return
	}
	g.done = true
	h := g.Header()
	h["Cache-Control"] = []string{g.control}
	for _, name := range otherCacheControls {
		h.Del(name)
	}
	switch policies := h[resourcePolicy]; len(policies) {
	case 0: // reverse_proxy drops all headers after an informational response
		h.Set(resourcePolicy, "same-origin")
	case 1:
	default: // it adds the backend's to ours
		h[resourcePolicy] = policies[len(policies)-1:]
	}
	if !problem.HasToken(h["Vary"], "cookie") {
		h.Add("Vary", "Cookie")
	}
}

// WriteHeader implements http.ResponseWriter.
func (g *guarded) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		g.protect()
	}
	g.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (g *guarded) Write(b []byte) (int, error) {
	g.protect()
	return g.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (g *guarded) ReadFrom(src io.Reader) (int64, error) {
	g.protect()
	return g.ResponseWriterWrapper.ReadFrom(src)
}

// FlushError is what http.ResponseController looks for.
func (g *guarded) FlushError() error {
	g.protect()
	return http.NewResponseController(g.ResponseWriter).Flush()
}
