package upstream

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// unlisted is what clients are told of an operation that webapi does not know: its
// name has words of a client's in it.
const unlisted = "unlisted operation"

// shownName is the name of what is closed, without anything that a client sent.
func shownName(l ratelimit.Limit) string {
	if l.Scope == ratelimit.ScopeOperation && !webapi.IsOperation(l.Name) {
		return unlisted
	}
	return l.Name
}

// limitedHere is the 429 of our own for a request that the gate has not admitted.
func limitedHere(d ratelimit.Decision) *problem.Problem {
	p := problem.RateLimited(d.Reason(), d.Wait)
	if d.FairShare {
		return p
	}
	p.Limited, p.LimitedUntil = shownName(d.Limit), d.Limit.Until
	what := p.Limited + " for this app"
	switch {
	case d.Limit.Scope == ratelimit.ScopeApp:
		what = "all requests of this app"
	case d.Limit.Scope == ratelimit.ScopeFamily:
		what = "this app's operations of the family " + p.Limited
	case p.Limited == unlisted:
		what = "this operation for this app"
	}
	p.Message = "Spotify limits " + what + "; try again " + problem.In(max(d.Left, d.Wait)) + "."
	return p
}

// explainLimit says on a 429 of Spotify's what is closed because of it, until when,
// and when to try again, if Spotify's own Retry-After does not name a time to come.
func (s *Site) explainLimit(res *http.Response, operation, family string) {
	limit, wait, limited := s.Gate.Standing(operation, family)
	if limited {
		res.Header.Set(problem.LimitedHeader, shownName(limit))
		res.Header.Set(problem.LimitedUntilHeader, telemetry.Timestamp(limit.Until))
	}
	if asked, ok := retryafter.Parse(problem.First(res.Header["Retry-After"]), clock.Get().Now()); ok && asked > 0 {
		return
	}
	if !limited {
		wait = openWait // another request was served meanwhile
	}
	res.Header.Set("Retry-After", problem.RetryAfterSeconds(wait)) // at least a second
}

// openWait is how long a client is told to wait after a 429 without Retry-After for
// an operation that is open.
const openWait = 5 * time.Second

// Scopes of a Limit.
const (
	LimitedOperation = string(ratelimit.ScopeOperation)
	LimitedFamily    = string(ratelimit.ScopeFamily)
	LimitedApp       = string(ratelimit.ScopeApp)
)

// Limit is something that the gate of a client ID keeps closed, as the admin API
// shows it.
type Limit struct {
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"` // LimitedOperation, LimitedFamily or LimitedApp
	// Name is the operation's, the family's, or "app". Of an operation that the Web
	// API is not known to have, it is what a client asked for.
	Name      string        `json:"name"`
	Family    string        `json:"family,omitempty"`
	Since     time.Time     `json:"since"`
	Until     time.Time     `json:"until"`
	NextProbe time.Time     `json:"next_probe"`
	Reason    reason.Reason `json:"reason"`
}

// Limits returns what is closed in the process, in the order of the client IDs and
// the widest first.
func Limits() []Limit { return ofGates((*ratelimit.Gate).Limits) }

// OpenLimits opens what has a name, as Limits shows it, or everything for
// ratelimit.All, and returns what it opened. clientID may be empty, for all.
func OpenLimits(clientID, name string) []Limit {
	return ofGates(func(g *ratelimit.Gate) []ratelimit.Limit { return g.Open(name) }, clientID)
}

// ofGates collects limits from the gates of some client IDs, or of all.
func ofGates(limits func(*ratelimit.Gate) []ratelimit.Limit, only ...string) []Limit {
	only = slices.DeleteFunc(only, func(clientID string) bool { return clientID == "" })
	all := []Limit{}
	gatePool.each(func(clientID string, gate *ratelimit.Gate) {
		if len(only) > 0 && !slices.Contains(only, clientID) {
			return
		}
		for _, l := range limits(gate) {
			all = append(all, Limit{
				ClientID: clientID, Scope: string(l.Scope), Name: l.Name, Family: l.Family,
				Since: l.Since.UTC(), Until: l.Until.UTC(), NextProbe: l.NextProbe.UTC(), Reason: l.Reason,
			})
		}
	})
	slices.SortStableFunc(all, func(a, b Limit) int { return strings.Compare(a.ClientID, b.ClientID) })
	return all
}
