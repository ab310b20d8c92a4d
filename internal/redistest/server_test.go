package redistest_test

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
)

func TestRestartKeepsAddressAndLosesData(t *testing.T) {
	s := redistest.Start(t)
	addr := s.Addr
	s.Do("SET", "k", "v")
	s.Restart()
	if s.Addr != addr {
		t.Fatalf("address changed from %s to %s", addr, s.Addr)
	}
	if got := s.Do("GET", "k"); got != nil {
		t.Fatalf("a server without persistence kept %v", got)
	}
}

func TestPersistentSurvivesKill(t *testing.T) {
	s := redistest.Start(t, redistest.Persistent())
	s.Do("SET", "k", "v")
	s.Kill()
	s.Restart()
	if got := s.Do("GET", "k"); got != "v" {
		t.Fatalf("after kill and restart GET k = %v, want v", got)
	}
}

func TestTLSServerAnswersOverTLS(t *testing.T) {
	s := redistest.Start(t, redistest.TLS())
	if got := s.Do("PING"); got != "PONG" {
		t.Fatalf("PING = %v", got)
	}
}
