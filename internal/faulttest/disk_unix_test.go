//go:build unix

package faulttest

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// A process whose files may not grow at all finds its disk full: it can create
// files, remove and read them, and not write a byte into any.
func init() {
	limit := func(most uint64) error {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			return err
		}
		l.Cur = min(most, l.Max)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
	}
	orders["disk full"] = func() error { return limit(0) }
	orders["disk free"] = func() error { return limit(1 << 40) }
}

// O51, R36: on a full disk sessions in memory go on while their tokens are
// valid, nobody can log in or out, no refresh begins, and all is well once
// there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: 4 * time.Second})
	in := c.start()
	v, newcomer := c.login(in), c.visitor()
	in.order("disk full")
	want(t, v.me(in), http.StatusOK, "")
	wantLater(t, newcomer.tryLogin(in), "store_unavailable")
	wantLater(t, v.fetch(in, http.MethodPost, "/spotify/logout"), "store_unavailable")
	eventually(t, "the token expires", func() bool { return v.me(in).StatusCode != http.StatusOK })
	wantLater(t, v.me(in), "store_unavailable")
	if n := c.sim.TokenRequests("refresh_token"); n != 0 {
		t.Errorf("%d refreshes began", n)
	}

	in.order("disk free")
	eventually(t, "the session works", func() bool { return v.me(in).StatusCode == http.StatusOK })
	newcomer.login(in)
	want(t, v.fetch(in, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
	want(t, v.me(in), http.StatusUnauthorized, "login_required")
	if n := c.sim.RefreshesRefused(); n != 0 {
		t.Errorf("%d refreshes were refused", n)
	}
}

// R33: when the disk fills up between redemption and save the user notices
// nothing, and the token is saved once there is room. Stopping waits for it.
func TestDiskFillsBetweenRedemptionAndSave(t *testing.T) {
	t.Parallel()
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
	in := c.start()
	v := c.login(in)
	c.sim.ExpireAccessTokens()
	held := c.holdRedemption()
	request := v.later(t.Context(), in)
	await(t, "the token is redeemed", held.Entered())
	in.order("disk full")
	held.Release()
	want(t, await(t, "the request is served", request), http.StatusOK, "")
	want(t, v.me(in), http.StatusOK, "")

	code := in.terminate()
	in.order("disk free")
	if n := await(t, "the instance stops", code); n != 0 {
		t.Errorf("exit code %d", n)
	}
	in.start()
	v.wantOneRefresh(in)
}
