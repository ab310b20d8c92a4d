package site

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
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
		"Whether all requests are answered 429 here, because Spotify limits the whole app: 1 or 0.", []string{"site"}, nil)
	gateOpensDesc = prometheus.NewDesc("caddy_spotify_gate_opens_timestamp_seconds",
		"When Spotify will be asked again, while the gate is closed for the whole app.", []string{"site"}, nil)
	limitsDesc = prometheus.NewDesc("caddy_spotify_limits_closed",
		"What is answered 429 here because Spotify limits it, by scope (operation or family) and family of operations.",
		[]string{"site", "scope", "family"}, nil)
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
	ch <- limitsDesc
}

// Collect implements prometheus.Collector.
func (SessionCollector) Collect(ch chan<- prometheus.Metric) {
	type sums struct {
		cached, busy, pending int
		reauthorize           int64
		gate                  time.Time
		clients               map[string]bool
	}
	// Two sets of sessions may belong to one site, for example while a config
	// that changes their limits takes over.
	sites := make(map[string]*sums)
	limits := upstream.Limits()
	for _, m := range session.InUse() {
		o := m.Observers.Observer()
		if o == nil {
			continue
		}
		s, ok := sites[o.Metrics.Site]
		if !ok {
			s = &sums{clients: make(map[string]bool)}
			sites[o.Metrics.Site] = s
		}
		s.cached += m.Cache.Len()
		s.busy += m.CountBusy()
		s.pending += int(m.PendingSaves.Load())
		if at := m.SoonestReauthorization(); at != 0 && (s.reauthorize == 0 || at < s.reauthorize) {
			s.reauthorize = at
		}
		s.clients[m.Namespace] = true
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
		type bucket struct{ scope, family string }
		counts := make(map[bucket]int)
		for _, l := range limits {
			if !s.clients[l.ClientID] {
				continue
			}
			counts[bucket{l.Scope, l.Family}]++
			if l.Scope == upstream.LimitedApp && l.NextProbe.After(s.gate) {
				s.gate = l.NextProbe
			}
		}
		for _, scope := range []string{upstream.LimitedOperation, upstream.LimitedFamily} {
			for _, family := range webapi.Families() {
				ch <- prometheus.MustNewConstMetric(limitsDesc, prometheus.GaugeValue,
					float64(counts[bucket{scope, family}]), site, scope, family)
			}
		}
		closed := 0.
		if !s.gate.IsZero() {
			closed = 1
			gauge(gateOpensDesc, float64(s.gate.Unix()), site)
		}
		gauge(gateClosedDesc, closed, site)
	}
}
