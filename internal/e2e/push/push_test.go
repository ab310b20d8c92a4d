// Package push_test has the black-box tests of the streams that tell what an account
// plays.
package push_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// playing is the data of an event player.
type playing struct {
	ObservedAt int64 `json:"observed_at"`
	SentAt     int64 `json:"sent_at"`
	Player     struct {
		Device *struct {
			Name    string `json:"name"`
			Private bool   `json:"is_private_session"`
		} `json:"device"`
		IsPlaying  bool   `json:"is_playing"`
		ProgressMS int64  `json:"progress_ms"`
		Type       string `json:"currently_playing_type"`
		Item       *struct {
			URI  string `json:"uri"`
			Href string `json:"href"`
		} `json:"item"`
	} `json:"player"`
}

func read(t *testing.T, e proxytest.Event) playing {
	t.Helper()
	var p playing
	e.Into(t, &p)
	return p
}

// site is a proxy, with a clock that is moved by hand.
type site struct {
	*proxytest.Proxy
	clock *fakeclock.Clock
}

func start(t *testing.T, auth string) *site {
	t.Helper()
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	return &site{proxytest.Start(t, proxytest.Options{Auth: auth, Sim: spotifytest.Options{Now: clock.Now}}), clock}
}

// polls returns how often Spotify was asked what an account plays.
func (s *site) polls() int {
	n := 0
	for _, r := range s.Sim.RequestsTo("/v1/me/player") {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

// within moves the clock by steps until an event comes, for so long at most.
func (s *site) within(limit, step time.Duration, stream *proxytest.Stream) (proxytest.Event, time.Duration) {
	s.T.Helper()
	for passed := time.Duration(0); passed <= limit; passed += step {
		if e, ok := stream.Soon(10 * time.Millisecond); ok {
			return e, passed
		}
		s.clock.Advance(step)
	}
	return stream.Next(), limit
}

// Q07: a stream begins with the state, which has the site's links, and tells of a command
// through the proxy within a second.
func TestStreamOfAPlayer(t *testing.T) {
	s := start(t, "")
	b := s.NewBrowser()
	b.Login("mira")
	stream := b.Stream("/spotify/events")
	h := stream.Response.Header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "private, no-store" || !strings.Contains(h.Get("Vary"), "Cookie") {
		t.Errorf("headers: %v", h)
	}
	first := read(t, stream.NextNamed("player"))
	if !first.Player.IsPlaying || first.Player.Item == nil || first.Player.Device == nil || first.ObservedAt == 0 || first.SentAt < first.ObservedAt {
		t.Errorf("the first state: %+v", first)
	}
	if !strings.HasPrefix(first.Player.Item.Href, s.Origin+"/spotify/v1/tracks/") {
		t.Errorf("the item's link is %q", first.Player.Item.Href)
	}
	second := b.Stream("/spotify/events")
	if got := read(t, second.NextNamed("player")); got.Player.Item.URI != first.Player.Item.URI {
		t.Errorf("the second stream has %q", got.Player.Item.URI)
	}
	if n := s.polls(); n != 1 {
		t.Errorf("Spotify was asked %d times", n)
	}
	b.WantStatus(b.Fetch("POST", "/spotify/v1/me/player/next", ""), http.StatusNoContent)
	e, lag := s.within(time.Second, 100*time.Millisecond, stream)
	if got := read(t, e); e.Name != "player" || got.Player.Item.URI == first.Player.Item.URI || lag > 400*time.Millisecond {
		t.Errorf("after %v: %s %+v", lag, e.Name, got)
	}
	if got := read(t, second.NextNamed("player")); got.Player.Item.URI == first.Player.Item.URI {
		t.Error("the second stream does not hear of it")
	}
}

// Q07: what happens elsewhere is seen by itself: the end of a track within two seconds, the
// rest at a heartbeat.
func TestChangesElsewhere(t *testing.T) {
	s := start(t, "cache {\n5m /v1/me/player /v1/me/player/*\n}") // which holds for pages
	phone := s.Sim.Phone("mira")
	tracks := s.Sim.Tracks(4)
	if err := phone.Play(tracks...); err != nil {
		t.Fatal(err)
	}
	b := s.NewBrowser()
	b.Login("mira")
	stream := b.Stream("/spotify/events")
	if got := read(t, stream.NextNamed("player")); got.Player.Item.URI != tracks[0] {
		t.Fatalf("%s is played, want %s", got.Player.Item.URI, tracks[0])
	}
	_, left := phone.Playing()
	for range int(left/time.Second) - 2 {
		s.clock.Advance(time.Second)
	}
	if early := stream.Pending(); len(early) != 0 {
		t.Errorf("before the end: %v", early)
	}
	_, left = phone.Playing()
	e, after := s.within(left+2*time.Second, 250*time.Millisecond, stream)
	if got := read(t, e); got.Player.Item.URI != tracks[1] || after < left {
		t.Errorf("after %v of %v: %+v", after, left, got)
	}
	for _, tc := range []struct {
		name  string
		act   func()
		check func(proxytest.Event, playing) bool
	}{
		{"skip", phone.Skip, func(_ proxytest.Event, p playing) bool { return p.Player.Item.URI == tracks[2] }},
		{"advertisement", func() { phone.Advertise(25 * time.Second) }, func(_ proxytest.Event, p playing) bool { return p.Player.Type == "ad" && p.Player.Item == nil }},
		{"after it", func() { s.clock.Advance(25 * time.Second) }, func(_ proxytest.Event, p playing) bool { return p.Player.Item != nil && p.Player.Item.URI == tracks[2] }},
		{"episode", func() { phone.Episode("e1", time.Hour) }, func(_ proxytest.Event, p playing) bool { return p.Player.Item.URI == "spotify:episode:e1" }},
		{"private session", func() { phone.PrivateSession(true) }, func(_ proxytest.Event, p playing) bool { return p.Player.Device.Private }},
		{"pause", phone.Pause, func(_ proxytest.Event, p playing) bool { return !p.Player.IsPlaying }},
		{"quit", phone.Quit, func(e proxytest.Event, _ playing) bool { return e.Name == "idle" }},
	} {
		tc.act()
		e, _ := s.within(65*time.Second, time.Second, stream)
		if p := read(t, e); !tc.check(e, p) {
			t.Errorf("%s: event %s with %s", tc.name, e.Name, e.Data)
		}
	}
	stream.Close()
}

// Q07: polls see what is new, also where a site's header_up takes away what says so.
func TestPollsAreFresh(t *testing.T) {
	s := start(t, "cache {\n5m /v1/me/player /v1/me/player/*\n}\nheader_up -Cache-Control")
	tracks := s.Sim.Tracks(2)
	phone := s.Sim.Phone("mira")
	if err := phone.Play(tracks...); err != nil {
		t.Fatal(err)
	}
	b := s.NewBrowser()
	b.Login("mira")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/player", ""), http.StatusOK) // which is kept
	stream := b.Stream("/spotify/events")
	stream.NextNamed("player")
	phone.Skip()
	e, _ := s.within(65*time.Second, time.Second, stream)
	if got := read(t, e); got.Player.Item.URI != tracks[1] {
		t.Errorf("%+v", got)
	}
}

// Without a session an EventSource is told so in a stream, since it sees no status.
func TestNoStreamWithout(t *testing.T) {
	s := start(t, "allow GET /v1/me/player")
	b := s.NewBrowser()
	stream := b.Stream("/spotify/events")
	var said struct {
		Reason   string `json:"reason"`
		LoginURL string `json:"login_url"`
	}
	e := stream.NextNamed("login_required")
	e.Into(t, &said)
	if said.Reason != "login_required" || said.LoginURL != "/spotify/login" || e.Retry != "60000" {
		t.Errorf("said %+v, retry %s", said, e.Retry)
	}
	if rest := stream.Ended(); len(rest) != 0 {
		t.Errorf("and then %v", rest)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/events", ""), http.StatusUnauthorized)
	b.WantStatus(b.Fetch("POST", "/spotify/events", ""), http.StatusMethodNotAllowed)
	b.WantStatus(b.Fetch("GET", "/spotify/share/events", ""), http.StatusNotFound)
	b.Login("mira")
	// P45: as for the API.
	for _, from := range []string{"cross-site", "same-site"} {
		if got := b.TryStream("/spotify/events", proxytest.Header("Sec-Fetch-Site", from)).Response; got.StatusCode != http.StatusForbidden {
			t.Errorf("from %s: %s", from, got.Status)
		}
	}
}
