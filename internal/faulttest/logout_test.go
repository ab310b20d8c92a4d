package faulttest

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// P47: a logout on one instance ends the session on the other, which has it in
// its cache: with Redis, which tells, and with files, at which instances look
// again from time to time. The log says after how long; that it is twenty seconds
// at most, TestLogoutElsewhereCountsInTime shows with a clock of its own.
func TestLogoutReachesTheOtherInstance(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			store.use(c)
			here, there := c.start(), c.start()
			v := c.login(here)
			want(t, v.me(there), http.StatusOK, "")
			thief := v.twin() // keeps the cookie
			want(t, v.fetch(here, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
			loggedOut := time.Now()
			eventually(t, "the other instance refuses the session", func() bool {
				return thief.me(there).StatusCode == http.StatusUnauthorized
			})
			t.Logf("%s: refused on the other instance after %s", store.name, time.Since(loggedOut).Round(time.Millisecond))
			want(t, thief.me(here), http.StatusUnauthorized, "login_required")
		})
	}
}

// P47: a logout reaches an instance that was cut off from Redis meanwhile, as
// soon as it is connected again.
func TestLogoutReachesInstanceThatMissedIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{})
	server := c.startRedis()
	here, there := c.start(), c.start()
	v := c.login(here)
	want(t, v.me(there), http.StatusOK, "")
	thief := v.twin()

	server.Kill()
	// The outage shows: the session is in the cache, and is served from it.
	want(t, thief.me(there), http.StatusOK, "")
	wantLater(t, v.fetch(here, http.MethodPost, "/spotify/logout"), "store_unavailable")
	server.Restart()
	eventually(t, "the logout works again", func() bool {
		return v.fetch(here, http.MethodPost, "/spotify/logout").StatusCode == http.StatusNoContent
	})
	eventually(t, "the other instance refuses the session", func() bool {
		return thief.me(there).StatusCode == http.StatusUnauthorized
	})
}

// P47: a logout counts on an instance that was just reading the record.
func TestLogoutWhileTheOtherInstanceLooks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{})
	c.startRedis()
	gate := c.openGate()
	here, there := c.start(), c.start()
	v, witness := c.login(here), c.login(here)
	thief, second := v.twin(), witness.twin()
	want(t, v.me(there), http.StatusOK, "")
	want(t, witness.me(there), http.StatusOK, "")

	// A refresh here makes the other instance look.
	c.sim.ExpireAccessTokens()
	want(t, v.me(here), http.StatusOK, "")
	reached, pass := gate.stopAt(there, "after load")
	var looking <-chan answer
	eventually(t, "the other instance looks", func() bool {
		looking = thief.later(t.Context(), there)
		select {
		case <-reached:
			return true
		case <-looking:
			return false
		}
	})
	want(t, v.fetch(here, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
	// Redis tells of changes in their order, so the other instance knows of
	// the first logout once it knows of the second. Only it looks undisturbed.
	gate.forget(there, "after load")
	want(t, witness.fetch(here, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
	eventually(t, "the other instance hears of the logouts", func() bool {
		return second.me(there).StatusCode == http.StatusUnauthorized
	})
	pass()
	await(t, "the request that came before the logout", looking)
	want(t, thief.me(there), http.StatusUnauthorized, "login_required")
}
