package operation_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// An outage is logged, and does not flood the log.
func TestFaultsDoNotFloodTheLog(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	fail := func(n int) {
		for range n {
			b := s.NewBrowser()
			callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
			b.WantStatus(b.Navigate(callback, proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusServiceUnavailable)
		}
	}
	lines := func() (n int) {
		for line := range strings.Lines(s.Log.String()) {
			if strings.Contains(line, `"request not served"`) {
				n++
			}
		}
		return n
	}
	s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.ServerError})
	fail(15)
	if n := lines(); n != 10 {
		t.Errorf("15 faults made %d lines", n)
	}
	fake.Advance(10 * time.Second)
	s.Sim.Advance(10 * time.Second)
	fail(1)
	if n := lines(); n != 11 {
		t.Errorf("one more fault made %d lines", n-10)
	}
	if want := fmt.Sprintf(`"suppressed":%d`, 5); !strings.Contains(s.Log.String(), want) {
		t.Errorf("no line says %s", want)
	}
}
