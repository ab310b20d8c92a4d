package faulttest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// usualStores are the stores that instances can share, with the leases they have
// unless told otherwise.
var usualStores = []struct {
	name string
	use  func(*cluster)
}{
	{"redis", func(c *cluster) { c.store = "store redis " + redistest.Start(c.t, redistest.Persistent()).Addr }},
	{"files", func(c *cluster) { c.store = "store caddy" }},
}

// R44: kill -9 of the instance that refreshes leaves the session to the other one.
// How soon is asserted where a clock can be moved, and logged here.
func TestKilledHolderIsSucceeded(t *testing.T) {
	t.Parallel()
	for _, store := range usualStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			doomed, survivor := c.start(), c.start()
			v := c.login(doomed)
			want(t, v.me(survivor), http.StatusOK, "")
			c.sim.ExpireAccessTokens()
			held := c.sim.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", Times: 1, Hold: true})
			request := v.later(t.Context(), doomed)
			await(t, "the token is about to be redeemed", held.Entered())
			killed := time.Now()
			doomed.kill()
			await(t, "the request ends", request)
			held.Clear()
			eventually(t, "the session works on the other instance", func() bool {
				return v.me(survivor).StatusCode == http.StatusOK
			})
			t.Logf("%s: the session works %s after the kill", store.name, time.Since(killed).Round(10*time.Millisecond))
			if n := c.sim.RefreshesRefused(); n != 0 {
				t.Errorf("%d refreshes were refused", n)
			}
		})
	}
}

// R43: when the token endpoint is back, the instance that happens to be backing off
// for longer takes the token that the other one has saved.
func TestOutageEndsOnBothInstances(t *testing.T) {
	t.Parallel()
	for _, store := range usualStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			instances := []*instance{c.start(), c.start()}
			v := c.login(instances[0])
			c.sim.ExpireAccessTokens()
			outage := c.sim.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", Effect: spotifytest.TokenServerError})
			// Each fails a few times, so that they back off for different times.
			eventually(t, "both have failed, and more than once", func() bool {
				for _, in := range instances {
					v.me(in)
				}
				return len(c.sim.RequestsTo("/api/token")) > 5
			})
			outage.Clear()
			var works [2]time.Time
			var group sync.WaitGroup
			for i, in := range instances {
				group.Go(func() {
					eventually(t, "the session works", func() bool { return v.me(in).StatusCode == http.StatusOK })
					works[i] = time.Now()
				})
			}
			group.Wait()
			t.Logf("%s: the instances work within %s of each other", store.name, works[1].Sub(works[0]).Abs().Round(10*time.Millisecond))
			if n := c.sim.Refreshes(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
		})
	}
}
