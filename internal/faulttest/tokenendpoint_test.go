package faulttest

import (
	"fmt"
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
	for _, test := range []endpointFault{
		{"500", spotifytest.Fault{Effect: spotifytest.TokenServerError}, time.Second},
		{"500 with Retry-After", spotifytest.Fault{Status: http.StatusInternalServerError, RetryAfter: 4 * time.Second}, 4 * time.Second},
		{"503", spotifytest.Fault{Status: http.StatusServiceUnavailable}, time.Second},
		{"503 with Retry-After", spotifytest.Fault{Status: http.StatusServiceUnavailable, RetryAfter: 4 * time.Second}, 4 * time.Second},
		{"429", spotifytest.Fault{Status: http.StatusTooManyRequests}, time.Second},
		{"429 with Retry-After", spotifytest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 4 * time.Second}, 4 * time.Second},
		{"hangs", spotifytest.Fault{Effect: spotifytest.Hang}, endpointTimeout + time.Second},
		{"cut before the answer", spotifytest.Fault{Cut: true}, time.Second},
		{"cut within the answer", spotifytest.Fault{CutAfter: 100}, time.Second},
		{"garbage", spotifytest.Fault{Effect: spotifytest.Garbage}, time.Second},
		{"a page instead of JSON", spotifytest.Fault{Status: http.StatusOK, Header: html, Body: "<html>Welcome to the hotel"}, time.Second},
		{"a 400 that is no OAuth error", spotifytest.Fault{Status: http.StatusBadRequest, Header: html, Body: "<html>invalid_grant"}, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// A machine may be so slow that the token expires before it is used.
			life := 2 * time.Second
			for !test.run(t, life) {
				if life *= 2; life > time.Minute {
					t.Fatal("the valid token was not used")
				}
			}
		})
	}
}

// endpointTimeout is the option timeout where the endpoint hangs. Elsewhere a machine
// that is too busy to respond in that time would make another fault of it.
const endpointTimeout = time.Second

type endpointFault struct {
	name  string
	fault spotifytest.Fault
	// pause is how long the endpoint is left alone, at least, after a request.
	pause time.Duration
}

// run returns whether the token was used before it expired.
func (test endpointFault) run(t *testing.T, life time.Duration) bool {
	c := newCluster(t, spotifytest.Options{TokenLife: life})
	if test.fault.Effect == spotifytest.Hang {
		c.options = fmt.Sprintf("refresh {\n timeout %s\n }", endpointTimeout)
	}
	in := c.start()
	v := c.login(in)
	test.fault.Path, test.fault.GrantType = "/api/token", "refresh_token"
	fault := c.sim.Inject(test.fault)

	var refused answer
	served := 0
	eventually(t, "the token expires", func() bool {
		refused = v.me(in)
		if refused.StatusCode == http.StatusOK {
			served++
		}
		return refused.StatusCode != http.StatusOK
	})
	now := time.Now()
	wantLater(t, refused, "upstream_unavailable")
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if err != nil || wait < 1 {
		t.Errorf("Retry-After: %q", refused.Header.Get("Retry-After"))
	}
	asked := c.sim.RequestsTo("/api/token")
	if next := asked[len(asked)-1].At.Add(test.pause); now.Add(time.Duration(wait) * time.Second).Before(next) {
		t.Errorf("Retry-After: %d is %s too early", wait, next.Sub(now))
	}
	for range 10 {
		wantLater(t, v.me(in), "upstream_unavailable")
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
	// Nobody asks the endpoint again before its time. The first request is the
	// login's.
	asked = c.sim.RequestsTo("/api/token")[1:]
	for i := range len(asked) - 1 {
		if gap := asked[i+1].At.Sub(asked[i].At); gap < test.pause {
			t.Errorf("the token endpoint was asked again after %s, want %s", gap, test.pause)
		}
	}
	t.Logf("%-28s  %d × 200 with the valid token, then 503 Retry-After %ds, then 200 after %s; asked %d times",
		test.name, served, wait, time.Since(cleared).Round(100*time.Millisecond), len(asked))
	return served > 0
}
