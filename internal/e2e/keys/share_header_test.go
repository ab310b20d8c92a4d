package keys_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Header operations of the site change one visitor's response, not the one that
// is kept for all. Run with -race, it also shows that visitors share no header.
func TestShareKeepsItsHeaders(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{proxytest.Start(t, proxytest.Options{
		Auth: shareOptions, Site: "header >Content-Type json ld+json\nrespond home", Sim: spotifytest.Options{Now: clock.Now},
	}), clock}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	const want = "application/ld+json; charset=utf-8"
	for range 3 {
		if got := s.wantShared(200, "").Header["Content-Type"]; len(got) != 1 || got[0] != want {
			t.Fatalf("Content-Type %q, want %q", got, want)
		}
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				res, err := http.Get(s.Origin + "/spotify" + nowPlaying)
				if err != nil {
					t.Error(err)
					return
				}
				_ = res.Body.Close()
				if got := res.Header.Get("Content-Type"); got != want {
					t.Errorf("Content-Type %q, want %q", got, want)
				}
			}
		})
	}
	wg.Wait()
}
