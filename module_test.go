package caddyspotify_test

import (
	"strings"
	"testing"
)

func TestLoginAndCall(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	a := b.fetch("GET", "/spotify/v1/me", "")
	if e := b.wantStatus(a, 401).apiError(t); e.Reason != "login_required" || e.LoginURL != "/spotify/login" {
		t.Errorf("error: %+v", e)
	}
	b.login("")
	a = b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200)
	if !strings.Contains(a.body, `"display_name"`) {
		t.Errorf("profile: %s", a.body)
	}
	t.Log(b.wantStatus(b.fetch("GET", "/spotify/session", ""), 200).body)
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), 204)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 401)
	t.Log(s.logs)
}
