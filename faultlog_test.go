package caddyspotify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// An outage is logged, and does not flood the log.
func TestFaultsDoNotFloodTheLog(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	fail := func(n int) {
		for range n {
			b := s.newBrowser()
			callback := spotifytest.Approve(t, b.client, s.origin+"/spotify/login", "")
			b.wantStatus(b.navigate(callback, header("Sec-Fetch-Site", "cross-site")), http.StatusServiceUnavailable)
		}
	}
	lines := func() (n int) {
		for line := range strings.Lines(s.logs.String()) {
			if strings.Contains(line, `"request not served"`) {
				n++
			}
		}
		return n
	}
	s.sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.ServerError})
	fail(15)
	if n := lines(); n != 10 {
		t.Errorf("15 faults made %d lines", n)
	}
	fake.Advance(10 * time.Second)
	s.sim.Advance(10 * time.Second)
	fail(1)
	if n := lines(); n != 11 {
		t.Errorf("one more fault made %d lines", n-10)
	}
	if want := fmt.Sprintf(`"suppressed":%d`, 5); !strings.Contains(s.logs.String(), want) {
		t.Errorf("no line says %s", want)
	}
}
