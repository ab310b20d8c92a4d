package push_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// reasonOf is the reason in an event's data.
func reasonOf(t *testing.T, e proxytest.Event) string {
	t.Helper()
	var said struct {
		Reason string `json:"reason"`
	}
	e.Into(t, &said)
	return said.Reason
}

// Q08: a logout ends the streams of that session at once, and no event follows, also where
// the player changes at the same moment. Others go on.
func TestLogoutEndsStreams(t *testing.T) {
	s := start(t, "")
	here, other := s.NewBrowser(), s.NewBrowser()
	here.Login("mira")
	other.Login("mira")
	one, two, third := here.Stream("/spotify/events"), here.Stream("/spotify/events"), other.Stream("/spotify/events")
	for _, stream := range []*proxytest.Stream{one, two, third} {
		stream.NextNamed("player")
	}
	s.Sim.Phone("mira").Skip()
	here.WantStatus(here.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	other.Fetch("POST", "/spotify/v1/me/player/next", "")
	for _, stream := range []*proxytest.Stream{one, two} {
		if why := reasonOf(t, stream.NextNamed("login_required")); why != "login_required" {
			t.Errorf("reason %q", why)
		}
		if rest := stream.Ended(); len(rest) != 0 {
			t.Errorf("after the logout: %v", rest)
		}
	}
	if e, _ := s.within(time.Second, 100*time.Millisecond, third); e.Name != "player" {
		t.Errorf("the other browser heard %s", e.Name)
	}
}

// Q08: a new login of the same browser has its streams come back by themselves.
func TestLoginReplacesStreams(t *testing.T) {
	s := start(t, "")
	b := s.NewBrowser()
	b.Login("mira")
	stream := b.Stream("/spotify/events")
	stream.NextNamed("player")
	b.Login("mira")
	e := stream.NextNamed("bye")
	if e.Retry == "" || reasonOf(t, e) != "replaced" {
		t.Errorf("%+v", e)
	}
	stream.Ended()
	b.Stream("/spotify/events").NextNamed("player")
}

// Q08: a revoked key, an expired session and a grant that Spotify has ended end their
// streams, and say why.
func TestAccessEnds(t *testing.T) {
	s := start(t, "session {\nlifetime 1h\n}\naccess_keys")
	b := s.NewBrowser()
	b.Login("mira")
	key := b.CreateKey(proxytest.KeyForm("display"))
	program := s.NewBrowser()
	stream := program.Stream("/spotify/events", proxytest.Header("Authorization", "Bearer "+key), proxytest.Header("Sec-Fetch-Site", ""))
	stream.NextNamed("player")
	own := b.Stream("/spotify/events")
	own.NextNamed("player")

	var list struct {
		Keys []struct {
			Key string `json:"key"`
		} `json:"keys"`
	}
	a := b.WantStatus(b.Fetch("GET", "/spotify/keys", "", proxytest.Header("Accept", "application/json")), http.StatusOK)
	proxytest.Event{Data: a.Text}.Into(t, &list)
	b.WantStatus(b.Fetch("DELETE", "/spotify/keys/"+list.Keys[0].Key, ""), http.StatusNoContent)
	if why := reasonOf(t, stream.NextNamed("login_required")); why != "invalid_access_key" {
		t.Errorf("a revoked key: %q", why)
	}
	stream.Ended()

	// The grant: the next request is the first to see that it is over.
	other := s.NewBrowser()
	other.Login("jonas")
	late := other.Stream("/spotify/events")
	late.NextNamed("player")
	s.Sim.RevokeUser("jonas")
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/player", Times: 1, Status: 401, Body: `{"error":{"status":401,"message":"The access token expired"}}`})
	other.Fetch("POST", "/spotify/v1/me/player/next", "")
	for {
		e, _ := s.within(65*time.Second, time.Second, late)
		if e.Name == "login_required" {
			break
		}
	}
	late.Ended()

	s.clock.Advance(time.Hour)
	if e, _ := s.within(30*time.Second, time.Second, own); e.Name != "login_required" {
		t.Errorf("an expired session: %s %s", e.Name, e.Data)
	}
	own.Ended()
}

// Q08: a reload waits for no stream, tells each to come back, at different times, and the
// state is there at once.
func TestReloadWithStreams(t *testing.T) {
	s := start(t, "")
	b := s.NewBrowser()
	b.Login("mira")
	var streams []*proxytest.Stream
	for range 30 {
		stream := b.Stream("/spotify/events")
		stream.NextNamed("player")
		streams = append(streams, stream)
	}
	polls := s.polls()
	s.Load("grace_period 1h")
	first, last := time.Hour, time.Duration(0)
	var id string
	for _, stream := range streams {
		e := stream.NextNamed("bye")
		if why := reasonOf(t, e); why != "reload" {
			t.Errorf("reason %q", why)
		}
		ms, err := strconv.Atoi(e.Retry)
		if err != nil {
			t.Fatal(err)
		}
		first, last = min(first, time.Duration(ms)*time.Millisecond), max(last, time.Duration(ms)*time.Millisecond)
		stream.Ended()
	}
	if last-first < 3*time.Second || last > 10*time.Second {
		t.Errorf("30 streams come back between %v and %v", first, last)
	}
	again := b.Stream("/spotify/events")
	id = again.NextNamed("player").ID
	resumed := b.Stream("/spotify/events", proxytest.Header("Last-Event-ID", id))
	if e, ok := resumed.Soon(100 * time.Millisecond); ok {
		t.Errorf("resumed with %s", e.Name)
	}
	if n := s.polls() - polls; n != 0 {
		t.Errorf("%d requests because of a reload", n)
	}
}

// Q08: a stream in which nothing happens says so, each 25 seconds.
func TestStreamIsKeptOpen(t *testing.T) {
	s := start(t, "")
	s.Sim.Phone("mira").Quit()
	b := s.NewBrowser()
	b.Login("mira")
	stream := b.Stream("/spotify/events")
	stream.NextNamed("idle")
	for range 3 {
		s.clock.Advance(25 * time.Second)
		stream.NextComment()
	}
	if e := stream.Pending(); len(e) != 0 {
		t.Errorf("events: %v", e)
	}
}

// Q08: a closed bucket is told, with when it opens, and nothing is asked before.
func TestLimitIsTold(t *testing.T) {
	s := start(t, "")
	b := s.NewBrowser()
	b.Login("mira")
	stream := b.Stream("/spotify/events")
	stream.NextNamed("player")
	limit := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/player", Times: 1, Status: 429, RetryAfter: 300 * time.Second, Body: `{"error":{"status":429,"message":"API rate limit exceeded"}}`})
	defer limit.Clear()
	s.Sim.Phone("mira").Skip()
	e, _ := s.within(65*time.Second, time.Second, stream)
	var said struct {
		Reason string `json:"reason"`
		Until  int64  `json:"until"`
		SentAt int64  `json:"sent_at"`
	}
	if e.Into(t, &said); e.Name != "limited" || said.Reason != "rate_limited" || said.Until-said.SentAt < 290_000 || said.Until-said.SentAt > 300_000 {
		t.Errorf("%s %+v", e.Name, said)
	}
	polls := s.polls()
	for range 290 {
		s.clock.Advance(time.Second)
	}
	if n := s.polls() - polls; n > 0 {
		t.Errorf("%d requests while Spotify limits the app", n)
	}
	if e, _ := s.within(15*time.Second, time.Second, stream); e.Name != "player" {
		t.Errorf("after it: %s", e.Name)
	}
}
