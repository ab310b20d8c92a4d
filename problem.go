package caddyspotify

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// problem is an error of our own on its way to the caller. Its JSON has the
// shape of the Web API's errors, with a reason beside the message, so that
// clients written for Spotify can read it. No field holds a secret.
type problem struct {
	status     int
	reason     reason.Reason
	message    string
	loginURL   string        // where logging in would help
	retryAfter time.Duration // 0: not said
	allow      string        // the Allow header of a 405
	wording    string        // which words a page has for it, if not the reason's
	challenge  string        // the WWW-Authenticate header of a 401
	forCode    bool          // JSON even to a navigation
	err        error         // the cause, for the log only
}

// Error is what {http.error.message} shows, so it says no more than the
// caller may know.
func (p *problem) Error() string { return p.message }

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.err }

func (p *problem) body() []byte {
	type apiError struct {
		Status   int    `json:"status"`
		Message  string `json:"message"`
		Reason   string `json:"reason"`
		LoginURL string `json:"login_url,omitempty"`
	}
	b, err := json.Marshal(struct {
		Error apiError `json:"error"`
	}{apiError{p.status, p.message, string(p.reason), p.loginURL}})
	if err != nil {
		// strings and an int always marshal
		panic(err)
	}
	return append(b, '\n')
}

func (p *problem) setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(reason.Header, string(p.reason))
	if p.retryAfter > 0 {
		h.Set("Retry-After", retryAfterSeconds(p.retryAfter))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
}

// retryAfterSeconds rounds up: a caller that waits exactly as long as told
// must not be too early.
func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(math.Ceil(d.Seconds()))), 10)
}

// response makes the problem look like an answer of the upstream, for the
// transport: an error returned to reverse_proxy would become a bare 502.
func (p *problem) response(req *http.Request) *http.Response {
	body := string(p.body())
	h := make(http.Header)
	p.setHeaders(h)
	setJSONHeaders(h)
	return &http.Response{
		Status:        strconv.Itoa(p.status) + " " + http.StatusText(p.status),
		StatusCode:    p.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        h,
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
}

// fail answers a request with p: as a page to a person who navigated, as JSON
// to code. An error route of the site's own (handle_errors) goes first, and
// what it leaves unanswered gets our rendering.
func (s *site) fail(w http.ResponseWriter, r *http.Request, p *problem) error {
	p.setHeaders(w.Header())
	render := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if !p.forCode && wantsPage(r) {
			return s.pages.page(w, r, p.status, errorPage(p))
		}
		setJSONHeaders(w.Header())
		return writeAnswer(w, r, p.status, p.body())
	})
	s.logProblem(r, p)

	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Errors == nil || len(server.Errors.Routes) == 0 {
		return render(w, r)
	}
	// Returning the error would also reach handle_errors, but a route that
	// does not match would then leave an empty body instead of ours.
	r = server.Errors.WithError(r, caddyhttp.Error(p.status, p))
	return throughErrorRoutes(w, r, server.Errors.Routes, p, render)
}

// writeAnswer writes an answer whose headers are set. To a HEAD it has no body.
func writeAnswer(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// wantsPage tells a person's navigation from a call by code. Browsers without
// Fetch Metadata ask for text/html when they navigate.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && acceptsHTML(r)
}

func acceptsHTML(r *http.Request) bool {
	for _, v := range r.Header["Accept"] {
		for part := range strings.SplitSeq(v, ",") {
			mediaType, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(mediaType), "text/html") {
				return true
			}
		}
	}
	return false
}

// ordinary tells what visitors do every day from what an operator should see.
func (p *problem) ordinary() bool {
	return p.status < 500 && p.err == nil
}

// asProblem returns the problem in err's chain, or nil.
func asProblem(err error) *problem {
	p, _ := errors.AsType[*problem](err)
	return p
}

// replacerFrom returns the request's replacer, or nil outside of a server.
func replacerFrom(r *http.Request) *caddy.Replacer {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl
}
