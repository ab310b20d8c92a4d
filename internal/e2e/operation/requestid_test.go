package operation_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

var shownID = regexp.MustCompile(`Request: <code id="request">([0-9a-f-]{36})</code>`)

// A person quotes the identifier on a page, or a program the one in a header and in JSON,
// and the operator finds the log line with it: the plugin's, and that of the access log.
// What is not logged has none.
func TestRefusalsNameTheirLogLine(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	linesWith := func(id string) (msgs []string) {
		for line := range strings.Lines(s.Log.String()) {
			var l struct{ Msg, UUID string }
			if json.Unmarshal([]byte(line), &l) == nil && l.UUID == id {
				msgs = append(msgs, l.Msg)
			}
		}
		return msgs
	}
	check := func(a proxytest.Response, msg string) {
		t.Helper()
		id := a.Header.Get("Spotify-Proxy-Request-Id")
		if len(id) != 36 {
			t.Fatalf("the header is %q on %d %s", id, a.StatusCode, a.Text)
		}
		if m := shownID.FindStringSubmatch(a.Text); strings.Contains(a.Header.Get("Content-Type"), "html") && (m == nil || m[1] != id) {
			t.Errorf("the page shows %q, want %s: %s", m, id, a.Text)
		}
		if strings.Contains(a.Header.Get("Content-Type"), "json") && !strings.Contains(a.Text, `"request_id":"`+id+`"`) {
			t.Errorf("the JSON lacks %s: %s", id, a.Text)
		}
		msgs := linesWith(id)
		if len(msgs) == 0 || msgs[0] != msg {
			t.Errorf("lines with %s: %q, want %q", id, msgs, msg)
		}
	}
	b := s.NewBrowser()
	check(b.ComeBack(s.Origin+"/spotify/callback?code=x&state=y"), "login failed")
	check(b.Do("GET", "/spotify/session", "", proxytest.Header("Sec-Fetch-Site", "cross-site")), "request not served")

	fault := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.ServerError})
	check(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")), "request not served")
	fault.Clear()

	for _, a := range []proxytest.Response{b.Navigate("/spotify/nothing"), b.Fetch("GET", "/spotify/v1/me", "")} {
		if id := a.Header.Get("Spotify-Proxy-Request-Id"); id != "" || strings.Contains(a.Text, "request_id") || shownID.MatchString(a.Text) {
			t.Errorf("%d, which is not logged, has the identifier %q: %s", a.StatusCode, id, a.Text)
		}
	}

	// Of many refusals for one reason few are logged, and only those name a line.
	named := 0
	for range 15 {
		if a := b.Do("GET", "/spotify/session", "", proxytest.Header("Sec-Fetch-Site", "cross-site")); a.Header.Get("Spotify-Proxy-Request-Id") != "" {
			named++
		}
	}
	if n := strings.Count(s.Log.String(), `"reason":"cross_site"`); named+1 != n || n != 10 {
		t.Errorf("%d refusals name one of %d lines", named+1, n)
	}
}
