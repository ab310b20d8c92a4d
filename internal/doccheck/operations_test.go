package doccheck_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// The documentation, the dashboard and the alerts speak of the metrics that
// there are, and the documentation of all of them.
func TestMetricsAreDocumented(t *testing.T) {
	proxytest.Start(t, proxytest.Options{})
	descriptions := make(chan *prometheus.Desc, 1000) // Caddy's own among them
	ctx := caddy.ActiveContext()
	ctx.GetMetricsRegistry().Describe(descriptions)
	close(descriptions)
	var names []string
	for d := range descriptions {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())
		if strings.HasPrefix(name[1], "caddy_spotify_") {
			names = append(names, name[1])
		}
	}
	inRepository(t)
	if len(names) < 15 {
		t.Fatalf("there are only %q", names)
	}
	doc := readFile(t, "OPERATIONS.md")
	for _, name := range names {
		if !strings.Contains(doc, "| `"+name+"` |") {
			t.Errorf("OPERATIONS.md does not have %s in its table", name)
		}
	}
	for _, file := range []string{"OPERATIONS.md", "contrib/alerts.yml", "contrib/grafana-dashboard.json"} {
		for _, name := range regexp.MustCompile(`caddy_spotify_\w+`).FindAllString(readFile(t, file), -1) {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") {
					name = base
				}
			}
			if !slices.Contains(names, name) {
				t.Errorf("%s speaks of %s, which there is not", file, name)
			}
		}
	}
}

// Whoever reads the log at night finds every line in the documentation.
func TestLogLinesAreDocumented(t *testing.T) {
	inRepository(t)
	doc := readFile(t, "OPERATIONS.md")
	line := regexp.MustCompile(`(?:\.(?:Info|Warn|Error)\(|\.Check\(level, |line :?= )"([^"]+)"`)
	n := 0
	for name, source := range sources(t) {
		for _, m := range line.FindAllStringSubmatch(source, -1) {
			n++
			if !strings.Contains(doc, "`"+m[1]+"`") {
				t.Errorf("%s logs %q, of which OPERATIONS.md says nothing", name, m[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d lines found", n)
	}
}

// Every alert has a line that says what to do.
func TestAlertsAreDocumented(t *testing.T) {
	inRepository(t)
	doc := readFile(t, "OPERATIONS.md")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(readFile(t, "contrib/alerts.yml"), -1)
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	for _, a := range alerts {
		if !strings.Contains(doc, "| `"+a[1]+"` |") {
			t.Errorf("OPERATIONS.md does not say what to do about %s", a[1])
		}
	}
}
