package problem

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// NotAllowed refuses what the rules of the site do not allow.
func NotAllowed() *Problem {
	return &Problem{
		Status: http.StatusForbidden, Reason: reason.NotAllowed,
		Message: "This site does not use this part of the Web API. Its operator can allow it.",
	}
}

// BadPath refuses a path that is none of the Web API, or is not written plainly.
func BadPath() *Problem {
	return &Problem{
		Status:  http.StatusBadRequest,
		Reason:  reason.BadPath,
		Message: "This is not a path of the Web API. Write it plainly, without \"..\", double slashes, backslashes or encoded slashes.",
	}
}

// RetryAfter is how long a temporary error asks to wait, or a little while.
func RetryAfter(err error) time.Duration {
	if t, ok := errors.AsType[*pkce.TemporaryError](err); ok && t.RetryAfter > 0 {
		return t.RetryAfter
	}
	return 5 * time.Second
}

// StoreUnavailable says that sessions cannot be reached just now, which err is the
// cause of. The URL, which may be empty, is where to try again.
func StoreUnavailable(err error, loginURL string) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Reason: reason.StoreUnavailable, Err: err, LoginURL: loginURL,
		Message:    "Sessions cannot be reached just now. Try again in a moment; you are not logged out.",
		RetryAfter: 5 * time.Second,
	}
}

// RateLimited says that Spotify refuses the app's requests just now, or would, and
// when to try again.
func RateLimited(why reason.Reason, wait time.Duration) *Problem {
	return &Problem{
		Status: http.StatusTooManyRequests, Reason: why, RetryAfter: wait,
		Message: "This app has used up its share of requests to Spotify for now. Try again later.",
	}
}

// BudgetExceeded says that what the operator lets the app send to Spotify in a day is
// used up, or the caller's share of it, and when there is room again.
func BudgetExceeded(wait time.Duration) *Problem {
	return &Problem{
		Status: http.StatusTooManyRequests, Reason: reason.BudgetExceeded, RetryAfter: wait,
		Message: "This site has used up the requests to Spotify that it may make in a day, or you your share of them. Try again later.",
	}
}

// UpstreamUnavailable says, with a status, that Spotify cannot be reached just now,
// which err is the cause of.
func UpstreamUnavailable(status int, err error) *Problem {
	return &Problem{
		Status: status, Reason: reason.UpstreamUnavailable, Err: err,
		Message:    "Spotify cannot be reached just now. Try again in a moment.",
		RetryAfter: 5 * time.Second,
	}
}

// LoginRequired says that there is no session, or, with the reason
// reauthorization_required, that its grant has ended.
func LoginRequired(loginURL string, why reason.Reason) *Problem {
	p := &Problem{
		Status: http.StatusUnauthorized, Reason: why, LoginURL: loginURL,
		Message: "Log in with Spotify first.",
	}
	if why == reason.ReauthorizationRequired {
		p.Message = "The access you gave to Spotify has ended. Log in again."
	}
	return p
}

// QueryHint says how to write a query that can be read.
const QueryHint = "percent-encode its values, and separate them by &."

// BadRequest refuses a request that is malformed, as the message says.
func BadRequest(message string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Reason: reason.BadRequest, Message: message}
}

// Redirect sends the browser elsewhere. Nothing about it is to be kept.
func Redirect(w http.ResponseWriter, location string, status int) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", location)
	w.WriteHeader(status)
	return nil
}

// Quote quotes what a visitor sent for the log, and bounds it. It is for errors,
// and not for the messages of problems.
func Quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.QuoteToASCII(s)
}

// MethodNotAllowed says which methods an endpoint has.
func MethodNotAllowed(methods []string) *Problem {
	return &Problem{
		Status: http.StatusMethodNotAllowed, Reason: reason.MethodNotAllowed,
		Message: "Use " + strings.Join(methods, " or ") + " here.", Allow: strings.Join(methods, ", "),
	}
}

// NotFound says that there is nothing below a site's prefix under this path.
func NotFound(prefix string) *Problem {
	return &Problem{
		Status: http.StatusNotFound, Reason: reason.NotFound,
		Message: "Not found. The Web API is below " + prefix + "/v1/.",
	}
}

// Misconfigured says what the operator has to change. The message is logged as
// well.
func Misconfigured(message string) *Problem {
	return &Problem{Status: http.StatusInternalServerError, Reason: reason.Misconfigured, Message: message, Err: errors.New(message)}
}
