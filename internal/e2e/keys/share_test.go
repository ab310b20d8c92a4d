package keys_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
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
	*proxytest.Proxy
	clock *fakeclock.Clock
}

func startSharing(t *testing.T, options string) *sharing {
	t.Helper()
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: options, Sim: spotifytest.Options{Now: clock.Now}})
	return &sharing{s, clock}
}

// connect goes through the login that connects the shared account.
func (s *sharing) connect(user string) (*proxytest.Browser, proxytest.Response) {
	s.T.Helper()
	b := s.NewBrowser()
	a := b.Navigate(spotifytest.Approve(s.T, b.Client, s.Origin+"/spotify/share/connect", user), proxytest.Header("Sec-Fetch-Site", "cross-site"))
	return b, a
}

// asked returns how often the Web API was asked for something.
func (s *sharing) asked(path string) int { return len(s.Sim.RequestsTo(path)) }

// A thousand visitors who ask each second for a minute cost Spotify a request
// every five seconds.
func TestShareManyVisitors(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{proxytest.Start(t, proxytest.Options{
		Auth: shareOptions, Site: "log_skip\nrespond home", Sim: spotifytest.Options{Now: clock.Now},
	}), clock}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	for second := range 60 {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					res, err := client.Get(s.Origin + "/spotify" + nowPlaying)
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
	if b.WantStatus(a, http.StatusForbidden); !strings.Contains(a.Text, "not_owner") || !strings.Contains(a.Text, "<h1>Nothing was connected</h1>") {
		t.Errorf("page: %s", a.Text)
	}
	if _, ok := b.Cookies()["spotify_session"]; ok {
		t.Error("the stranger was logged in")
	}
	visitor := s.NewBrowser()
	if e := visitor.WantStatus(visitor.Fetch("GET", "/spotify"+nowPlaying, ""), 503).APIError(t); e.Reason != "share_not_connected" {
		t.Errorf("error: %+v", e)
	}

	owner, a := s.connect("mira")
	owner.WantStatus(a, http.StatusSeeOther)
	if _, ok := owner.Cookies()["spotify_session"]; ok {
		t.Error("connecting logged the owner in")
	}
	a = visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	top := a.Text

	// A stranger, after there is one.
	_, a = s.connect("jonas")
	b.WantStatus(a, http.StatusForbidden)
	s.clock.Advance(time.Minute)
	if a = visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200); a.Text != top {
		t.Error("visitors see another account's data")
	}
	for _, r := range s.Sim.RequestsTo("/v1/me/") {
		if r.User != "mira" {
			t.Errorf("%s was asked as %s", r.Path, r.User)
		}
	}
}

// The account_id serves as well as the user's id.
func TestShareOwnerByAccountID(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{proxytest.Start(t, proxytest.Options{
		Auth: strings.Replace(shareOptions, "owner  mira", "owner someone-else immutable7", 1),
		Sim:  spotifytest.Options{Now: clock.Now, Users: []spotifytest.User{{ID: "mira", AccountID: "immutable7"}}},
	}), clock}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	v := s.NewBrowser()
	v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, ""), 200)
}

func TestShareAnswersNothingElse(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	s.Sim.ForgetRequests()

	v := s.NewBrowser()
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
		v.WantStatus(v.Fetch(c.method, "/spotify"+c.target, "",
			proxytest.Header("X-HTTP-Method-Override", "GET"), proxytest.Header("X-Original-URL", "/spotify"+nowPlaying)), c.status)
	}
	v.WantStatus(v.Fetch("POST", "/spotify"+nowPlaying+"?_method=GET", "_method=GET", proxytest.Header("Content-Type", "application/x-www-form-urlencoded")), 401)
	if n := s.asked("/v1/"); n > 0 {
		t.Errorf("Spotify was asked %d times: %+v", n, s.Sim.Requests())
	}
	// However it is spelt, Spotify is asked for exactly what is listed.
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me/top/tr%61cks?li%6dit=2", ""), 200)
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me/top/artists?time_range=short_term&limit=2", ""), 200)
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me/top/artists?limit=2&time_range=short_term", ""), 200)
	v.WantStatus(v.Fetch("HEAD", "/spotify/v1/me/top/artists?limit=2&time_range=short_term", ""), 200)
	all := s.Sim.RequestsTo("/v1/")
	if len(all) != 2 || all[0].Path != "/v1/me/top/tracks" || all[0].RawQuery != "limit=2" ||
		all[1].Path != "/v1/me/top/artists" || all[1].RawQuery != "limit=2&time_range=short_term" {
		t.Errorf("Spotify was asked for %+v", all)
	}
	// The first to ask may send a body, or ask for the headers alone: Spotify
	// sees neither.
	s.Sim.ForgetRequests()
	for method, body := range map[string]string{"GET": `{"uris":["spotify:track:x"]}`, "HEAD": ""} {
		s.clock.Advance(time.Minute)
		v.WantStatus(v.Fetch(method, "/spotify"+nowPlaying, body), 200)
	}
	v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, ""), 200)
	all = s.Sim.RequestsTo("/v1/")
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
	b.WantStatus(a, http.StatusSeeOther)
	s.Sim.ForgetRequests()

	v := s.NewBrowser()
	noise := []proxytest.Edit{
		proxytest.Header("Cookie", "spotify_session=abc; other=1"), proxytest.Header("Authorization", "Bearer mine"), proxytest.Header("X-Forwarded-For", "203.0.113.9"),
		proxytest.Header("User-Agent", "the-visitors-own/1.0"), proxytest.Header("Accept-Language", "de"), proxytest.Header("X-Anything", "else"), proxytest.Header("Accept", "text/plain"),
		proxytest.Header("Range", "bytes=0-3"), proxytest.Header("If-None-Match", `"x"`), proxytest.Header("Cache-Control", "no-cache"),
	}
	v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, "", noise...), 206)
	v.WantStatus(v.Fetch("GET", "/spotify"+nowPlaying, "", proxytest.Header("Accept-Language", "fr"), proxytest.Header("Cache-Control", "no-cache")), 200)
	all := s.Sim.RequestsTo("/v1/")
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
	owner.WantStatus(a, http.StatusSeeOther)

	b := s.NewBrowser()
	shared := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	if cc, vary := shared.Header.Get("Cache-Control"), shared.Header.Values("Vary"); cc != "public, max-age=5" || strings.Join(vary, ",") != "Cookie" {
		t.Errorf("Cache-Control %q, Vary %q", cc, vary)
	}
	b.Login("jonas")
	own := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	if own.Text == shared.Text || strings.Contains(own.Header.Get("Cache-Control"), "public") {
		t.Errorf("a visitor who is logged in got %q, %s", own.Header.Get("Cache-Control"), own.Text)
	}
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), 204)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
}

func TestShareConditionalRequests(t *testing.T) {
	s := startSharing(t, shareOptions)
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	v := s.NewBrowser()
	target := "/spotify/v1/me/top/tracks?limit=2"
	a = v.WantStatus(v.Fetch("GET", target, ""), 200)
	tag := a.Header.Get("ETag")
	if tag == "" || a.Header.Get("Age") != "0" {
		t.Fatalf("ETag %q, Age %q", tag, a.Header.Get("Age"))
	}
	s.clock.Advance(3 * time.Second)
	a = v.WantStatus(v.Fetch("GET", target, "", proxytest.Header("If-None-Match", `"other", W/`+tag)), 304)
	if a.Text != "" || a.Header.Get("ETag") != tag || a.Header.Get("Age") != "3" || a.Header.Get("Cache-Control") != "public, max-age=5" {
		t.Errorf("304: %v %q", a.Header, a.Text)
	}
	a = v.WantStatus(v.Fetch("HEAD", target, ""), 200)
	if a.Text != "" || a.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %v %q", a.Header, a.Text)
	}
	// The same answer, fetched again, is still the same.
	s.clock.Advance(time.Minute)
	v.WantStatus(v.Fetch("GET", target, "", proxytest.Header("If-None-Match", tag)), 304)
	if n := s.asked("/v1/me/top/tracks"); n != 2 {
		t.Errorf("Spotify was asked %d times", n)
	}
}

func TestShareStatus(t *testing.T) {
	s := startSharing(t, shareOptions)
	v := s.NewBrowser()
	status := func() (st struct {
		Connected  bool     `json:"connected"`
		Allow      []string `json:"allow"`
		ConnectURL string   `json:"connect_url"`
	}) {
		a := v.WantStatus(v.Fetch("GET", "/spotify/share", ""), 200)
		if err := json.Unmarshal([]byte(a.Text), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	health := func() string { return v.WantStatus(v.Fetch("GET", "/spotify/health", ""), 200).Text }
	page := func() string { return v.WantStatus(v.Navigate("/spotify/share"), 200).Text }

	if st := status(); st.Connected || st.ConnectURL != "/spotify/share/connect" || len(st.Allow) != 3 || st.Allow[0] != "/spotify"+nowPlaying {
		t.Errorf("status: %+v", st)
	}
	if !strings.Contains(health(), `"share":"not_connected"`) || !strings.Contains(page(), "No account is connected") {
		t.Errorf("health %s, page %s", health(), page())
	}
	if !strings.Contains(s.Log.String(), s.Origin+"/spotify/share/connect") {
		t.Error("the log does not say where to connect")
	}
	b, a := s.connect("mira")
	if b.WantStatus(a, http.StatusSeeOther); a.Header.Get("Location") != "/spotify/share" {
		t.Errorf("connecting leads to %q", a.Header.Get("Location"))
	}
	if shown := page(); !strings.Contains(shown, `<a class="button" href="/">`) || !strings.Contains(shown, `<a id="again" href="/spotify/share/connect">`) {
		t.Errorf("the page has another login as its main action: %s", shown)
	}
	if !status().Connected || !strings.Contains(health(), `"share":"connected"`) || !strings.Contains(page(), "The account is connected") {
		t.Errorf("health %s, page %s", health(), page())
	}
	// Only what the share needs is asked for, and Spotify asks the owner.
	u := s.NewBrowser().Navigate("/spotify/share/connect").Header.Get("Location")
	if !strings.Contains(u, "scope=user-read-currently-playing+user-top-read&") || !strings.Contains(u, "show_dialog=true") {
		t.Errorf("connecting asks with %s", u)
	}
}

func TestShareIsOffByDefault(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	for _, path := range []string{"/spotify/share", "/spotify/share/connect"} {
		b.WantStatus(b.Fetch("GET", path, ""), 404)
	}
	if a := b.Fetch("GET", "/spotify/health", ""); strings.Contains(a.Text, "share") {
		t.Errorf("health: %s", a.Text)
	}
}

// P49: with access_keys, the same path has another response for a program with a
// key, so shared caches have to tell them apart.
func TestShareVariesOnKeys(t *testing.T) {
	for options, want := range map[string]string{shareOptions: "Cookie", shareOptions + "\naccess_keys": "Cookie,Authorization"} {
		s := startSharing(t, options)
		b, a := s.connect("mira")
		b.WantStatus(a, http.StatusSeeOther)
		visitor := s.NewBrowser()
		for range 2 {
			a = visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
			if vary := strings.Join(a.Header["Vary"], ","); vary != want {
				t.Errorf("Vary is %q, want %q", vary, want)
			}
		}
	}
}
