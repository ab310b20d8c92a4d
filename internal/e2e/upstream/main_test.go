package upstream_test

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// Commands are tested in processes of their own.
func TestMain(m *testing.M) { proxytest.Main(m) }
