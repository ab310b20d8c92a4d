package caddyspotify

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// gatePool keeps one gate for each client ID: Spotify counts an app's requests
// together, whoever they are for. Reloading the config does not open it.
var gatePool = caddy.NewUsagePool()

// pooledGate is a gate in the pool.
type pooledGate struct{ *ratelimit.Gate }

// Destruct implements caddy.Destructor.
func (pooledGate) Destruct() error { return nil }

// acquireGate returns the gate of a client ID, and what lets go of it.
func acquireGate(clientID string) (*ratelimit.Gate, func() error) {
	gate, _ := gatePool.LoadOrStore(clientID, pooledGate{ratelimit.New(clock.Get())})
	return gate.(pooledGate).Gate, func() error {
		_, err := gatePool.Delete(clientID)
		return err
	}
}

// sendOnce sends a request unless the gate says that Spotify would refuse it
// anyway. The error is then a problem. The gate learns from the answer.
func (t *engine) sendOnce(c *call, req *http.Request) (*http.Response, error) {
	gate := c.ex.site.gate
	admission := gate.Admit(c.account())
	if !admission.Admitted {
		c.ex.site.metrics.limited(limitedByProxy)
		return nil, &problem{
			status:     http.StatusTooManyRequests,
			reason:     admission.Reason,
			message:    "This app has used up its share of requests to Spotify for now. Try again later.",
			retryAfter: admission.Wait,
		}
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		gate.Report(admission, 0, "", false)
		return nil, err
	}
	if res.StatusCode != http.StatusTooManyRequests {
		c.ex.site.gateMoved(gate.Report(admission, res.StatusCode, "", false))
		return res, nil
	}
	c.ex.site.metrics.limited(limitedBySpotify)
	c.reason = refusalReason(res)
	if op, known := webapi.Lookup(req.Method, c.in.URL.Path); known && op.OwnLimit {
		// The operation has a limit of its own, which says nothing of others.
		gate.Report(admission, 0, "", false)
		return res, nil
	}
	c.ex.site.gateMoved(gate.Report(admission, res.StatusCode, res.Header.Get("Retry-After"), c.reason == reason.QuotaExceeded))
	return res, nil
}

// gateMoved tells of a gate that closed or opened.
func (s *upstreamSite) gateMoved(t ratelimit.Transition) {
	if t == ratelimit.Unchanged || s.audience == nil {
		return
	}
	if t == ratelimit.Opened {
		s.logger.Info("spotify answers again; requests are sent as before")
		return
	}
	until, why := s.gate.Snapshot()
	if suppressed, ok := s.faults.admit("gate"); ok {
		s.logger.Warn("spotify has had enough of this app's requests; they are answered here for a while",
			zap.String("reason", string(why)), zap.Time("until", until), suppressed)
	}
	s.audience.emitLater(eventRateLimited, nil, payload{"reason": string(why), "until": timestamp(until)})
}

// account is whose request it is, for the gate's fair share.
func (c *call) account() string {
	if c.ex.session == nil {
		return ""
	}
	return c.ex.session.account.ID
}

// gateOf returns until when a client ID's gate is closed, or the zero time.
func gateOf(clientID string) (until time.Time) {
	gatePool.Range(func(key, value any) bool {
		gate, ok := value.(pooledGate)
		if !ok || key != clientID {
			return true
		}
		until, _ = gate.Snapshot()
		return false
	})
	return until
}
