package faulttest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O51: an instance that starts while the store is down serves 503 and leaves
// cookies alone, and works as soon as the store is there.
func TestStoreDownAtStart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{})
	server := c.startRedis()
	v := c.login(c.start())
	server.Stop()

	late := c.start()
	wantLater(t, v.me(late), "store_unavailable")
	wantLater(t, v.fetch(late, http.MethodGet, "/spotify/session"), "store_unavailable")
	// Without a cookie there is nothing to ask the store.
	want(t, c.visitor().me(late), http.StatusUnauthorized, "login_required")

	server.Restart()
	eventually(t, "the session works", func() bool { return v.me(late).StatusCode == http.StatusOK })
}

// O51: while the store is down, sessions in memory go on working, others get a
// 503, nobody's cookie is cleared, and logging in and out says to try again.
func TestStoreDownDuringRequests(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{})
	server := c.startRedis()
	here, there := c.start(), c.start()
	v, newcomer := c.login(here), c.visitor()
	server.Kill()

	want(t, v.me(here), http.StatusOK, "")
	if a := want(t, v.fetch(here, http.MethodGet, "/spotify/session"), http.StatusOK, ""); !strings.Contains(a.body, `"authenticated":true`) {
		t.Errorf("GET session: %s", a.body)
	}
	wantLater(t, v.me(there), "store_unavailable")
	wantLater(t, v.fetch(here, http.MethodPost, "/spotify/logout"), "store_unavailable")
	wantLater(t, newcomer.tryLogin(here), "store_unavailable")

	server.Restart()
	eventually(t, "the session works on both instances", func() bool {
		return v.me(there).StatusCode == http.StatusOK && v.me(here).StatusCode == http.StatusOK
	})
	// Here the session was in memory, which says nothing about the store.
	eventually(t, "people can log in", func() bool { return newcomer.tryLogin(here).StatusCode == http.StatusSeeOther })
	want(t, v.fetch(here, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
	want(t, newcomer.me(there), http.StatusOK, "")
}

// outlasts is the life of a token that is still valid after the few steps of a
// test, however slow the machine is, and then expires.
const outlasts = 8 * time.Second

// O51, R36: no refresh begins while the store is down, because its result could
// not be kept. A token that is still valid is used to its end; then there is a
// 503 until the store is back.
func TestStoreDownAtExpiry(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: outlasts})
	server := c.startRedis()
	in := c.start()
	v := c.login(in)
	server.Kill()
	want(t, v.me(in), http.StatusOK, "")
	eventually(t, "the token expires", func() bool { return v.me(in).StatusCode != http.StatusOK })
	wantLater(t, v.me(in), "store_unavailable")
	if n := c.sim.TokenRequests("refresh_token"); n != 0 {
		t.Errorf("%d refreshes began", n)
	}
	server.Restart()
	eventually(t, "the session works", func() bool { return v.me(in).StatusCode == http.StatusOK })
	if n := c.sim.RefreshesRefused(); n != 0 {
		t.Errorf("%d refreshes were refused", n)
	}
}

// R33, R38: when the store dies between redemption and save, the user notices
// nothing, the new token is saved as soon as that is possible, and the session
// survives the death of the process afterwards.
func TestStoreDiesBetweenRedemptionAndSave(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	server := c.startRedis()
	in := c.start()
	v := c.login(in)
	before := version(v, server)

	c.sim.ExpireAccessTokens()
	held := c.sim.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", Hold: true, AfterServing: true})
	request := v.later(t.Context(), in)
	await(t, "the token is redeemed", held.Entered())
	server.Kill()
	held.Clear()
	want(t, await(t, "the request is served", request), http.StatusOK, "")
	want(t, v.me(in), http.StatusOK, "")

	server.Restart()
	eventually(t, "the new token is saved", func() bool { return version(v, server) != before })
	in.kill()
	in.start()
	want(t, v.me(in), http.StatusOK, "")
	if n := c.sim.Refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	// What was saved is the refresh token that is good.
	c.sim.ExpireAccessTokens()
	want(t, v.me(in), http.StatusOK, "")
	if n := c.sim.RefreshesRefused(); n != 0 {
		t.Errorf("%d refreshes were refused", n)
	}
}

// version returns the version of a visitor's record in Redis.
func version(v *visitor, server *redistest.Server) any {
	v.t.Helper()
	return server.Do("HGET", "caddy-spotify:{"+v.key()+"}", "version")
}

// R31, R33: when an instance that is cut off from the store loses its lease before
// it has saved, the next one waits for it instead of using the old refresh
// token a second time, which would end the session.
func TestLeaseExpiresBetweenRedemptionAndSave(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	server := c.startRedis()
	gate := c.openGate()
	here, there := c.start(), c.start()
	v := c.login(here)
	want(t, v.me(there), http.StatusOK, "")

	cutOff := gate.failAt(here, "before update")
	c.sim.ExpireAccessTokens()
	want(t, v.me(here), http.StatusOK, "") // the new token, which is not saved
	await(t, "a save fails", cutOff)
	server.Do("DEL", "caddy-spotify:{"+v.key()+"}:lease") // as if it had expired
	looked, look := gate.stopAt(there, "after load")
	look()
	request := v.later(t.Context(), there)
	await(t, "the other instance has the lease", looked)
	gate.forget(here, "before update")
	want(t, await(t, "the request is served", request), http.StatusOK, "")
	if n, refused := c.sim.Refreshes(), c.sim.RefreshesRefused(); n != 1 || refused != 0 {
		t.Errorf("%d refreshes, %d refused, want 1 and 0", n, refused)
	}
	for _, in := range []*instance{here, there} {
		c.sim.ExpireAccessTokens()
		want(t, v.me(in), http.StatusOK, "")
	}
}

// R33, R38: a save whose answer was lost was a save.
func TestSaveThatWorkedUnnoticed(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			gate := c.openGate()
			in := c.start()
			v := c.login(in)
			failed := gate.failAt(in, "after update")
			for range 2 {
				c.sim.ExpireAccessTokens()
				want(t, v.me(in), http.StatusOK, "")
			}
			await(t, "a save fails", failed)
			gate.clear()
			want(t, v.me(in), http.StatusOK, "")
			in.stop() // which waits for the save
			in.start()
			c.sim.ExpireAccessTokens()
			want(t, v.me(in), http.StatusOK, "")
			if n, refused := c.sim.Refreshes(), c.sim.RefreshesRefused(); n != 3 || refused != 0 {
				t.Errorf("%d refreshes, %d refused, want 3 and 0", n, refused)
			}
		})
	}
}

// O51: while the store hangs, sessions in memory go on working, and the others
// are told to come back.
func TestStoreHangs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{})
	server := c.startRedis()
	here, there := c.start(), c.start()
	v := c.login(here)
	server.Pause()
	for range 20 {
		want(t, v.me(here), http.StatusOK, "")
	}
	wantLater(t, v.me(there), "store_unavailable")
	server.Resume()
	eventually(t, "the session works on both instances", func() bool {
		return v.me(there).StatusCode == http.StatusOK && v.me(here).StatusCode == http.StatusOK
	})
}

// R27, R28, O51: a store that takes its time costs the user that time and nothing
// else: logins, refreshes and logouts do what they should.
func TestStoreIsSlow(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			c.openGate().slow(time.Second)
			instances := []*instance{c.start(), c.start()}
			v := c.login(instances[0])
			for _, in := range instances {
				want(t, v.me(in), http.StatusOK, "")
			}
			c.sim.ExpireAccessTokens()
			var requests []<-chan answer
			for i := range 20 {
				requests = append(requests, v.later(t.Context(), instances[i%2]))
			}
			for _, request := range requests {
				want(t, await(t, "a request is served", request), http.StatusOK, "")
			}
			if n, refused := c.sim.Refreshes(), c.sim.RefreshesRefused(); n != 1 || refused != 0 {
				t.Errorf("%d refreshes, %d refused, want 1 and 0", n, refused)
			}
			thief := v.twin()
			want(t, v.fetch(instances[1], http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
			want(t, thief.me(instances[1]), http.StatusUnauthorized, "login_required")
			eventually(t, "the other instance refuses the session", func() bool {
				return thief.me(instances[0]).StatusCode == http.StatusUnauthorized
			})
		})
	}
}
