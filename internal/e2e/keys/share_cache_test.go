package keys_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Q06: a rule of the site's cache is for people's own requests. What is shared is as new
// as share cache says, whatever the rule is and the owner's own pages ask for, and takes no
// room in that cache.
func TestShareIsNotOlderThanItSays(t *testing.T) {
	s := startSharing(t, shareOptions+"\ncache {\n\t1h /v1/*\n}")
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	const path, query = "/v1/me/top/tracks", "?limit=2"
	visitor, own := s.NewBrowser(), s.NewBrowser()
	look := func(age, stale string) {
		t.Helper()
		a := visitor.WantStatus(visitor.Fetch("GET", "/spotify"+path+query, ""), 200)
		if a.Header.Get("Age") != age || a.Header.Get("Spotify-Proxy-Stale") != stale {
			t.Errorf("Age %q, Spotify-Proxy-Stale %q, want %q and %q", a.Header.Get("Age"), a.Header.Get("Spotify-Proxy-Stale"), age, stale)
		}
	}
	look("0", "")
	own.Login("mira")
	for _, want := range []string{"fwd=miss; stored", "; hit;"} {
		a := own.WantStatus(own.Fetch("GET", "/spotify"+path+query, ""), 200)
		if got := a.Header.Get("Cache-Status"); !strings.Contains(got, want) {
			t.Fatalf("the owner's own request: %q, want %q", got, want)
		}
	}
	asked := s.asked(path)
	for range 3 {
		s.clock.Advance(6 * time.Second)
		look("0", "")
		look("0", "")
		asked++
		if n := s.asked(path); n != asked {
			t.Errorf("Spotify was asked %d times, want %d", n, asked)
		}
	}
	in := s.Sim.Inject(spotifytest.Fault{Path: "/v1/", Status: 429, Header: http.Header{"Retry-After": {"1"}}})
	defer in.Clear()
	s.clock.Advance(6 * time.Second)
	look("6", "1")
}
