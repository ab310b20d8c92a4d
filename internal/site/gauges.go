package site

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// SessionCollector is a prometheus.Collector of how many sessions and access keys
// each site has in memory, and of how its gate stands. It looks when it is asked,
// at what the process has then.
type SessionCollector struct{}

var (
	sessionsCachedDesc = prometheus.NewDesc("caddy_spotify_sessions_cached",
		"Sessions and access keys in memory. Those not used for long are in the token store alone.", []string{"site"}, nil)
	sessionsBusyDesc = prometheus.NewDesc("caddy_spotify_sessions_busy",
		"Sessions and access keys with a refresh or a save under way.", []string{"site"}, nil)
	pendingSavesDesc = prometheus.NewDesc("caddy_spotify_pending_saves",
		"Refreshed tokens that could not be saved yet. They are lost if the process dies now.", []string{"site"}, nil)
	gateClosedDesc = prometheus.NewDesc("caddy_spotify_gate_closed",
		"Whether requests are answered 429 here, because Spotify asked to be left alone: 1 or 0.", []string{"site"}, nil)
	gateOpensDesc = prometheus.NewDesc("caddy_spotify_gate_opens_timestamp_seconds",
		"When Spotify will be asked again, while the gate is closed.", []string{"site"}, nil)
	reauthorizeDesc = prometheus.NewDesc("caddy_spotify_reauthorize_soonest_timestamp_seconds",
		"When the first of the sessions in memory ends because Spotify requires consent again.", []string{"site"}, nil)
)

// Describe implements prometheus.Collector.
func (SessionCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- sessionsCachedDesc
	ch <- sessionsBusyDesc
	ch <- pendingSavesDesc
	ch <- reauthorizeDesc
	ch <- gateClosedDesc
	ch <- gateOpensDesc
}

// Collect implements prometheus.Collector.
func (SessionCollector) Collect(ch chan<- prometheus.Metric) {
	type sums struct {
		cached, busy, pending int
		reauthorize           int64
		gate                  time.Time
	}
	// Two sets of sessions may belong to one site, for example while a config
	// that changes their limits takes over.
	sites := make(map[string]*sums)
	gates := make(map[string]time.Time)
	for _, g := range upstream.Gates() {
		if g.Until != nil {
			gates[g.ClientID] = *g.Until
		}
	}
	for _, m := range session.InUse() {
		o := m.Observers.Observer()
		if o == nil {
			continue
		}
		s, ok := sites[o.Metrics.Site]
		if !ok {
			s = new(sums)
			sites[o.Metrics.Site] = s
		}
		s.cached += m.Cache.Len()
		s.busy += m.CountBusy()
		s.pending += int(m.PendingSaves.Load())
		if at := m.SoonestReauthorization(); at != 0 && (s.reauthorize == 0 || at < s.reauthorize) {
			s.reauthorize = at
		}
		if until := gates[m.Namespace]; until.After(s.gate) {
			s.gate = until
		}
	}
	gauge := func(desc *prometheus.Desc, v float64, site string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, site)
	}
	for site, s := range sites {
		gauge(sessionsCachedDesc, float64(s.cached), site)
		gauge(sessionsBusyDesc, float64(s.busy), site)
		gauge(pendingSavesDesc, float64(s.pending), site)
		if s.reauthorize != 0 {
			gauge(reauthorizeDesc, float64(s.reauthorize), site)
		}
		closed := 0.
		if !s.gate.IsZero() {
			closed = 1
			gauge(gateOpensDesc, float64(s.gate.Unix()), site)
		}
		gauge(gateClosedDesc, closed, site)
	}
}
