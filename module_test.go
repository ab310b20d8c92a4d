package caddyspotify_test

import (
	"net/http"
	"strings"
	"testing"
)

// The main job, once through: asked to log in, logged in, served, logged out.
func TestLogInOnceCallSpotifyWithoutAToken(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	e := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized).apiError(t)
	if e.Reason != "login_required" || e.LoginURL != "/spotify/login" {
		t.Errorf("error: %+v", e)
	}
	b.login("")
	a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if !strings.Contains(a.body, `"display_name"`) {
		t.Errorf("profile: %s", a.body)
	}
	for _, secret := range s.sim.TokensIssued() {
		if strings.Contains(a.body, secret) {
			t.Error("the page got a token")
		}
	}
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
}
