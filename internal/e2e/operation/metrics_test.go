package operation_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// scrape returns the metrics of ours.
func scrape(s *proxytest.Proxy) string {
	s.T.Helper()
	b := s.NewBrowser()
	var ours strings.Builder
	for line := range strings.Lines(b.WantStatus(b.Do("GET", "/metrics", ""), http.StatusOK).Text) {
		if strings.Contains(line, "caddy_spotify_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// metric returns the value of a series of this site, or 0 if there is none.
// Labels are written as in the text format, without the site.
func metric(s *proxytest.Proxy, name string, labels ...string) float64 {
	s.T.Helper()
	return metricIn(s.T, scrape(s), strings.TrimPrefix(s.Origin, "http://"), name, labels...)
}

func metricIn(t testing.TB, text, site, name string, labels ...string) float64 {
	t.Helper()
series:
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "caddy_spotify_"+name+"{")
		if !ok {
			continue
		}
		for _, label := range append(labels, fmt.Sprintf("site=%q", site)) {
			if !strings.Contains(","+rest, ","+label) {
				continue series
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, "}")+1:]), 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return value
	}
	return 0
}

const withMetrics = "metrics /metrics\nrespond / home"

func TestMetricsTell(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Site: withMetrics})
	b := s.NewBrowser()
	want := func(value float64, name string, labels ...string) {
		t.Helper()
		if got := metric(s, name, labels...); got != value {
			t.Errorf("%s%v is %v, want %v\n%s", name, labels, got, value, scrape(s))
		}
	}

	b.Fetch("GET", "/spotify/v1/me", "")
	want(1, "requests_total", `reason="login_required"`)
	b.Navigate(spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login"))
	want(1, "logins_total", `outcome="login_cancelled"`)
	b.Login("")
	want(1, "logins_total", `outcome="success"`)
	want(1, "sessions_cached")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	want(1, "requests_total", `reason="none"`)

	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	want(1, "replays_total", `outcome="answered"`)
	want(1, "refresh_duration_seconds_count", `outcome="refreshed"`)
	want(1, "refresh_waiters_total")
	want(0, "sessions_busy")
	want(0, "pending_saves")
	if at := time.Unix(int64(metric(s, "reauthorize_soonest_timestamp_seconds")), 0); time.Until(at) < 170*24*time.Hour {
		t.Errorf("the soonest session is to be authorized again at %s", at)
	}

	if s.Sim.RevokeUser("mira") == 0 {
		t.Fatal("nothing was revoked")
	}
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 401)
	want(1, "refresh_duration_seconds_count", `outcome="reauthorize"`)
	want(1, "sessions_ended_total", `reason="reauthorization_required"`)
	want(1, "requests_total", `reason="reauthorization_required"`)
	want(0, "sessions_cached")

	b.Login("")
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), 204)
	want(1, "sessions_ended_total", `reason="logout"`)
	if text := scrape(s); !strings.Contains(text, `caddy_spotify_store_operation_duration_seconds_count{operation="create",outcome="ok",store="caddy"}`) {
		t.Errorf("no store operations in\n%s", text)
	}
}

// O53: the counters go on counting when another config takes over, and two
// sites get along.
func TestMetricsAcrossReloadAndSites(t *testing.T) {
	other := spotifytest.Start(t, spotifytest.Options{})
	second := freeport.Address(t)
	s := proxytest.Start(t, proxytest.Options{Site: withMetrics + fmt.Sprintf(`
}
http://%s {
	spotify_proxy {
		client_id     fedcba9876543210fedcba9876543210
		redirect_uri  http://%[1]s/music/callback
		authorize_url %s
		token_url     %s
		api_url       %s
	}
`, second, other.AuthorizeURL, other.TokenURL, other.APIURL)})
	visit := func(origin, prefix string) {
		t.Helper()
		b := s.NewBrowser()
		callback := spotifytest.Approve(t, b.Client, origin+prefix+"/login", "")
		b.WantStatus(b.Navigate(callback, proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
		b.WantStatus(b.Fetch("GET", origin+prefix+"/v1/me", ""), http.StatusOK)
	}
	for round := range 3 {
		visit(s.Origin, "/spotify")
		visit("http://"+second, "/music")
		text := scrape(s)
		for _, site := range []string{strings.TrimPrefix(s.Origin, "http://"), second} {
			for name, label := range map[string]string{"logins_total": `outcome="success"`, "requests_total": `reason="none"`, "sessions_cached": ""} {
				if got := metricIn(t, text, site, name, label); got != float64(round+1) {
					t.Errorf("round %d: %s of %s is %v\n%s", round, name, site, got, text)
				}
			}
		}
		s.Load(fmt.Sprintf("grace_period %ds", round+1))
	}

	problems, err := promlint.New(strings.NewReader(scrape(s))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// O55: whatever visitors send, there are no more series than before.
func TestMetricLabelsAreBounded(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{
		Site: withMetrics,
		Auth: "header_down Spotify-Proxy-Reason {http.request.uri.query.why}", // as if Spotify said it
	})
	b := s.NewBrowser()
	b.Login("")
	visit := func(i int) {
		b.Fetch("GET", fmt.Sprintf("/spotify/v1/users/%d?why=r%[1]d", i), "", proxytest.Header("Spotify-Proxy-Reason", fmt.Sprint("r", i)))
		b.Fetch("GET", fmt.Sprintf("/spotify/%d", i), "")
		b.Navigate(fmt.Sprintf("/spotify/callback?state=%d&error=e%d", i, i))
		b.Navigate(b.Origin + "/spotify/login?scope=" + strconv.Itoa(i))
		b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Host", fmt.Sprintf("h%d.example", i)), proxytest.Header("Cookie", fmt.Sprintf("spotify_session=%d", i)))
		b.Do(fmt.Sprintf("M%d", i), "/spotify/v1/me", "")
	}
	visit(0)
	before := strings.Count(scrape(s), "\n")
	for i := range 50 {
		visit(i + 1)
	}
	if after := strings.Count(scrape(s), "\n"); after != before {
		t.Errorf("%d lines of metrics became %d", before, after)
	}
}

// R33: a token that the store does not take is counted until it does.
func TestPendingSaveIsCounted(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Site: withMetrics})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ExpireAccessTokens()
	refresh := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", AfterServing: true, Hold: true})
	answered := make(chan proxytest.Response)
	go func() { answered <- b.Fetch("GET", "/spotify/v1/me", "") }()
	<-refresh.Entered()
	if got := metric(s, "sessions_busy"); got != 1 {
		t.Errorf("%v sessions are busy", got)
	}
	// A file where there should be a folder.
	if err := os.Rename(s.Storage, s.Storage+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refresh.Release()
	b.WantStatus(<-answered, http.StatusOK)
	if got := metric(s, "pending_saves"); got != 1 {
		t.Errorf("%v saves are pending", got)
	}
	if !strings.Contains(s.Log.String(), "saving refreshed token failed") {
		t.Error("nobody was warned")
	}
	if err := os.Remove(s.Storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.Storage+".away", s.Storage); err != nil {
		t.Fatal(err)
	}
	proxytest.Eventually(t, "the token is saved", func() bool {
		return metric(s, "pending_saves") == 0 && metric(s, "sessions_busy") == 0
	})
}
