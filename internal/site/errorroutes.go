package site

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// throughErrorRoutes has the site's error routes (handle_errors) answer a
// problem, and render what they leave unanswered.
//
// Caddy itself ends a site's error routes with an empty answer of the error's
// status, so that is what tells that none of them had one. A route that means
// an empty answer cannot be told from it and gets ours as well.
func throughErrorRoutes(w http.ResponseWriter, r *http.Request, routes caddyhttp.RouteList, p *problem.Problem, render caddyhttp.HandlerFunc) error {
	held := &heldStatus{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, hold: p.Status}
	err := routes.Compile(caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })).ServeHTTP(held, r)
	switch {
	case err != nil || held.passed:
		return err
	case r.Method == http.MethodHead && held.held:
		held.pass() // no answer to it has a body
		return nil
	}
	return render(w, r)
}

// heldStatus is a ResponseWriter that holds one status back until there is
// something to go with it.
type heldStatus struct {
	*caddyhttp.ResponseWriterWrapper
	hold         int
	held, passed bool
}

// WriteHeader implements http.ResponseWriter.
func (h *heldStatus) WriteHeader(status int) {
	switch {
	case h.passed || status < http.StatusOK:
		h.ResponseWriter.WriteHeader(status)
	case status == h.hold:
		h.held = true
	default:
		h.passed = true
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *heldStatus) pass() {
	if h.passed {
		return
	}
	h.passed = true
	if h.held {
		h.ResponseWriter.WriteHeader(h.hold)
	}
}

// Write implements http.ResponseWriter.
func (h *heldStatus) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	h.pass()
	return h.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (h *heldStatus) ReadFrom(src io.Reader) (int64, error) {
	h.pass()
	return h.ResponseWriterWrapper.ReadFrom(src)
}

// FlushError is what http.ResponseController looks for.
func (h *heldStatus) FlushError() error {
	h.pass()
	return http.NewResponseController(h.ResponseWriter).Flush()
}
