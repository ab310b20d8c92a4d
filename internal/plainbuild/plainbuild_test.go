// Package plainbuild tests what a Caddy says that was built with this plugin
// and without the packages that are imported separately.
package plainbuild

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
)

// O57
func TestRedisIsNotInThisBuild(t *testing.T) {
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`http://127.0.0.1:8080 {
	spotify_proxy {
		client_id    x
		redirect_uri http://127.0.0.1:8080/spotify/callback
		store        redis
	}
}`), nil)
	const want = "build Caddy with github.com/caddyspotify/caddy-spotify/tokenstore/redis"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("message: %v", err)
	}
}

// A server carries neither the demo nor the simulator.
func TestDemoIsNotInThisBuild(t *testing.T) {
	const module = "github.com/caddyspotify/caddy-spotify"
	for _, program := range []string{module, module + "/cmd/caddy"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "nodemo", program).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages := strings.Fields(string(out))
		if !slices.Contains(packages, module) {
			t.Fatalf("go list names %d packages of %s, the plugin not among them", len(packages), program)
		}
		for _, unwanted := range []string{module + "/internal/demo", module + "/internal/spotifytest"} {
			if slices.Contains(packages, unwanted) {
				t.Errorf("%s imports %s", program, unwanted)
			}
		}
	}
}

// The small one of the released programs has no Redis client either.
func TestSmallBuild(t *testing.T) {
	const module = "github.com/caddyspotify/caddy-spotify"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "nodemo,noredis", module+"/cmd/caddy").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, module) {
		t.Fatalf("go list names %d packages, the plugin not among them", len(packages))
	}
	for _, unwanted := range []string{module + "/tokenstore/redis", module + "/internal/demo", module + "/internal/spotifytest", "github.com/redis/rueidis"} {
		if slices.Contains(packages, unwanted) {
			t.Errorf("it has %s", unwanted)
		}
	}
}
