package redis_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/caddyspotify/caddy-spotify"

// The client library is linked only by programs that import this package: the
// plugin itself does not.
func TestPluginDoesNotLinkClient(t *testing.T) {
	t.Parallel()
	const client = "github.com/redis/rueidis"
	if !slices.Contains(dependencies(t, module+"/tokenstore/redis"), client) {
		t.Fatalf("%s/tokenstore/redis does not depend on %s: this shows nothing", module, client)
	}
	plugin := dependencies(t, module)
	for _, unwanted := range []string{client, module + "/tokenstore/redis"} {
		if slices.Contains(plugin, unwanted) {
			t.Errorf("%s depends on %s", module, unwanted)
		}
	}
}

func dependencies(t *testing.T, path string) []string {
	t.Helper()
	// -e: what does not compile at the moment has its imports all the same.
	out, err := exec.Command("go", "list", "-e", "-deps", path).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", path, err)
	}
	return strings.Fields(string(out))
}
