package caddyspotify_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func init() { caddy.RegisterModule(eventRecorder{}) }

// eventRecorder is a handler of Caddy's events that notes what it is told.
type eventRecorder struct {
	Name string `json:"name"`
}

func (eventRecorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "events.handlers.spotifytest_recorder",
		New: func() caddy.Module { return new(eventRecorder) },
	}
}

func (e *eventRecorder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&e.Name) {
		return d.ArgErr()
	}
	return nil
}

func (e *eventRecorder) Handle(_ context.Context, ev caddy.Event) error {
	if ch, ok := recordings.Load(e.Name); ok {
		ch.(chan caddy.Event) <- ev
	}
	return nil
}

var recordings sync.Map // of chan caddy.Event, by the recorder's name

// record returns the global options that have a channel told of all events.
func record(t testing.TB, name string) (options string, events <-chan caddy.Event) {
	ch := make(chan caddy.Event, 100)
	recordings.Store(name, ch)
	t.Cleanup(func() { recordings.Delete(name) })
	var b strings.Builder
	b.WriteString("events {\n")
	for _, event := range []string{"login", "logout", "token_refreshed", "session_ended", "reauthorization_due", "rate_limited", "key_created", "key_revoked"} {
		b.WriteString("on spotify." + event + " spotifytest_recorder " + name + "\n")
	}
	return b.String() + "}", ch
}

// next returns the data of the next event, which must have the given name and
// these keys beside those of every event about a session.
func next(t testing.TB, events <-chan caddy.Event, name string, keys ...string) map[string]any {
	t.Helper()
	select {
	case ev := <-events:
		if ev.Name() != name {
			t.Fatalf("the event is %s %v, want %s", ev.Name(), ev.Data, name)
		}
		if origin := ev.Origin(); origin == nil || origin.CaddyModule().ID != "http.handlers.spotify_auth" {
			t.Errorf("%s comes from %v", name, origin)
		}
		var got []string
		for key := range ev.Data {
			got = append(got, key)
		}
		slices.Sort(got)
		if name != "spotify.rate_limited" {
			keys = append(keys, "account", "session")
		}
		keys = append(keys, "site")
		slices.Sort(keys)
		if !slices.Equal(got, keys) {
			t.Errorf("%s says %q, want %q", name, got, keys)
		}
		return ev.Data
	case <-time.After(time.Minute):
		t.Fatalf("there is no %s", name)
		return nil
	}
}

func none(t testing.TB, events <-chan caddy.Event) {
	t.Helper()
	select {
	case ev := <-events:
		t.Errorf("there is %s %v", ev.Name(), ev.Data)
	default:
	}
}

// P44: events tell of every turn in a session's life, and of no secret.
func TestEvents(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	options, events := record(t, t.Name())
	s := start(t, startOptions{global: options, auth: "session {\nidle 180d\n}"})
	b := s.newBrowser()
	var told []map[string]any
	want := func(name string, keys ...string) map[string]any {
		t.Helper()
		told = append(told, next(t, events, name, keys...))
		return told[len(told)-1]
	}

	b.login("mira")
	login := want("spotify.login", "scopes")
	if login["site"] != strings.TrimPrefix(s.origin, "http://") || len(login["session"].(string)) != 12 || login["account"] == "" {
		t.Errorf("login: %v", login)
	}
	first := b.sessionCookie()
	b.login("mira")
	if ended := want("spotify.session_ended", "reason"); ended["reason"] != "replaced" || ended["session"] != login["session"] {
		t.Errorf("replaced: %v", ended)
	}
	want("spotify.login", "scopes")

	s.sim.ExpireAccessTokens()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if refreshed := want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated"); refreshed["background"] != false {
		t.Errorf("refreshed: %v", refreshed)
	}

	limit := s.sim.Inject(spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: 7 * time.Second, Times: 1})
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if limited := want("spotify.rate_limited", "until", "reason"); limited["reason"] != "rate_limited" {
		t.Errorf("limited: %v", limited)
	}
	if n := limit.Hits(); n != 1 {
		t.Errorf("Spotify was asked %d times", n)
	}

	// Half a year on, consent is about to end. That is said once.
	fake.Advance(170 * 24 * time.Hour)
	s.sim.Advance(170 * 24 * time.Hour)
	for range 2 {
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		fake.Advance(2 * time.Hour)
		s.sim.Advance(2 * time.Hour)
	}
	want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")
	due := want("spotify.reauthorization_due", "reauthorize_by")
	if at, err := time.Parse(time.RFC3339, due["reauthorize_by"].(string)); err != nil || at.Before(fake.Now()) {
		t.Errorf("due: %v, %v", due, err)
	}
	want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")

	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	want("spotify.logout")
	b = s.newBrowser()
	b.login("jonas")
	want("spotify.login", "scopes")
	last := b.sessionCookie()
	s.sim.RevokeUser("jonas")
	s.sim.ExpireAccessTokens()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	if ended := want("spotify.session_ended", "reason"); ended["reason"] != "reauthorization_required" {
		t.Errorf("refused: %v", ended)
	}
	none(t, events)

	said, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(s.sim.TokensIssued(), first, last) {
		if strings.Contains(string(said), secret) {
			t.Errorf("an event holds the secret %s", secret)
		}
	}
}

// O53: sessions outlive a config. What happens to them is told to the config
// in force.
func TestEventsAcrossReload(t *testing.T) {
	before, old := record(t, t.Name()+"old")
	after, newer := record(t, t.Name()+"new")
	s := start(t, startOptions{global: before})
	s.global = ""
	b := s.newBrowser()
	b.login("")
	next(t, old, "spotify.login", "scopes")
	refresh := func() {
		t.Helper()
		s.sim.ExpireAccessTokens()
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	}
	refreshed := []string{"expires_at", "duration_seconds", "background", "rotated"}

	// A config that cannot start changes nothing.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := s.caddyfile(after) + "\nhttp://" + taken.Addr().String() + " {\nbind 127.0.0.1\nrespond x\n}\n"
	if err := caddy.Load(adapt(t, broken), true); err == nil {
		t.Fatal("a config on a taken port was loaded")
	}
	refresh()
	next(t, old, "spotify.token_refreshed", refreshed...)

	s.load(after)
	refresh()
	next(t, newer, "spotify.token_refreshed", refreshed...)
	none(t, old)

	// Nobody listens, nobody is told.
	s.load("")
	refresh()
	none(t, old)
	none(t, newer)
}
