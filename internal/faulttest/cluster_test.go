package faulttest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const clientID = "0123456789abcdef0123456789abcdef"

// cluster is a Spotify and what the instances of one site have in common.
type cluster struct {
	t   *testing.T
	sim *spotifytest.Running
	dir string
	// site is the public origin, as a load balancer in front of the instances would
	// have it. Nothing listens there: see balanced.
	site string
	// storage is the folder of Caddy's file storage.
	storage string
	// store is the option store of spotify_proxy; empty is the default store.
	store string
	// scopes are those that a login asks for. Empty is user-read-private.
	scopes string
	// options are further options of spotify_proxy.
	options string
	// cache is the option cache. It is off unless a test says otherwise: what one session
	// gets must not be what Spotify told another one of the same account.
	cache string
	// gate, if any, is asked by the store named faulty.
	gate *gate

	instances int
	hosts     sync.Map // of the instances
}

func newCluster(t *testing.T, sim spotifytest.Options) *cluster {
	t.Helper()
	// Not t.TempDir, whose long path does not fit a Unix socket's name.
	dir, err := os.MkdirTemp("", "fault")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &cluster{t: t, sim: spotifytest.Start(t, sim), dir: dir, site: "http://" + freeport.Address(t), storage: filepath.Join(dir, "storage"), cache: "cache off"}
}

// caddyfile returns the config of an instance.
func (c *cluster) caddyfile(in *instance, extra string) string {
	store := c.store
	if c.gate != nil {
		store = fmt.Sprintf("store faulty %s/%s %s", c.gate.server.URL, in.name, strings.TrimPrefix(store, "store "))
	}
	return fmt.Sprintf(`{
	admin unix/%s
	persist_config off
	auto_https off
	storage file_system %s
	log {
		output stderr
		format json
	}
}
%s {
	bind 127.0.0.1
	spotify_proxy {
		client_id     %s
		redirect_uri  %s/spotify/callback
		scopes        %s
		authorize_url %s
		token_url     %s
		api_url       %s
		%s
		%s
		%s
		%s
	}
}
`, "/"+in.socket, c.storage, in.origin, clientID, c.site, cmp.Or(c.scopes, "user-read-private"), c.sim.AuthorizeURL, in.tokenURL, c.sim.APIURL, store, c.cache, c.options, extra)
}

// patience bounds every wait for something that must happen. It is long because
// it ends only tests that fail.
const patience = 60 * time.Second

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// await waits for a channel to yield.
func await[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}
