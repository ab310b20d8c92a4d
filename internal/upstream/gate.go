package upstream

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

var gatePool = newPerClient(func() *ratelimit.Gate { return ratelimit.New(clock.Get()) })

// AcquireGate returns the gate of a client ID, and what lets go of it.
func AcquireGate(clientID string) (*ratelimit.Gate, func() error) { return gatePool.acquire(clientID) }

// sendOnce sends a request of a call's, if the gate admits it.
func (t *Transport) sendOnce(c *call, req *http.Request) (*http.Response, error) {
	operation, family := c.bucket()
	res, limited, err := c.ex.Site.metered(c.in.Context(), c.ex.caller(c.in.URL), c.account(), operation, family, func() (*http.Response, error) { return t.next.RoundTrip(req) })
	if limited != "" {
		c.reason = limited
	}
	return res, err
}

// throughGate sends a request for an operation, on an account's behalf, unless the
// gate says that Spotify would refuse it anyway. The error is then a problem. The gate
// learns from the response. If that is a 429, limited is the reason.
func (s *Site) throughGate(account, operation, family string, send func() (*http.Response, error)) (res *http.Response, limited reason.Reason, err error) {
	admission := s.Gate.Admit(account, operation, family)
	if !admission.Admitted {
		s.Metrics.Limited(telemetry.LimitedByProxy)
		return nil, "", limitedHere(admission)
	}
	if res, err = send(); err != nil {
		s.Gate.Report(admission, 0, "", false)
		return nil, "", err
	}
	if res.StatusCode != http.StatusTooManyRequests {
		s.gateMoved(s.Gate.Report(admission, res.StatusCode, "", false))
		return res, "", nil
	}
	s.Metrics.Limited(telemetry.LimitedBySpotify)
	limited = refusalReason(res)
	s.gateMoved(s.Gate.Report(admission, res.StatusCode, res.Header.Get("Retry-After"), limited == reason.QuotaExceeded))
	return res, limited, nil
}

// gateMoved tells of what closed or opened.
func (s *Site) gateMoved(c ratelimit.Change) {
	if c.Transition == ratelimit.Unchanged || s.Audience == nil {
		return
	}
	what := []zap.Field{zap.String("scope", string(c.Scope)), zap.String("name", c.Name)}
	if c.Transition == ratelimit.Opened {
		s.Logger.Info("rate limit reset; sending requests to Spotify again", what...)
		return
	}
	if suppressed, ok := s.Faults.Admit("gate"); ok {
		s.Logger.Warn("rate limited by Spotify; responding 429 locally until the limit resets", append(what,
			zap.String("operation", c.Operation), zap.String("reason", string(c.Reason)),
			zap.Time("until", c.Until), zap.Time("next_probe", c.NextProbe), suppressed)...)
	}
	s.Audience.EmitLater(telemetry.EventRateLimited, nil, telemetry.Payload{
		"operation": c.Operation, "scope": string(c.Scope), "name": c.Name,
		"reason": string(c.Reason), "until": telemetry.Timestamp(c.Until),
	})
}

// account is whose request it is, for the gate's fair share.
func (c *call) account() string {
	if c.ex.Session == nil {
		return ""
	}
	return c.ex.Session.Account.ID
}
