package site

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/quota"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// QuotaCollector is a prometheus.Collector of what each site's app has sent in the
// rolling day, all sites and instances together. Operations that the Web API is not
// known to have are one.
type QuotaCollector struct{}

var (
	quotaUsedDesc = prometheus.NewDesc("caddy_spotify_quota_used",
		"Requests that the site's app has sent to Spotify in the last 24 hours, on every instance, by operation.", []string{"site", "operation"}, nil)
	quotaRefusedDesc = prometheus.NewDesc("caddy_spotify_quota_refused",
		"Requests of the site's app that Spotify has refused with a 429 in the last 24 hours, on every instance, by operation.", []string{"site", "operation"}, nil)
	quotaHeldDesc = prometheus.NewDesc("caddy_spotify_quota_held",
		"Requests of the site's app that were not sent in the last 24 hours because the budget was used up.", []string{"site"}, nil)
	quotaLimitDesc = prometheus.NewDesc("caddy_spotify_quota_limit",
		"What the app may likely send in 24 hours: the budget, or else what had been sent when Spotify said that the quota was exceeded.", []string{"site"}, nil)
)

// Describe implements prometheus.Collector.
func (QuotaCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- quotaUsedDesc
	ch <- quotaRefusedDesc
	ch <- quotaHeldDesc
	ch <- quotaLimitDesc
}

// Collect implements prometheus.Collector.
func (QuotaCollector) Collect(ch chan<- prometheus.Metric) {
	sites := make(map[string]map[string]struct{}) // by client ID
	for _, m := range session.InUse() {
		if o := m.Observers.Observer(); o != nil {
			if sites[m.Namespace] == nil {
				sites[m.Namespace] = make(map[string]struct{})
			}
			sites[m.Namespace][o.Metrics.Site] = struct{}{}
		}
	}
	seen := make(map[string]struct{})
	for _, ledger := range quota.InUse() {
		report := ledger.Report()
		operations := make(map[string]quota.Counts)
		for _, op := range report.Operations {
			name := op.Name
			if !webapi.IsOperation(name) {
				name = quota.Other
			}
			sum := operations[name]
			sum.Used += op.Used
			sum.Refused += op.Refused
			operations[name] = sum
		}
		for site := range sites[ledger.ClientID()] {
			if _, again := seen[site]; again {
				continue // two apps on one host; the first by its ID
			}
			seen[site] = struct{}{}
			gauge := func(desc *prometheus.Desc, v int, labels ...string) {
				ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(v), append([]string{site}, labels...)...)
			}
			for name, sum := range operations {
				gauge(quotaUsedDesc, sum.Used, name)
				gauge(quotaRefusedDesc, sum.Refused, name)
			}
			gauge(quotaHeldDesc, report.Held)
			if size := report.Size(); size > 0 {
				gauge(quotaLimitDesc, size)
			}
		}
	}
}
