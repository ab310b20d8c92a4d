package operation_test

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

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
	options, events := proxytest.RecordEvents(t, t.Name())
	s := proxytest.Start(t, proxytest.Options{Global: options, Auth: "session {\nidle 180d\n}"})
	b := s.NewBrowser()
	var told []map[string]any
	want := func(name string, keys ...string) map[string]any {
		t.Helper()
		told = append(told, proxytest.NextEvent(t, events, name, keys...))
		return told[len(told)-1]
	}

	b.Login("mira")
	login := want("spotify.login", "scopes")
	if login["site"] != strings.TrimPrefix(s.Origin, "http://") || len(login["session"].(string)) != 12 || login["account"] == "" {
		t.Errorf("login: %v", login)
	}
	first := b.SessionCookie()
	b.Login("mira")
	if ended := want("spotify.session_ended", "reason"); ended["reason"] != "replaced" || ended["session"] != login["session"] {
		t.Errorf("replaced: %v", ended)
	}
	want("spotify.login", "scopes")

	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if refreshed := want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated"); refreshed["background"] != false {
		t.Errorf("refreshed: %v", refreshed)
	}

	limit := s.Sim.Inject(spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: 7 * time.Second, Times: 1})
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	if limited := want("spotify.rate_limited", "operation", "scope", "name", "until", "reason"); limited["reason"] != "rate_limited" ||
		limited["operation"] != "GET /me" || limited["scope"] != "operation" || limited["name"] != "GET /me" {
		t.Errorf("limited: %v", limited)
	}
	if n := limit.Hits(); n != 1 {
		t.Errorf("Spotify was asked %d times", n)
	}

	// Half a year on, consent is about to end. That is said once.
	fake.Advance(170 * 24 * time.Hour)
	s.Sim.Advance(170 * 24 * time.Hour)
	for range 2 {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		fake.Advance(2 * time.Hour)
		s.Sim.Advance(2 * time.Hour)
	}
	want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")
	due := want("spotify.reauthorization_due", "reauthorize_by")
	if at, err := time.Parse(time.RFC3339, due["reauthorize_by"].(string)); err != nil || at.Before(fake.Now()) {
		t.Errorf("due: %v, %v", due, err)
	}
	want("spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")

	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	want("spotify.logout")
	b = s.NewBrowser()
	b.Login("jonas")
	want("spotify.login", "scopes")
	last := b.SessionCookie()
	s.Sim.RevokeUser("jonas")
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	if ended := want("spotify.session_ended", "reason"); ended["reason"] != "reauthorization_required" {
		t.Errorf("refused: %v", ended)
	}
	none(t, events)

	said, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(s.Sim.TokensIssued(), first, last) {
		if strings.Contains(string(said), secret) {
			t.Errorf("an event holds the secret %s", secret)
		}
	}
}

// O53: sessions outlive a config. What happens to them is told to the config
// in force.
func TestEventsAcrossReload(t *testing.T) {
	before, old := proxytest.RecordEvents(t, t.Name()+"old")
	after, newer := proxytest.RecordEvents(t, t.Name()+"new")
	s := proxytest.Start(t, proxytest.Options{Global: before})
	s.Global = ""
	b := s.NewBrowser()
	b.Login("")
	proxytest.NextEvent(t, old, "spotify.login", "scopes")
	refresh := func() {
		t.Helper()
		s.Sim.ExpireAccessTokens()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	}
	refreshed := []string{"expires_at", "duration_seconds", "background", "rotated"}

	// A config that cannot start changes nothing.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := s.Caddyfile(after) + "\nhttp://" + taken.Addr().String() + " {\nbind 127.0.0.1\nrespond x\n}\n"
	if err := caddy.Load(proxytest.Adapt(t, broken), true); err == nil {
		t.Fatal("a config on a taken port was loaded")
	}
	refresh()
	proxytest.NextEvent(t, old, "spotify.token_refreshed", refreshed...)

	s.Load(after)
	refresh()
	proxytest.NextEvent(t, newer, "spotify.token_refreshed", refreshed...)
	none(t, old)

	// Nobody listens, nobody is told.
	s.Load("")
	refresh()
	none(t, old)
	none(t, newer)
}
