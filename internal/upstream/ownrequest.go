package upstream

import (
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/quota"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Send sends a request of the site's own to the Web API, by a client, and reports why
// Spotify refused it, if it did. It counts like one of a visitor: while Spotify limits
// the app's requests it is not sent, and the error is a *problem.Problem that says how
// long to wait. path is the request's without what api_url puts before it.
func (s *Site) Send(client *http.Client, req *http.Request, path string) (*http.Response, reason.Reason, error) {
	operation, family := webapi.Bucket(req.Method, path)
	res, why, err := s.metered(req.Context(), quota.Caller{Kind: quota.Login, Name: "logins"}, "", operation, family, func() (*http.Response, error) {
		return client.Do(req) //nolint:gosec // to the API of the configuration
	})
	if err == nil && why == "" {
		why = refusalReason(res)
	}
	return res, why, err
}

// RetryAfter is how long a response to a request of the site's own asks to wait, or, if
// it is a 429 that does not say, how long the operation is closed. It may be 0.
func (s *Site) RetryAfter(res *http.Response, method, path string) time.Duration {
	wait, ok := retryafter.Parse(res.Header.Get("Retry-After"), clock.Get().Now())
	if res.StatusCode == http.StatusTooManyRequests && (!ok || wait <= 0) {
		_, wait, _ = s.Gate.Standing(webapi.Bucket(method, path))
	}
	return wait
}
