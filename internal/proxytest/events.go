package proxytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(eventRecorder{}) }

// eventRecorder is a handler of Caddy's events that sends them to a channel.
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

// RecordEvents returns the global options that have all events of this module sent
// to a channel, until the test ends. name is unique among those in use.
func RecordEvents(t testing.TB, name string) (options string, events <-chan caddy.Event) {
	ch := make(chan caddy.Event, 100)
	recordings.Store(name, ch)
	t.Cleanup(func() { recordings.Delete(name) })
	var b strings.Builder
	b.WriteString("events {\n")
	for _, event := range []string{"login", "logout", "token_refreshed", "session_ended", "reauthorization_due", "rate_limited", "key_created", "key_renewed", "key_revoked"} {
		b.WriteString("on spotify." + event + " spotifytest_recorder " + name + "\n")
	}
	return b.String() + "}", ch
}

// NextEvent returns the data of the next event, which must have the given name and
// these keys beside those of every event about a session.
func NextEvent(t testing.TB, events <-chan caddy.Event, name string, keys ...string) map[string]any {
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
	case <-time.After(patience):
		t.Fatalf("there is no %s", name)
		return nil
	}
}
