package upstream

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// P55, P58: a 429 of our own says what Spotify limits and for how long, in words that
// are the Web API's or ours.
func TestLimitedHere(t *testing.T) {
	fake := fakeTime(t)
	for _, tc := range []struct{ path, limited, message string }{
		{"/v1/me/player", "GET /me/player", "Spotify limits GET /me/player for this app; try again in 13 h 35 min."},
		{"/v1/playlists/mine/items", "GET /playlists/{playlist_id}/items", "Spotify limits GET /playlists/{playlist_id}/items for this app; try again in 13 h 35 min."},
		{"/v1/hostile/<b>words", unlisted, "Spotify limits this operation for this app; try again in 13 h 35 min."},
		{"/v1/me/player/<b>words", unlisted, "Spotify limits this operation for this app; try again in 13 h 35 min."},
	} {
		r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "48925")
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		r.ex.Site.Gate = ratelimit.New(fake)
		until := fake.Now().Add(48925 * time.Second).UTC().Format(time.RFC3339)
		for i, retryAfter := range []string{"48925", "900"} {
			res, body := r.do(r.request("GET", tc.path, nil))
			h := res.Header
			if res.StatusCode != 429 || h.Get("Retry-After") != retryAfter || h.Get(problem.LimitedHeader) != tc.limited || h.Get(problem.LimitedUntilHeader) != until {
				t.Errorf("%s: %d %v", tc.path, res.StatusCode, h)
			}
			if i == 1 && (!strings.Contains(body, `"message":"`+tc.message+`"`) || !strings.Contains(body, `"limited":"`+tc.limited+`","limited_until":"`+until+`"`)) {
				t.Errorf("%s: %s", tc.path, body)
			}
		}
	}
}

func TestIn(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "", -time.Second: "", time.Millisecond: "in 1 s", 59*time.Second + 1: "in 60 s", time.Minute + 1: "in 2 min",
		59 * time.Minute: "in 59 min", time.Hour: "in 1 h 0 min", 48925 * time.Second: "in 13 h 35 min", 1<<63 - 1: "in a year",
	} {
		if got := problem.In(wait); got != want {
			t.Errorf("In(%v) = %q, want %q", wait, got, want)
		}
	}
}
