//go:build unix

package faulttest

import (
	"net/http"
	"syscall"
	"testing"

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

// disks are the ways to fill up a disk, by name. Each says how to fill up that of
// a cluster, before its instances start, and how to make room again, or false if
// it cannot be done here.
var disks = map[string]func(c *cluster) (full, free func(*instance), ok bool){
	"files that may not grow": func(*cluster) (full, free func(*instance), ok bool) {
		return func(in *instance) { in.order("disk full") }, func(in *instance) { in.order("disk free") }, true
	},
}

// eachDisk runs a test for each way to fill up a disk.
func eachDisk(t *testing.T, sim spotifytest.Options, test func(t *testing.T, c *cluster, full, free func(*instance))) {
	t.Helper()
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, sim)
			if full, free, ok := disk(c); ok {
				test(t, c, full, free)
			}
		})
	}
}

// O51, R36: on a full disk sessions in memory go on while their tokens are
// valid, nobody can log in or out, no refresh begins, and all is well once
// there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	eachDisk(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: outlasts}, testDiskFull)
}

func testDiskFull(t *testing.T, c *cluster, full, free func(*instance)) {
	in := c.start()
	v, newcomer := c.login(in), c.visitor()
	full(in)
	want(t, v.me(in), http.StatusOK, "")
	wantLater(t, newcomer.tryLogin(in), "store_unavailable")
	wantLater(t, v.fetch(in, http.MethodPost, "/spotify/logout"), "store_unavailable")
	eventually(t, "the token expires", func() bool { return v.me(in).StatusCode != http.StatusOK })
	wantLater(t, v.me(in), "store_unavailable")
	if n := c.sim.TokenRequests("refresh_token"); n != 0 {
		t.Errorf("%d refreshes began", n)
	}

	free(in)
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
	eachDisk(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke}, testDiskFillsUp)
}

func testDiskFillsUp(t *testing.T, c *cluster, full, free func(*instance)) {
	in := c.start()
	v := c.login(in)
	c.sim.ExpireAccessTokens()
	held := c.holdRedemption()
	request := v.later(t.Context(), in)
	await(t, "the token is redeemed", held.Entered())
	full(in)
	held.Release()
	want(t, await(t, "the request is served", request), http.StatusOK, "")
	want(t, v.me(in), http.StatusOK, "")

	code := in.terminate()
	free(in)
	if n := await(t, "the instance stops", code); n != 0 {
		t.Errorf("exit code %d", n)
	}
	in.start()
	v.wantOneRefresh(in)
}
