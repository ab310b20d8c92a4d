package caddyspotify

import (
	_ "embed"

	"github.com/caddyspotify/caddy-spotify/internal/page"
)

var (
	//go:embed client/client.js
	clientJS []byte
	//go:embed client/player.js
	playerJS []byte
	//go:embed client/client.d.ts
	clientDTS []byte

	files = page.Files(clientJS, playerJS, clientDTS)
)
