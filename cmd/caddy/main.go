// Command caddy is Caddy with its standard modules and this plugin, the Redis
// store and the demo included. It serves `go run ./cmd/caddy` in a checkout; to
// put the plugin into a Caddy of your own, see xcaddy.md. The build tag nodemo
// leaves the demo out, and noredis the Redis store.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
)

func main() {
	caddycmd.Main()
}
