package upstream

import (
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// Send sends a request of the site's own to the Web API, by a client, and reports why
// Spotify refused it, if it did. It counts like one of a visitor: while Spotify limits
// the app's requests it is not sent, and the error is a *problem.Problem that says how
// long to wait.
func (s *Site) Send(client *http.Client, req *http.Request) (*http.Response, reason.Reason, error) {
	admission := s.Gate.Admit("")
	if !admission.Admitted {
		s.Metrics.Limited(telemetry.LimitedByProxy)
		return nil, "", heldBackByGate(admission)
	}
	res, err := client.Do(req) //nolint:gosec // to the API of the configuration
	if err != nil {
		s.Gate.Report(admission, 0, "", false)
		return nil, "", err
	}
	why := refusalReason(res)
	if res.StatusCode == http.StatusTooManyRequests {
		s.Metrics.Limited(telemetry.LimitedBySpotify)
	}
	s.gateMoved(s.Gate.Report(admission, res.StatusCode, res.Header.Get("Retry-After"), why == reason.QuotaExceeded))
	return res, why, nil
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

// heldBackByGate says that Spotify would refuse a request.
func heldBackByGate(admission ratelimit.Decision) *problem.Problem {
	return &problem.Problem{
		Status:     http.StatusTooManyRequests,
		Reason:     admission.Reason,
		Message:    "This app has used up its share of requests to Spotify for now. Try again later.",
		RetryAfter: admission.Wait,
	}
}
