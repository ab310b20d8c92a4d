package caddyspotify

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sessionCollector says how many sessions there are. It looks when it is asked,
// at whatever sessions the process has then.
type sessionCollector struct{}

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
		"When the first of the sessions in memory ends because Spotify wants consent anew.", []string{"site"}, nil)
)

// Describe implements prometheus.Collector.
func (sessionCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- sessionsCachedDesc
	ch <- sessionsBusyDesc
	ch <- pendingSavesDesc
	ch <- reauthorizeDesc
	ch <- gateClosedDesc
	ch <- gateOpensDesc
}

// Collect implements prometheus.Collector.
func (sessionCollector) Collect(ch chan<- prometheus.Metric) {
	type sums struct {
		cached, busy, pending int
		reauthorize           int64
		gate                  time.Time
	}
	// Two sets of sessions may belong to one site, for example while a config
	// that changes their limits takes over.
	sites := make(map[string]*sums)
	for _, m := range allSessions() {
		o := m.observer()
		if o == nil {
			continue
		}
		s, ok := sites[o.metrics.site]
		if !ok {
			s = new(sums)
			sites[o.metrics.site] = s
		}
		s.cached += m.cache.len()
		s.busy += m.countBusy()
		s.pending += int(m.pendingSaves.Load())
		if at := m.soonest.of(m); at != 0 && (s.reauthorize == 0 || at < s.reauthorize) {
			s.reauthorize = at
		}
		if until := gateOf(m.namespace); until.After(s.gate) {
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

// allSessions returns the sessions of every config in force.
func allSessions() []*sessions {
	var all []*sessions
	sessionPool.Range(func(_, value any) bool {
		if m, ok := value.(*sessions); ok {
			all = append(all, m)
		}
		return true
	})
	return all
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

func (m *sessions) countBusy() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pinned)
}

// soonestEvery is how often it is found out which session has to be authorized
// anew first. With a million of them that takes a fifth of a second.
const soonestEvery = time.Minute

// soonestReauthorization remembers when the first session has to be authorized anew.
type soonestReauthorization struct {
	mu    sync.Mutex
	asked time.Duration
	at    int64
}

// of returns the time in Unix seconds, or 0 if there is no session.
func (r *soonestReauthorization) of(m *sessions) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := m.clock.Monotonic()
	if r.at != 0 && now-r.asked < soonestEvery {
		return r.at
	}
	r.asked, r.at = now, 0
	for s := range m.cache.each {
		if s.isKey() {
			continue // its end was chosen by who created it
		}
		if at := s.reauthorizeBy().Unix(); r.at == 0 || at < r.at {
			r.at = at
		}
	}
	return r.at
}
