package faulttest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// A 429 that one instance gets keeps the others from asking, too, for as long
// as it says.
func TestRateLimitIsSharedByInstances(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			store.use(c)
			one, two := c.start(), c.start()
			v := c.login(one)
			want(t, v.me(two), http.StatusOK, "")

			const wait = 100
			c.sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: http.StatusTooManyRequests, RetryAfter: wait * time.Second})
			if a := v.me(one); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") != strconv.Itoa(wait) {
				t.Fatalf("Spotify's own: %d %v", a.StatusCode, a.Header)
			}
			var a answer
			eventually(t, "the other instance learns of it", func() bool {
				a = v.me(two)
				return a.StatusCode == http.StatusTooManyRequests
			})
			want(t, a, http.StatusTooManyRequests, "rate_limited")
			left, err := strconv.Atoi(a.Header.Get("Retry-After"))
			if err != nil || left > wait || left < wait/2 {
				t.Errorf("Retry-After: %d %v", left, err)
			}
			eventually(t, "its log says why", func() bool { return strings.Contains(two.log.String(), "another instance found") })
			before := len(c.sim.RequestsTo("/v1/me"))
			for range 20 {
				want(t, v.me(one), http.StatusTooManyRequests, "rate_limited")
				want(t, v.me(two), http.StatusTooManyRequests, "rate_limited")
			}
			if sent := len(c.sim.RequestsTo("/v1/me")) - before; sent != 0 {
				t.Errorf("%d requests reached Spotify meanwhile", sent)
			}
		})
	}
}
