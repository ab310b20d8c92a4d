//go:build !noredis

package main

import _ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
