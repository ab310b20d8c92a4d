package push_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const sharing = `share {
	owner  mira
	allow  /v1/me/player/currently-playing
	scopes user-read-currently-playing user-read-playback-state
	cors   https://widget.example
}`

func (s *site) connect() {
	s.T.Helper()
	b := s.NewBrowser()
	b.WantStatus(b.Navigate(spotifytest.Approve(s.T, b.Client, s.Origin+"/spotify/share/connect", "mira"), proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusSeeOther)
}

// Q07: visitors of a shared account hear what it plays, and no more than is shared, for one
// request at a time.
func TestSharedPlayer(t *testing.T) {
	s := start(t, sharing)
	early := s.NewBrowser().Stream("/spotify/share/events")
	if why := reasonOf(t, second(t, s, early)); why != "share_not_connected" {
		t.Errorf("before anybody is connected: %q", why)
	}
	s.connect()
	if e, _ := s.within(65*time.Second, time.Second, early); e.Name != "bye" || e.Retry == "" {
		t.Errorf("once somebody is: %s %s", e.Name, e.Data)
	}
	polls := s.polls()
	var visitors []*proxytest.Stream
	for n := range 200 {
		edits := []proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://widget.example")}
		stream := s.NewBrowser().Stream("/spotify/share/events", edits...)
		if n == 0 && stream.Response.Header.Get("Access-Control-Allow-Origin") != "https://widget.example" {
			t.Errorf("headers: %v", stream.Response.Header)
		}
		visitors = append(visitors, stream)
	}
	for _, stream := range visitors {
		e := stream.NextNamed("player")
		if got := read(t, e); got.Player.Item == nil || got.Player.Device != nil || strings.Contains(e.Data, "repeat_state") {
			t.Fatalf("a visitor hears %s", e.Data)
		}
	}
	owner := s.NewBrowser()
	owner.Login("mira")
	own := owner.Stream("/spotify/events")
	if got := read(t, own.NextNamed("player")); got.Player.Device == nil {
		// The state that visitors see has no device; the next one has.
		e, _ := s.within(5*time.Second, 100*time.Millisecond, own)
		if got = read(t, e); got.Player.Device == nil {
			t.Errorf("the owner hears %+v", got)
		}
	}
	if n := s.polls() - polls; n > 2 {
		t.Errorf("%d requests for 200 visitors and the owner", n)
	}
	owner.WantStatus(owner.Fetch("POST", "/spotify/v1/me/player/next", ""), http.StatusNoContent)
	s.within(time.Second, 100*time.Millisecond, own)
	for _, stream := range visitors {
		if e := stream.NextNamed("player"); strings.Contains(e.Data, `"device"`) {
			t.Fatalf("a visitor hears %s", e.Data)
		}
	}
}

// second is the first event of a stream once something was tried twice.
func second(t *testing.T, s *site, stream *proxytest.Stream) proxytest.Event {
	t.Helper()
	e, _ := s.within(65*time.Second, time.Second, stream)
	return e
}

// What is not shared is not pushed.
func TestPlayerIsNotShared(t *testing.T) {
	s := start(t, "share {\nowner mira\nallow /v1/me/top/tracks\n}")
	b := s.NewBrowser()
	b.WantStatus(b.Fetch("GET", "/spotify/share/events", ""), http.StatusNotFound)
}

// The option events, the scopes and the rules of a key decide who gets a stream.
func TestWhoMayListen(t *testing.T) {
	s := start(t, "access_keys\nallow /v1/me/player/* /v1/me")
	b := s.NewBrowser()
	b.Login("mira")
	if e := b.Stream("/spotify/events").Next(); strings.Contains(e.Data, "device") {
		t.Errorf("allow has no GET /v1/me/player, and the stream has %s", e.Data)
	}
	for _, tc := range []struct {
		rules  string
		status int
	}{
		{"GET /v1/me", http.StatusForbidden},
		{"GET /v1/me/player/currently-playing", http.StatusOK},
	} {
		key := b.CreateKey(proxytest.KeyForm("k"+fmt.Sprint(tc.status), "access", "rules", "rules", tc.rules))
		stream := s.NewBrowser().TryStream("/spotify/events", proxytest.Header("Authorization", "Bearer "+key), proxytest.Header("Sec-Fetch-Site", ""))
		if stream.Response.StatusCode != tc.status {
			t.Errorf("a key for %s: %s", tc.rules, stream.Response.Status)
		}
		stream.Close()
	}
	s.Auth = "events off"
	s.Load("")
	b.WantStatus(b.Fetch("GET", "/spotify/events", ""), http.StatusNotFound)
}
