package caddyspotify_test

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
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// scrape returns the metrics of ours.
func (s *setup) scrape() string {
	s.t.Helper()
	b := s.newBrowser()
	var ours strings.Builder
	for line := range strings.Lines(b.wantStatus(b.do("GET", "/metrics", ""), http.StatusOK).body) {
		if strings.Contains(line, "caddy_spotify_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// metric returns the value of a series of this site, or 0 if there is none.
// Labels are written as in the text format, without the site.
func (s *setup) metric(name string, labels ...string) float64 {
	s.t.Helper()
	return metricIn(s.t, s.scrape(), strings.TrimPrefix(s.origin, "http://"), name, labels...)
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
	s := start(t, startOptions{site: withMetrics})
	b := s.newBrowser()
	want := func(value float64, name string, labels ...string) {
		t.Helper()
		if got := s.metric(name, labels...); got != value {
			t.Errorf("%s%v is %v, want %v\n%s", name, labels, got, value, s.scrape())
		}
	}

	b.fetch("GET", "/spotify/v1/me", "")
	want(1, "requests_total", `reason="login_required"`)
	b.navigate(spotifytest.Decline(t, b.client, b.origin+"/spotify/login"))
	want(1, "logins_total", `outcome="login_cancelled"`)
	b.login("")
	want(1, "logins_total", `outcome="success"`)
	want(1, "sessions_cached")
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200)
	want(1, "requests_total", `reason="none"`)

	s.sim.ExpireAccessTokens()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200)
	want(1, "replays_total", `outcome="answered"`)
	want(1, "refresh_duration_seconds_count", `outcome="refreshed"`)
	want(1, "refresh_waiters_total")
	want(0, "sessions_busy")
	want(0, "pending_saves")
	if at := time.Unix(int64(s.metric("reauthorize_soonest_timestamp_seconds")), 0); time.Until(at) < 170*24*time.Hour {
		t.Errorf("the soonest session is to be authorized anew at %s", at)
	}

	if s.sim.RevokeUser("mira") == 0 {
		t.Fatal("nothing was revoked")
	}
	s.sim.ExpireAccessTokens()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 401)
	want(1, "refresh_duration_seconds_count", `outcome="reauthorize"`)
	want(1, "sessions_ended_total", `reason="reauthorization_required"`)
	want(1, "requests_total", `reason="reauthorization_required"`)
	want(0, "sessions_cached")

	b.login("")
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), 204)
	want(1, "sessions_ended_total", `reason="logout"`)
	if text := s.scrape(); !strings.Contains(text, `caddy_spotify_store_operation_duration_seconds_count{operation="create",outcome="ok",store="caddy"}`) {
		t.Errorf("no store operations in\n%s", text)
	}
}

// O53: the counters go on counting when another config takes over, and two
// sites get along.
func TestMetricsAcrossReloadAndSites(t *testing.T) {
	other := spotifytest.Start(t, spotifytest.Options{})
	second := freeport.Address(t)
	s := start(t, startOptions{site: withMetrics + fmt.Sprintf(`
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
		b := s.newBrowser()
		callback := spotifytest.Approve(t, b.client, origin+prefix+"/login", "")
		b.wantStatus(b.navigate(callback, header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
		b.wantStatus(b.fetch("GET", origin+prefix+"/v1/me", ""), http.StatusOK)
	}
	for round := range 3 {
		visit(s.origin, "/spotify")
		visit("http://"+second, "/music")
		text := s.scrape()
		for _, site := range []string{strings.TrimPrefix(s.origin, "http://"), second} {
			for _, name := range []string{"logins_total", "requests_total", "sessions_cached"} {
				if got := metricIn(t, text, site, name); got != float64(round+1) {
					t.Errorf("round %d: %s of %s is %v\n%s", round, name, site, got, text)
				}
			}
		}
		s.load(fmt.Sprintf("grace_period %ds", round+1))
	}

	problems, err := promlint.New(strings.NewReader(s.scrape())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// O55: whatever visitors send, there are no more series than before.
func TestMetricLabelsAreBounded(t *testing.T) {
	s := start(t, startOptions{
		site: withMetrics,
		auth: "header_down Spotify-Proxy-Reason {http.request.uri.query.why}", // as if Spotify said it
	})
	b := s.newBrowser()
	b.login("")
	visit := func(i int) {
		b.fetch("GET", fmt.Sprintf("/spotify/v1/users/%d?why=r%[1]d", i), "", header("Spotify-Proxy-Reason", fmt.Sprint("r", i)))
		b.fetch("GET", fmt.Sprintf("/spotify/%d", i), "")
		b.navigate(fmt.Sprintf("/spotify/callback?state=%d&error=e%d", i, i))
		b.navigate(b.origin + "/spotify/login?scope=" + strconv.Itoa(i))
		b.fetch("GET", "/spotify/v1/me", "", header("Host", fmt.Sprintf("h%d.example", i)), header("Cookie", fmt.Sprintf("spotify_session=%d", i)))
		b.do(fmt.Sprintf("M%d", i), "/spotify/v1/me", "")
	}
	visit(0)
	before := strings.Count(s.scrape(), "\n")
	for i := range 50 {
		visit(i + 1)
	}
	if after := strings.Count(s.scrape(), "\n"); after != before {
		t.Errorf("%d lines of metrics became %d", before, after)
	}
}

// R33: a token that the store does not take is counted until it does.
func TestPendingSaveIsCounted(t *testing.T) {
	s := start(t, startOptions{site: withMetrics})
	b := s.newBrowser()
	b.login("")
	s.sim.ExpireAccessTokens()
	refresh := s.sim.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", AfterServing: true, Hold: true})
	answered := make(chan answer)
	go func() { answered <- b.fetch("GET", "/spotify/v1/me", "") }()
	<-refresh.Entered()
	if got := s.metric("sessions_busy"); got != 1 {
		t.Errorf("%v sessions are busy", got)
	}
	// A file where there should be a folder.
	if err := os.Rename(s.storage, s.storage+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refresh.Release()
	b.wantStatus(<-answered, http.StatusOK)
	if got := s.metric("pending_saves"); got != 1 {
		t.Errorf("%v saves are pending", got)
	}
	if !strings.Contains(s.logs.String(), "token refreshed, but not saved yet") {
		t.Error("nobody was warned")
	}
	if err := os.Remove(s.storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.storage+".away", s.storage); err != nil {
		t.Fatal(err)
	}
	for s.metric("pending_saves") != 0 || s.metric("sessions_busy") != 0 {
	}
}
