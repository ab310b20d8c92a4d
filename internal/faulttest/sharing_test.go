package faulttest

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// sharedStores are the stores that instances can share, by name. Each makes a
// cluster use it.
var sharedStores = []struct {
	name string
	use  func(*cluster)
}{
	{"redis", func(c *cluster) { c.startRedis() }},
	{"files", func(c *cluster) { c.store = "store caddy" }},
}

// startRedis has a cluster keep its sessions in a Redis that forgets nothing.
// Its leases are short, so that nobody waits long for a holder that was killed.
func (c *cluster) startRedis() *redistest.Server {
	c.t.Helper()
	server := redistest.Start(c.t, redistest.Persistent())
	c.store = "store redis " + server.Addr + ` {
			lease 2s
		}`
	return server
}

// expire waits until the last token granted has expired, and nobody is about to
// get another.
func (c *cluster) expire(life time.Duration) {
	for {
		granted := time.Time{}
		for _, grant := range c.sim.Grants() {
			granted = grant.Events[len(grant.Events)-1].At
		}
		left := time.Until(granted.Add(life))
		if left < 0 {
			return
		}
		time.Sleep(left + 100*time.Millisecond)
	}
}

// R27, R28, R31: of two hundred requests at expiry, sent to two instances that
// share a store, one leads to a refresh, and all are served. Reuse of a
// refresh token would end the session.
func TestOneRefreshAcrossInstances(t *testing.T) {
	t.Parallel()
	const rounds, requests = 10, 200
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			instances := []*instance{c.start(), c.start()}
			v := c.login(instances[0])
			for round := range rounds {
				// A token that soon expires, known to both instances. It may do
				// so before it is used; that is no matter.
				const life = 2 * time.Second
				c.sim.SetTokenLife(life)
				c.sim.ExpireAccessTokens()
				for _, in := range instances {
					_ = v.me(in)
				}
				c.expire(life)
				c.sim.SetTokenLife(time.Hour)

				before := c.sim.Refreshes()
				answers := make([]answer, requests)
				var group sync.WaitGroup
				for i := range answers {
					group.Go(func() {
						var err error
						answers[i], err = v.try(t.Context(), instances[i%len(instances)], http.MethodGet, "/spotify/v1/me")
						if err != nil {
							t.Errorf("round %d, request %d: %v", round, i, err)
						}
					})
				}
				group.Wait()
				for i, a := range answers {
					if a.Response == nil || a.StatusCode != http.StatusOK {
						t.Fatalf("round %d, request %d: %v %s", round, i, a.Response, a.body)
					}
				}
				if n := c.sim.Refreshes() - before; n != 1 {
					t.Errorf("round %d: %d refreshes, want 1", round, n)
				}
			}
			if n := c.sim.RefreshesRefused(); n != 0 {
				t.Errorf("%d refreshes were refused", n)
			}
			for _, in := range instances {
				if a := v.fetch(in, http.MethodGet, "/spotify/session"); !strings.Contains(a.body, `"authenticated":true`) {
					t.Errorf("the session is lost on %s: %s", in.name, a.body)
				}
			}
			t.Log(store.name + ": " + strconv.Itoa(rounds*requests) + " requests, no session lost")
		})
	}
}

// R29, R31: a refresh that takes longer than its lease keeps it, and the other
// instance waits and adopts the token.
func TestRefreshLongerThanItsLease(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	server := c.startRedis() // with leases of two seconds
	here, there := c.start(), c.start()
	v := c.login(here)
	want(t, v.me(there), http.StatusOK, "")
	c.sim.ExpireAccessTokens()
	held := c.holdRedemption()
	first := v.later(t.Context(), here)
	await(t, "the token is redeemed", held.Entered())
	second := v.later(t.Context(), there)

	// Each renewal, at a third of the lease, gives it more time to live.
	last, renewals := int64(0), 0
	eventually(t, "the lease is renewed for longer than it lasts", func() bool {
		left, _ := server.Do("PTTL", "caddy-spotify:{"+v.key()+"}:lease").(int64)
		if left <= 0 {
			t.Fatal("nobody has the lease")
		}
		if left > last {
			renewals++
		}
		last = left
		return renewals > 6
	})
	held.Release()
	want(t, await(t, "the first is served", first), http.StatusOK, "")
	want(t, await(t, "the second is served", second), http.StatusOK, "")
	v.wantOneRefresh(there)
}
