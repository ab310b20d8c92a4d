package faulttest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// R35, R36, R37: whatever is wrong with the token endpoint, the user goes on
// with a valid token, gets a 503 that says when to come back once it has
// expired, is not asked to log in, and goes on when the endpoint does.
func TestTokenEndpointFails(t *testing.T) {
	t.Parallel()
	html := http.Header{"Content-Type": {"text/html"}}
	for _, test := range []struct {
		name  string
		fault spotifytest.Fault
		// atLeast is the least Retry-After to be told.
		atLeast int
	}{
		{"500", spotifytest.Fault{Effect: spotifytest.TokenServerError}, 1},
		{"500 with Retry-After", spotifytest.Fault{Status: http.StatusInternalServerError, RetryAfter: 4 * time.Second}, 3},
		{"503", spotifytest.Fault{Status: http.StatusServiceUnavailable}, 1},
		{"503 with Retry-After", spotifytest.Fault{Status: http.StatusServiceUnavailable, RetryAfter: 4 * time.Second}, 3},
		{"429", spotifytest.Fault{Status: http.StatusTooManyRequests}, 1},
		{"429 with Retry-After", spotifytest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 4 * time.Second}, 3},
		{"hangs", spotifytest.Fault{Effect: spotifytest.Hang}, 1},
		{"cut before the answer", spotifytest.Fault{Cut: true}, 1},
		{"cut within the answer", spotifytest.Fault{CutAfter: 100}, 1},
		{"garbage", spotifytest.Fault{Effect: spotifytest.Garbage}, 1},
		{"a page instead of JSON", spotifytest.Fault{Status: http.StatusOK, Header: html, Body: "<html>Welcome to the hotel"}, 1},
		{"a 400 that is no OAuth error", spotifytest.Fault{Status: http.StatusBadRequest, Header: html, Body: "<html>invalid_grant"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{TokenLife: 2 * time.Second})
			c.options = "refresh {\n timeout 1s\n }"
			in := c.start()
			v := c.login(in)
			test.fault.Path, test.fault.GrantType = "/api/token", "refresh_token"
			fault := c.sim.Inject(test.fault)

			var refused answer
			served := 0
			for {
				if refused = v.me(in); refused.StatusCode != http.StatusOK {
					break
				}
				served++
			}
			wantLater(t, refused, "upstream_unavailable")
			wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
			if err != nil || wait < test.atLeast {
				t.Errorf("Retry-After: %q, want at least %d", refused.Header.Get("Retry-After"), test.atLeast)
			}
			if served == 0 {
				t.Error("the valid token was not used")
			}
			// Nobody asks the endpoint again before its time.
			hits := fault.Hits()
			for range 10 {
				wantLater(t, v.me(in), "upstream_unavailable")
			}
			if n := fault.Hits() - hits; n > 1 {
				t.Errorf("ten requests asked the token endpoint %d times", n)
			}

			c.sim.SetTokenLife(time.Hour)
			fault.Clear()
			cleared := time.Now()
			eventually(t, "the session works", func() bool {
				a := v.me(in)
				if a.StatusCode != http.StatusOK {
					wantLater(t, a, "upstream_unavailable")
				}
				return a.StatusCode == http.StatusOK
			})
			t.Logf("%-28s  %d × 200 with the valid token, then 503 Retry-After %ds, then 200 after %s",
				test.name, served, wait, time.Since(cleared).Round(100*time.Millisecond))
		})
	}
}
