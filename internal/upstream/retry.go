package upstream

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	firstRetryWait = 250 * time.Millisecond
	// maxHeld bounds the requests that are held back at a time, each of which
	// takes a connection and memory. Those beyond are answered at once.
	maxHeld = 1000
)

// heldBack counts the requests that are held back, in the whole process.
var heldBack atomic.Int64

// sendWithRetry sends a call, and again as the retry option allows.
func (t *Transport) sendWithRetry(c *call, token *pkce.Token) (*http.Response, error) {
	res, err := t.sendInForm(c, token)
	if t.retries == 0 || c.in.Method != http.MethodGet && c.in.Method != http.MethodHead ||
		c.out.Body != nil && c.out.Body != http.NoBody {
		return res, err
	}
	patience := t.maxWait
	for n := range t.retries {
		wait, worth := t.retryWait(n, res, err)
		if !worth || wait > patience {
			break
		}
		if heldBack.Add(1) > maxHeld {
			heldBack.Add(-1)
			break
		}
		patience -= wait
		if res != nil {
			discard(res)
		}
		_, span := trace.Start(&c.ctx, trace.RetryWait)
		span.Set(trace.Reason, string(c.reason))
		err = pkce.Sleep(&c.ctx, clock.Get(), wait)
		span.End(err)
		heldBack.Add(-1)
		if err != nil {
			return nil, err
		}
		if token, err = AccessToken(&c.ctx, c.ex); err != nil {
			return nil, err
		}
		c.reason = ""
		res, err = t.sendInForm(c, token)
	}
	return res, err
}

// retryWait returns how long to wait before the next try, and whether another
// one is worth it.
func (t *Transport) retryWait(n int, res *http.Response, err error) (time.Duration, bool) {
	wait := firstRetryWait << min(n, 10)
	spread := rand.N(wait/2 + 1) // those refused together do not come back together
	switch p := problem.As(err); {
	case p != nil && p.Status == http.StatusTooManyRequests:
		wait = max(wait, p.RetryAfter)
	case p != nil || err != nil && !connectionLost(err):
		return 0, false
	case err == nil:
		switch res.StatusCode {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable:
		default:
			return 0, false
		}
		if asked, ok := retryafter.Parse(res.Header.Get("Retry-After"), clock.Get().Now()); ok {
			wait = max(wait, asked)
		}
	}
	if wait > math.MaxInt64-spread {
		return wait, true // a date in the far future
	}
	return wait + spread, true
}

// connectionLost reports whether a request failed because the API's end closed
// or reset its connection before it had responded. That a connection could not
// be made is for reverse_proxy's load balancing to retry.
func connectionLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
