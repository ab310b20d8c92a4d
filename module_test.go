package caddyspotify_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// The main job, once through: asked to log in, logged in, served, logged out.
func TestLogInOnceCallSpotifyWithoutAToken(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	e := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized).APIError(t)
	if e.Reason != "login_required" || e.LoginURL != "/spotify/login" {
		t.Errorf("error: %+v", e)
	}
	b.Login("")
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if !strings.Contains(a.Text, `"display_name"`) {
		t.Errorf("profile: %s", a.Text)
	}
	for _, secret := range s.Sim.TokensIssued() {
		if strings.Contains(a.Text, secret) {
			t.Error("the page got a token")
		}
	}
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
}
