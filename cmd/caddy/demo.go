//go:build !nodemo

package main

import _ "github.com/caddyspotify/caddy-spotify/internal/demo"
