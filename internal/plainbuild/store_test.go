// Package plainbuild tests what a Caddy says that was built with this plugin
// and without the packages that are imported separately.
package plainbuild

import (
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
