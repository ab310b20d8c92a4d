// Package problem has the refusals of our own, in the shape of Spotify's errors, and
// the headers of our own responses.
package problem

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// Problem is an error of our own on its way to the caller. Its JSON has the
// shape of the Web API's errors, with a reason beside the message, so that
// clients written for Spotify can read it. No field holds a secret.
type Problem struct {
	Status int
	Reason reason.Reason
	// Message is in words of our own, and has nothing in it that a client sent: an
	// error route of the site's may put it into a page as it is, or have it
	// executed as a template.
	Message    string
	LoginURL   string        // where logging in would help
	RetryAfter time.Duration // 0: not said
	Limited    string        // what Spotify limits, of a 429: an operation, a family of them, or "app"
	Allow      string        // the Allow header of a 405
	Wording    string        // which words a page has for it, if not the reason's
	Challenge  string        // the WWW-Authenticate header of a 401
	ForCode    bool          // JSON even to a navigation
	InFrame    bool          // its page may be in a frame of the site's, and links out of it
	Err        error         // the cause, for the log only
	// RequestID is the identifier of the log line about the refusal, if there is one.
	RequestID string
	// LimitedUntil is when Spotify is expected to serve what is limited again. The
	// zero time is not said.
	LimitedUntil time.Time
}

// Error is what {http.error.message} shows, so it says no more than the
// caller may know.
func (p *Problem) Error() string { return p.Message }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Body is the JSON of the problem, with a newline at its end.
func (p *Problem) Body() []byte {
	type apiError struct {
		Status   int    `json:"status"`
		Message  string `json:"message"`
		Reason   string `json:"reason"`
		LoginURL string `json:"login_url,omitempty"`
		Limited  string `json:"limited,omitempty"`
		Until    string `json:"limited_until,omitempty"`
		ID       string `json:"request_id,omitempty"`
	}
	b, err := json.Marshal(struct {
		Error apiError `json:"error"`
	}{apiError{p.Status, p.Message, string(p.Reason), p.LoginURL, p.Limited, p.until(), p.RequestID}})
	if err != nil {
		// strings and an int always marshal
		panic(err)
	}
	return append(b, '\n')
}

// SetHeaders sets the headers that the problem has in every form.
func (p *Problem) SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(reason.Header, string(p.Reason))
	if p.RetryAfter > 0 {
		h.Set("Retry-After", RetryAfterSeconds(p.RetryAfter))
	}
	if p.RequestID != "" {
		h.Set(RequestIDHeader, p.RequestID)
	}
	if p.Limited != "" {
		h.Set(LimitedHeader, p.Limited)
		h.Set(LimitedUntilHeader, p.until())
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	if p.Allow != "" {
		h.Set("Allow", p.Allow)
	}
}

// RequestIDHeader is the header with the identifier of the log line about a refusal.
const RequestIDHeader = "Spotify-Proxy-Request-Id"

// Headers of a 429: what Spotify limits, and until when it does (RFC 3339).
const (
	LimitedHeader      = "Spotify-Proxy-Limited"
	LimitedUntilHeader = "Spotify-Proxy-Limited-Until"
)

// until is LimitedUntil as clients get it.
func (p *Problem) until() string {
	if p.LimitedUntil.IsZero() {
		return ""
	}
	return p.LimitedUntil.UTC().Format(time.RFC3339)
}

// In says a wait in words, such as "in 13 h 35 min". It is empty for none. Below
// an hour it is rounded up.
func In(wait time.Duration) string {
	const day = 24 * time.Hour
	switch wait = max(wait, 0); {
	case wait == 0:
		return ""
	case wait <= time.Minute:
		return "in " + strconv.Itoa(int((wait+time.Second-1)/time.Second)) + " s"
	case wait > 365*day:
		return "in a year"
	}
	minutes := int((wait + time.Minute - 1) / time.Minute)
	if minutes < 60 {
		return "in " + strconv.Itoa(minutes) + " min"
	}
	minutes = int((wait + time.Minute/2) / time.Minute)
	return "in " + strconv.Itoa(minutes/60) + " h " + strconv.Itoa(minutes%60) + " min"
}

// RetryAfterSeconds rounds up: a caller that waits exactly as long as told
// must not be too early.
func RetryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(math.Ceil(d.Seconds()))), 10)
}

// Response makes the problem look like an answer of the upstream, for the
// transport: an error returned to reverse_proxy would become a bare 502.
func (p *Problem) Response(req *http.Request) *http.Response {
	body := string(p.Body())
	h := make(http.Header)
	p.SetHeaders(h)
	SetJSONHeaders(h)
	return &http.Response{
		Status:        strconv.Itoa(p.Status) + " " + http.StatusText(p.Status),
		StatusCode:    p.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        h,
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
}

// Write writes an answer whose headers are set. To a HEAD it has no body.
func Write(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// Ordinary tells what visitors do every day from what an operator should see.
func (p *Problem) Ordinary() bool {
	return p.Status < 500 && p.Err == nil
}

// As returns the problem in err's chain, or nil.
func As(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}
