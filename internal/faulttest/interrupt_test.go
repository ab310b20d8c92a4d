package faulttest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// holdRedemption holds the answer to the next refresh, when the old refresh
// token is used up already.
func (c *cluster) holdRedemption() *spotifytest.Injected {
	return c.sim.Inject(spotifytest.Fault{
		Path: "/api/token", GrantType: "refresh_token", Times: 1, Hold: true, AfterServing: true,
	})
}

// wantOneRefresh fails the test unless the session has been refreshed once and
// can be refreshed again: what was stored is the refresh token that is good.
func (v *visitor) wantOneRefresh(in *instance) {
	v.t.Helper()
	want(v.t, v.me(in), http.StatusOK, "")
	if n := v.sim.Refreshes(); n != 1 {
		v.t.Errorf("%d refreshes, want 1", n)
	}
	v.sim.ExpireAccessTokens()
	want(v.t, v.me(in), http.StatusOK, "")
	if n := v.sim.RefreshesRefused(); n != 0 {
		v.t.Errorf("%d refreshes were refused", n)
	}
}

// R32: a client that hangs up during a refresh does not cut it off. The next one
// finds it done.
func TestClientHangsUpDuringRefresh(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	in := c.start()
	v := c.login(in)
	c.sim.ExpireAccessTokens()
	held := c.holdRedemption()
	ctx, hangUp := context.WithCancel(t.Context())
	request := v.later(ctx, in)
	await(t, "the token is redeemed", held.Entered())
	hangUp()
	await(t, "the client has gone", request)
	refreshed := in.log.await("token refreshed")
	held.Release()
	await(t, "the refresh ends", refreshed)
	v.wantOneRefresh(in)
}

// R42: an instance that is told to stop during a refresh waits for it, serves
// those who wait for it, and stores what came of it.
func TestShutdownDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, waiting := range []bool{true, false} {
		for _, store := range sharedStores {
			name := store.name + "/nobody waits"
			if waiting {
				name = store.name + "/a client waits"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
				store.use(c)
				in := c.start()
				v := c.login(in)
				c.sim.ExpireAccessTokens()
				held := c.holdRedemption()
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				request := v.later(ctx, in)
				await(t, "the token is redeemed", held.Entered())
				if !waiting {
					hangUp()
					await(t, "the client has gone", request)
				}
				stopping := in.log.await("servers shutting down")
				code := in.terminate()
				await(t, "the instance begins to stop", stopping)
				select {
				case <-code:
					t.Fatal("the instance did not wait for the refresh")
				case <-time.After(time.Second): // time enough to go without waiting
				}
				held.Release()
				if waiting {
					want(t, await(t, "the client is served", request), http.StatusOK, "")
				}
				if n := await(t, "the instance stops", code); n != 0 {
					t.Errorf("exit code %d", n)
				}
				in.start()
				v.wantOneRefresh(in)
			})
		}
	}
}

// R42: an instance whose store takes nothing stops all the same, after a while, and
// says that sessions could not be saved.
func TestShutdownWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	server := c.startRedis()
	in := c.start()
	v := c.login(in)
	c.sim.ExpireAccessTokens()
	held := c.holdRedemption()
	request := v.later(t.Context(), in)
	await(t, "the token is redeemed", held.Entered())
	server.Kill()
	held.Release()
	want(t, await(t, "the request is served", request), http.StatusOK, "")
	told := in.log.await("some sessions could not be saved before shutdown")
	await(t, "the instance stops", in.terminate())
	select {
	case <-told:
	default:
		t.Error("the log does not say that sessions could not be saved")
	}
}

// R42: a new config, whether or not it concerns the sessions, leaves alone a
// refresh that began under the one before.
func TestReloadDuringRefresh(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"same sessions":  "",
		"other sessions": "session {\n idle 29d\n }",
	} {
		for _, store := range sharedStores {
			t.Run(store.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
				store.use(c)
				in := c.start()
				v := c.login(in)
				c.sim.ExpireAccessTokens()
				held := c.holdRedemption()
				before := v.later(t.Context(), in)
				await(t, "the token is redeemed", held.Entered())

				loaded := make(chan error, 1)
				go func() { loaded <- in.reload(change) }()
				if change == "" {
					if err := await(t, "the config is loaded", loaded); err != nil {
						t.Fatal(err)
					}
				}
				after := v.laterDuringReload(t.Context(), in)
				held.Release()
				want(t, await(t, "the request from before", before), http.StatusOK, "")
				want(t, await(t, "the request from after", after), http.StatusOK, "")
				if change != "" {
					if err := await(t, "the config is loaded", loaded); err != nil {
						t.Fatal(err)
					}
				}
				v.wantOneRefresh(in)
			})
		}
	}
}
