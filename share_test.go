package caddyspotify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	nowPlaying   = "/v1/me/player/currently-playing"
	shareOptions = `share {
		owner  mira
		allow  /v1/me/player/currently-playing /v1/me/top/tracks?limit=2 /v1/me/top/artists?limit=2&time_range=short_term
		scopes user-read-currently-playing user-top-read
		cache  5s
		stale  10m
	}`
)

// sharing is a server with a shared account and a clock that stands still.
type sharing struct {
	*setup
	clock *fakeclock.Clock
}

func startSharing(t *testing.T, options string) *sharing {
	t.Helper()
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := start(t, startOptions{auth: options, sim: spotifytest.Options{Now: clock.Now}})
	return &sharing{s, clock}
}

// connect goes through the login that connects the shared account.
func (s *sharing) connect(user string) (*browser, answer) {
	s.t.Helper()
	b := s.newBrowser()
	a := b.navigate(spotifytest.Approve(s.t, b.client, s.origin+"/spotify/share/connect", user), header("Sec-Fetch-Site", "cross-site"))
	return b, a
}

// asked returns how often the Web API was asked for something.
func (s *sharing) asked(path string) int { return len(s.sim.RequestsTo(path)) }

// A thousand visitors who ask each second for a minute cost Spotify a request
// every five seconds.
func TestShareManyVisitors(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{start(t, startOptions{
		auth: shareOptions, site: "log_skip\nrespond home", sim: spotifytest.Options{Now: clock.Now},
	}), clock}
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	for second := range 60 {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					res, err := client.Get(s.origin + "/spotify" + nowPlaying)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode != http.StatusOK || res.Header.Get("Spotify-Proxy-Stale") != "" {
						t.Errorf("second %d: status %d, stale %q", second, res.StatusCode, res.Header.Get("Spotify-Proxy-Stale"))
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		s.clock.Advance(time.Second)
	}
	if n := s.asked(nowPlaying); n < 2 || n > 13 {
		t.Errorf("Spotify was asked %d times", n)
	}
}

func TestShareOnlyListedAccounts(t *testing.T) {
	s := startSharing(t, shareOptions)

	// A stranger, before there is an owner.
	b, a := s.connect("jonas")
	if b.wantStatus(a, http.StatusForbidden); !strings.Contains(a.body, "not_owner") || !strings.Contains(a.body, "<h1>Nothing was connected</h1>") {
		t.Errorf("page: %s", a.body)
	}
	if _, ok := b.cookies()["spotify_session"]; ok {
		t.Error("the stranger was logged in")
	}
	visitor := s.newBrowser()
	if e := visitor.wantStatus(visitor.fetch("GET", "/spotify"+nowPlaying, ""), 503).apiError(t); e.Reason != "share_not_connected" {
		t.Errorf("error: %+v", e)
	}

	owner, a := s.connect("mira")
	owner.wantStatus(a, http.StatusSeeOther)
	if _, ok := owner.cookies()["spotify_session"]; ok {
		t.Error("connecting logged the owner in")
	}
	a = visitor.wantStatus(visitor.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	top := a.body

	// A stranger, after there is one.
	_, a = s.connect("jonas")
	b.wantStatus(a, http.StatusForbidden)
	s.clock.Advance(time.Minute)
	if a = visitor.wantStatus(visitor.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200); a.body != top {
		t.Error("visitors see another account's data")
	}
	for _, r := range s.sim.RequestsTo("/v1/me/") {
		if r.User != "mira" {
			t.Errorf("%s was asked as %s", r.Path, r.User)
		}
	}
}

// The account_id serves as well as the user's id.
func TestShareOwnerByAccountID(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{start(t, startOptions{
		auth: strings.Replace(shareOptions, "owner  mira", "owner someone-else immutable7", 1),
		sim:  spotifytest.Options{Now: clock.Now, Users: []spotifytest.User{{ID: "mira", AccountID: "immutable7"}}},
	}), clock}
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	v := s.newBrowser()
	v.wantStatus(v.fetch("GET", "/spotify"+nowPlaying, ""), 200)
}

func TestShareAnswersNothingElse(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	s.sim.ForgetRequests()

	v := s.newBrowser()
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/v1/me", 401},
		{"GET", "/v1/me/player", 401},
		{"GET", nowPlaying + "/", 401},
		{"GET", nowPlaying + "?market=DE", 401},
		{"GET", nowPlaying + "?_=123", 401},
		{"GET", "/v1/me/top/tracks", 401},
		{"GET", "/v1/me/top/tracks?limit=50", 401},
		{"GET", "/v1/me/top/tracks?limit=2&limit=2", 401},
		{"GET", "/v1/me/top/tracks?limit=2;offset=3", 401},
		{"GET", "/V1/me/top/tracks?limit=2", 404},
		{"POST", nowPlaying, 401},
		{"PUT", nowPlaying, 401},
		{"DELETE", nowPlaying, 401},
		{"GET", "/v1/me/../me/player/currently-playing", 400},
		{"GET", "/v1//me/player/currently-playing", 400},
		{"GET", "/v1/me%2fplayer/currently-playing", 400},
		{"GET", nowPlaying + "%3Fmarket=DE", 401},
		{"GET", nowPlaying + "%00", 400},
		{"GET", nowPlaying + ";market=DE", 401},
		{"GET", nowPlaying + "%20", 401},
		{"HEAD", "/v1/me", 401},
		{"OPTIONS", "/v1/me", 401},
		{"TRACE", nowPlaying, 401},
		{"get", nowPlaying, 401},
	} {
		// Nor with what some servers take for another method or path.
		v.wantStatus(v.fetch(c.method, "/spotify"+c.target, "",
			header("X-HTTP-Method-Override", "GET"), header("X-Original-URL", "/spotify"+nowPlaying)), c.status)
	}
	v.wantStatus(v.fetch("POST", "/spotify"+nowPlaying+"?_method=GET", "_method=GET", header("Content-Type", "application/x-www-form-urlencoded")), 401)
	if n := s.asked("/v1/"); n > 0 {
		t.Errorf("Spotify was asked %d times: %+v", n, s.sim.Requests())
	}
	// However it is spelt, Spotify is asked for exactly what is listed.
	v.wantStatus(v.fetch("GET", "/spotify/v1/me/top/tr%61cks?li%6dit=2", ""), 200)
	v.wantStatus(v.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	v.wantStatus(v.fetch("GET", "/spotify/v1/me/top/artists?time_range=short_term&limit=2", ""), 200)
	v.wantStatus(v.fetch("GET", "/spotify/v1/me/top/artists?limit=2&time_range=short_term", ""), 200)
	v.wantStatus(v.fetch("HEAD", "/spotify/v1/me/top/artists?limit=2&time_range=short_term", ""), 200)
	all := s.sim.RequestsTo("/v1/")
	if len(all) != 2 || all[0].Path != "/v1/me/top/tracks" || all[0].RawQuery != "limit=2" ||
		all[1].Path != "/v1/me/top/artists" || all[1].RawQuery != "limit=2&time_range=short_term" {
		t.Errorf("Spotify was asked for %+v", all)
	}
	// The first to ask may send a body, or ask for the headers alone: Spotify
	// sees neither.
	s.sim.ForgetRequests()
	for method, body := range map[string]string{"GET": `{"uris":["spotify:track:x"]}`, "HEAD": ""} {
		s.clock.Advance(time.Minute)
		v.wantStatus(v.fetch(method, "/spotify"+nowPlaying, body), 200)
	}
	v.wantStatus(v.fetch("GET", "/spotify"+nowPlaying, ""), 200)
	all = s.sim.RequestsTo("/v1/")
	if len(all) != 2 {
		t.Errorf("Spotify was asked %d times", len(all))
	}
	for _, r := range all {
		if r.Method != "GET" || r.BodyLength != 0 {
			t.Errorf("Spotify got %s with %d bytes", r.Method, r.BodyLength)
		}
	}
}

// P43
func TestShareKeepsVisitorsToItself(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	s.sim.ForgetRequests()

	v := s.newBrowser()
	noise := []edit{
		header("Cookie", "spotify_session=abc; other=1"), header("Authorization", "Bearer mine"), header("X-Forwarded-For", "203.0.113.9"),
		header("User-Agent", "the-visitors-own/1.0"), header("Accept-Language", "de"), header("X-Anything", "else"), header("Accept", "text/plain"),
		header("Range", "bytes=0-3"), header("If-None-Match", `"x"`), header("Cache-Control", "no-cache"),
	}
	v.wantStatus(v.fetch("GET", "/spotify"+nowPlaying, "", noise...), 206)
	v.wantStatus(v.fetch("GET", "/spotify"+nowPlaying, "", header("Accept-Language", "fr"), header("Cache-Control", "no-cache")), 200)
	all := s.sim.RequestsTo("/v1/")
	if len(all) != 1 {
		t.Fatalf("Spotify was asked %d times; the visitors' headers vary what is kept", len(all))
	}
	if len(all[0].Violations) > 0 {
		t.Errorf("violations: %v", all[0].Violations)
	}
	for name, values := range all[0].Header {
		for _, v := range values {
			for _, sent := range []string{"visitors-own", "203.0.113.9", "Bearer mine", "de", "else", "text/plain", "bytes=", "no-cache"} {
				if v == sent || strings.Contains(v, sent) && len(sent) > 5 {
					t.Errorf("the visitor's %s: %s reached Spotify", name, v)
				}
			}
		}
	}
}

// A visitor who is logged in sees their own data, and no cache mixes the two up.
func TestShareGivesWayToSessions(t *testing.T) {
	s := startSharing(t, shareOptions)
	owner, a := s.connect("mira")
	owner.wantStatus(a, http.StatusSeeOther)

	b := s.newBrowser()
	shared := b.wantStatus(b.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	if cc, vary := shared.Header.Get("Cache-Control"), shared.Header.Values("Vary"); cc != "public, max-age=5" || strings.Join(vary, ",") != "Cookie" {
		t.Errorf("Cache-Control %q, Vary %q", cc, vary)
	}
	b.login("jonas")
	own := b.wantStatus(b.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	if own.body == shared.body || strings.Contains(own.Header.Get("Cache-Control"), "public") {
		t.Errorf("a visitor who is logged in got %q, %s", own.Header.Get("Cache-Control"), own.body)
	}
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), 204)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
}

func TestShareConditionalRequests(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.wantStatus(a, http.StatusSeeOther)
	v := s.newBrowser()
	target := "/spotify/v1/me/top/tracks?limit=2"
	a = v.wantStatus(v.fetch("GET", target, ""), 200)
	tag := a.Header.Get("ETag")
	if tag == "" || a.Header.Get("Age") != "0" {
		t.Fatalf("ETag %q, Age %q", tag, a.Header.Get("Age"))
	}
	s.clock.Advance(3 * time.Second)
	a = v.wantStatus(v.fetch("GET", target, "", header("If-None-Match", `"other", W/`+tag)), 304)
	if a.body != "" || a.Header.Get("ETag") != tag || a.Header.Get("Age") != "3" || a.Header.Get("Cache-Control") != "public, max-age=5" {
		t.Errorf("304: %v %q", a.Header, a.body)
	}
	a = v.wantStatus(v.fetch("HEAD", target, ""), 200)
	if a.body != "" || a.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %v %q", a.Header, a.body)
	}
	// The same answer, fetched anew, is still the same.
	s.clock.Advance(time.Minute)
	v.wantStatus(v.fetch("GET", target, "", header("If-None-Match", tag)), 304)
	if n := s.asked("/v1/me/top/tracks"); n != 2 {
		t.Errorf("Spotify was asked %d times", n)
	}
}

func TestShareStatus(t *testing.T) {
	s := startSharing(t, shareOptions)
	v := s.newBrowser()
	status := func() (st struct {
		Connected  bool     `json:"connected"`
		Allow      []string `json:"allow"`
		ConnectURL string   `json:"connect_url"`
	}) {
		a := v.wantStatus(v.fetch("GET", "/spotify/share", ""), 200)
		if err := json.Unmarshal([]byte(a.body), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	health := func() string { return v.wantStatus(v.fetch("GET", "/spotify/health", ""), 200).body }
	page := func() string { return v.wantStatus(v.navigate("/spotify/share"), 200).body }

	if st := status(); st.Connected || st.ConnectURL != "/spotify/share/connect" || len(st.Allow) != 3 || st.Allow[0] != "/spotify"+nowPlaying {
		t.Errorf("status: %+v", st)
	}
	if !strings.Contains(health(), `"share":"not_connected"`) || !strings.Contains(page(), "No account is connected") {
		t.Errorf("health %s, page %s", health(), page())
	}
	if !strings.Contains(s.logs.String(), s.origin+"/spotify/share/connect") {
		t.Error("the log does not say where to connect")
	}
	b, a := s.connect("mira")
	if b.wantStatus(a, http.StatusSeeOther); a.Header.Get("Location") != "/spotify/share" {
		t.Errorf("connecting leads to %q", a.Header.Get("Location"))
	}
	if !status().Connected || !strings.Contains(health(), `"share":"connected"`) || !strings.Contains(page(), "The account is connected") {
		t.Errorf("health %s, page %s", health(), page())
	}
	// Only what the share needs is asked for, and Spotify asks the owner.
	u := s.newBrowser().navigate("/spotify/share/connect").Header.Get("Location")
	if !strings.Contains(u, "scope=user-read-currently-playing+user-top-read&") || !strings.Contains(u, "show_dialog=true") {
		t.Errorf("connecting asks with %s", u)
	}
}

func TestShareIsOffByDefault(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	for _, path := range []string{"/spotify/share", "/spotify/share/connect"} {
		b.wantStatus(b.fetch("GET", path, ""), 404)
	}
	if a := b.fetch("GET", "/spotify/health", ""); strings.Contains(a.body, "share") {
		t.Errorf("health: %s", a.body)
	}
}
