package upstream

import (
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
)

// Send sends a request of the site's own to the Web API, by a client, and reports why
// Spotify refused it, if it did. It counts like one of a visitor: while Spotify limits
// the app's requests it is not sent, and the error is a *problem.Problem that says how
// long to wait.
func (s *Site) Send(client *http.Client, req *http.Request) (*http.Response, reason.Reason, error) {
	res, why, err := s.throughGate("", req.Method, req.URL.Path, func() (*http.Response, error) {
		return client.Do(req) //nolint:gosec // to the API of the configuration
	})
	if err == nil && why == "" {
		why = refusalReason(res)
	}
	return res, why, err
}

// RetryAfter is how long a response asks to wait, or, if it is a 429 that does not
// say, how long the gate lets nothing through. It may be 0.
func (s *Site) RetryAfter(res *http.Response) time.Duration {
	now := clock.Get().Now()
	if wait, ok := retryafter.Parse(res.Header.Get("Retry-After"), now); ok {
		return wait
	}
	if until, _ := s.Gate.Snapshot(); res.StatusCode == http.StatusTooManyRequests && until.After(now) {
		return until.Sub(now)
	}
	return 0
}
