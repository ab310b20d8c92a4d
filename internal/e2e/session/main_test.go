package session_test

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// Other instances run in processes of their own.
func TestMain(m *testing.M) { proxytest.Main(m) }
