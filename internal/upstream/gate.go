package upstream

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// gatePool keeps one gate for each client ID: Spotify counts an app's requests
// together, whoever they are for. Reloading the config does not open it.
var gatePool = caddy.NewUsagePool()

// pooledGate is a gate in the pool.
type pooledGate struct{ *ratelimit.Gate }

// Destruct implements caddy.Destructor.
func (pooledGate) Destruct() error { return nil }

// AcquireGate returns the gate of a client ID, and what lets go of it.
func AcquireGate(clientID string) (*ratelimit.Gate, func() error) {
	gate, _ := gatePool.LoadOrStore(clientID, pooledGate{ratelimit.New(clock.Get())})
	return gate.(pooledGate).Gate, func() error {
		_, err := gatePool.Delete(clientID)
		return err
	}
}

// sendOnce sends a request of a call's, if the gate admits it.
func (t *Transport) sendOnce(c *call, req *http.Request) (*http.Response, error) {
	res, limited, err := c.ex.Site.throughGate(c.account(), req.Method, c.in.URL.Path, func() (*http.Response, error) { return t.next.RoundTrip(req) })
	if limited != "" {
		c.reason = limited
	}
	return res, err
}

// throughGate sends a request for an operation, on an account's behalf, unless the
// gate says that Spotify would refuse it anyway. The error is then a problem. The gate
// learns from the response. If that is a 429, limited is the reason.
func (s *Site) throughGate(account, method, path string, send func() (*http.Response, error)) (res *http.Response, limited reason.Reason, err error) {
	admission := s.Gate.Admit(account)
	if !admission.Admitted {
		s.Metrics.Limited(telemetry.LimitedByProxy)
		return nil, "", problem.RateLimited(admission.Reason, admission.Wait)
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
	if op, known := webapi.Lookup(method, path); known && op.OwnLimit {
		// The operation has a limit of its own, which says nothing of others.
		s.Gate.Report(admission, 0, "", false)
		return res, limited, nil
	}
	s.gateMoved(s.Gate.Report(admission, res.StatusCode, res.Header.Get("Retry-After"), limited == reason.QuotaExceeded))
	return res, limited, nil
}

// ownLimitWait is how long a client is told to wait after a 429 that came without
// Retry-After and did not close the gate.
const ownLimitWait = 5 * time.Second

// setRetryAfter says on a 429 of Spotify's how long to wait, if that does not say
// so itself: until the gate opens again, which it closed.
func (s *Site) setRetryAfter(res *http.Response) {
	if _, ok := retryafter.Parse(problem.First(res.Header["Retry-After"]), clock.Get().Now()); ok {
		return
	}
	wait := ownLimitWait
	if until, _ := s.Gate.Snapshot(); !until.IsZero() {
		wait = until.Sub(clock.Get().Now()) // at least a second by RetryAfterSeconds
	}
	res.Header.Set("Retry-After", problem.RetryAfterSeconds(wait))
}

// gateMoved tells of a gate that closed or opened.
func (s *Site) gateMoved(t ratelimit.Transition) {
	if t == ratelimit.Unchanged || s.Audience == nil {
		return
	}
	if t == ratelimit.Opened {
		s.Logger.Info("rate limit reset; sending requests to Spotify again")
		return
	}
	until, why := s.Gate.Snapshot()
	if suppressed, ok := s.Faults.Admit("gate"); ok {
		s.Logger.Warn("rate limited by Spotify; responding 429 locally until the limit resets",
			zap.String("reason", string(why)), zap.Time("until", until), suppressed)
	}
	s.Audience.EmitLater(telemetry.EventRateLimited, nil, telemetry.Payload{"reason": string(why), "until": telemetry.Timestamp(until)})
}

// account is whose request it is, for the gate's fair share.
func (c *call) account() string {
	if c.ex.Session == nil {
		return ""
	}
	return c.ex.Session.Account.ID
}

// GateState is how the gate of a client ID stands.
type GateState struct {
	ClientID string        `json:"client_id"`
	Closed   bool          `json:"closed"`
	Until    *time.Time    `json:"until,omitempty"`
	Reason   reason.Reason `json:"reason,omitempty"`
}

// Gates returns the state of every gate in the process, in the order of the
// client IDs.
func Gates() []GateState {
	gates := []GateState{}
	gatePool.Range(func(key, value any) bool {
		gate, ok := value.(pooledGate)
		clientID, isString := key.(string)
		if !ok || !isString {
			return true
		}
		state := GateState{ClientID: clientID}
		if until, why := gate.Snapshot(); !until.IsZero() {
			until = until.UTC()
			state.Closed, state.Until, state.Reason = true, &until, why
		}
		gates = append(gates, state)
		return true
	})
	slices.SortFunc(gates, func(a, b GateState) int { return strings.Compare(a.ClientID, b.ClientID) })
	return gates
}
