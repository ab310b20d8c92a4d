// Package telemetry is what operators see: metrics, events, the config that they go
// to, and log lines kept from flooding.
package telemetry

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// metrics counts what happens, for the whole process: each config of Caddy's
// has a registry of its own, and counters must go on counting when the next
// one takes over.
//
// Labels are bounded. A site is the host of its public origin; no session,
// account, path or other thing that a visitor could vary is a label.
var metrics = newMetricSet()

type metricSet struct {
	logins          *prometheus.CounterVec
	refreshes       *prometheus.HistogramVec
	waiters         *prometheus.CounterVec
	requests        *prometheus.CounterVec
	replays         *prometheus.CounterVec
	rateLimited     *prometheus.CounterVec
	cached          *prometheus.CounterVec
	ended           *prometheus.CounterVec
	renewals        *prometheus.CounterVec
	eventsDropped   *prometheus.CounterVec
	streams         *prometheus.GaugeVec
	polls           *prometheus.CounterVec
	deviceLogins    *prometheus.CounterVec
	storeOperations *prometheus.HistogramVec
}

func newMetricSet() *metricSet {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caddy", Subsystem: "spotify", Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "spotify", Name: name, Help: help, Buckets: buckets,
		}, labels)
	}
	return &metricSet{
		logins: counter("logins_total",
			"Logins that came back from Spotify, by outcome: success, or why there is no session.", "site", "outcome"),
		refreshes: histogram("refresh_duration_seconds",
			"Attempts to refresh an access token, by outcome, and how long they took.",
			[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40}, "site", "outcome"),
		waiters: counter("refresh_waiters_total",
			"Requests that had to wait for a refresh.", "site"),
		requests: counter("requests_total",
			"Requests for the Web API, by the reason that the answer carries, or none.", "site", "reason"),
		replays: counter("replays_total",
			"Requests sent once more with a newer token after the Web API had said 401, by outcome.", "site", "outcome"),
		rateLimited: counter("rate_limited_total",
			"Requests answered 429, by who did: spotify, or the proxy, which knew that Spotify would.", "site", "by"),
		cached: counter("cache_requests_total",
			"GET requests for the Web API that have a response, by what the cache did for them.", "site", "outcome"),
		ended: counter("sessions_ended_total",
			"Sessions that ended before their time, by reason.", "site", "reason"),
		renewals: counter("key_renewals_total",
			"Renewals of access keys, by outcome: granted by the owner, then taken by the key or failed.", "site", "outcome"),
		eventsDropped: counter("events_dropped_total",
			"Events not emitted because their handlers did not keep up.", "site"),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "spotify", Name: "event_streams", Help: "Streams of events that are open.",
		}, []string{"site"}),
		polls: counter("player_requests_total",
			"Requests for the state of a player on behalf of streams of events, by outcome.", "site", "outcome"),
		deviceLogins: counter("device_logins_total",
			"Steps of logins of devices: codes asked for, approved, denied, delivered, or refused because there were too many.", "site", "step"),
		storeOperations: histogram("store_operation_duration_seconds",
			"Operations of the token store, by outcome, and how long they took.",
			[]float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "store", "operation", "outcome"),
	}
}

// register has a config's registry show the metrics. Several sites of one
// config share it.
func (m *metricSet) register(registry *prometheus.Registry, others ...prometheus.Collector) error {
	for _, c := range append([]prometheus.Collector{
		m.logins, m.refreshes, m.waiters, m.requests, m.replays, m.rateLimited, m.cached, m.ended, m.renewals, m.eventsDropped, m.streams, m.polls, m.deviceLogins, m.storeOperations,
	}, others...) {
		err := registry.Register(c)
		if _, again := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !again {
			return err
		}
	}
	return nil
}

// Register registers the metrics, and others, with the registry of ctx's
// config.
func Register(ctx caddy.Context, others ...prometheus.Collector) error {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return nil
	}
	return metrics.register(registry, others...)
}

// Site counts for one site. The nil *Site counts nothing.
type Site struct {
	Site string
	// unremarkable counts the requests whose answers carry no reason. It is at
	// hand since those are nearly all.
	unremarkable prometheus.Counter
	cached       [len(cacheOutcomes)]prometheus.Counter // by CacheOutcome, less one
}

// NewSite returns the counters of a site, by the host of its public origin.
func NewSite(site string) *Site {
	// A rate needs a value before the first that is counted, and so does an alert
	// that compares successes, of which there may be none, with failures.
	for _, outcome := range loginOutcomes {
		metrics.logins.WithLabelValues(site, outcome)
	}
	for _, why := range []string{string(reason.UpstreamUnavailable), ClientGone, ResponseBroken} {
		metrics.requests.WithLabelValues(site, why)
	}
	metrics.streams.WithLabelValues(site)
	m := &Site{Site: site, unremarkable: metrics.requests.WithLabelValues(site, "none")}
	for i, outcome := range cacheOutcomes {
		m.cached[i] = metrics.cached.WithLabelValues(site, outcome)
	}
	return m
}

// loginOutcomes are those of a login that most alerts are about. There are others.
var loginOutcomes = []string{
	LoginSucceeded,
	string(reason.LoginCancelled), string(reason.LoginExpired), string(reason.LoginFailed), string(reason.LoginLoop),
	string(reason.StoreUnavailable), string(reason.UpstreamUnavailable), string(reason.UserNotAllowlisted),
}

// LoginSucceeded is the outcome of a login that led to what it was for.
const LoginSucceeded = "success"

// Login counts a login that is over.
func (m *Site) Login(outcome string) {
	if m != nil {
		metrics.logins.WithLabelValues(m.Site, outcome).Inc()
	}
}

// The outcomes of the renewal of an access key.
const (
	RenewalGranted = "granted" // its owner consented
	RenewalTaken   = "taken"   // the key uses the new grant
	RenewalFailed  = "failed"  // the new grant does not work
)

// Renewal counts what became of the renewal of an access key.
func (m *Site) Renewal(outcome string) {
	if m != nil {
		metrics.renewals.WithLabelValues(m.Site, outcome).Inc()
	}
}

// Refreshed counts an attempt at a refresh.
func (m *Site) Refreshed(ev pkce.RefreshEvent) {
	if m == nil {
		return
	}
	metrics.refreshes.WithLabelValues(m.Site, string(ev.Outcome)).Observe(ev.Duration.Seconds())
	metrics.waiters.WithLabelValues(m.Site).Add(float64(ev.Waiters))
}

// Outcomes of a replay.
const (
	replayHelped       = "answered"
	replayUnauthorized = "unauthorized"
	replayFailed       = "failed"
)

// Replayed counts a request that was sent twice.
func (m *Site) Replayed(res *http.Response, err error) {
	if m == nil {
		return
	}
	outcome := replayHelped
	switch {
	case err != nil:
		outcome = replayFailed
	case res.StatusCode == http.StatusUnauthorized:
		outcome = replayUnauthorized
	}
	metrics.replays.WithLabelValues(m.Site, outcome).Inc()
}

// Who answers 429.
const (
	LimitedBySpotify = "spotify"
	LimitedByProxy   = "proxy"
)

// Limited counts a request answered 429.
func (m *Site) Limited(by string) {
	if m != nil {
		metrics.rateLimited.WithLabelValues(m.Site, by).Inc()
	}
}

// SessionEnded counts a session that is over.
func (m *Site) sessionEnded(why string) {
	if m != nil {
		metrics.ended.WithLabelValues(m.Site, why).Inc()
	}
}

func (m *Site) eventDropped() {
	if m != nil {
		metrics.eventsDropped.WithLabelValues(m.Site).Inc()
	}
}

// Values of the label reason that no response has.
const (
	ClientGone     = "client_gone"     // nobody is there who would read a response
	ResponseBroken = "response_broken" // Spotify's response broke off
)

// RequestFailed counts a request for the Web API that has no response, or not all
// of one, by ClientGone or ResponseBroken.
func (m *Site) RequestFailed(why string) {
	if m != nil {
		metrics.requests.WithLabelValues(m.Site, why).Inc()
	}
}

// Request counts a request for the Web API by what its answer, with these
// headers, or the error that becomes one, says.
func (m *Site) Request(answer http.Header, err error) {
	if m == nil {
		return
	}
	if err == nil && answer[reason.Header] == nil {
		m.unremarkable.Inc()
		return
	}
	metrics.requests.WithLabelValues(m.Site, requestReason(answer, err)).Inc()
}

// StatusClientGone is what reverse_proxy answers when the client has hung up.
const StatusClientGone = 499

func requestReason(answer http.Header, err error) string {
	if err != nil {
		e, ok := errors.AsType[caddyhttp.HandlerError](err)
		switch {
		case ok && e.StatusCode == StatusClientGone:
			return ClientGone
		case ok && e.StatusCode >= 400 && e.StatusCode < 500:
			return string(reason.BadRequest) // the site's own limits
		}
		return string(reason.UpstreamUnavailable)
	}
	why := answer.Get(reason.Header)
	if _, ok := knownReasons[why]; !ok {
		return "other"
	}
	return why
}

// knownReasons are the values of the label. A header can say anything.
var knownReasons = func() map[string]struct{} {
	known := make(map[string]struct{})
	for _, why := range reason.All() {
		known[string(why)] = struct{}{}
	}
	return known
}()
