package caddyspotify_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
)

// O51: a store that is away makes the site unready, and not dead.
func TestHealth(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	b := s.newBrowser()
	want := func(path string, status int, body string) {
		t.Helper()
		a := b.wantStatus(b.do("GET", path, ""), status)
		if strings.TrimSpace(a.body) != body {
			t.Errorf("%s: %s, want %s", path, a.body, body)
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json; charset=utf-8" || a.Header["Set-Cookie"] != nil {
			t.Errorf("%s: headers %v", path, a.Header)
		}
	}
	ready, live := `{"live":true,"ready":true}`, `{"live":true}`
	want("/spotify/health", http.StatusOK, ready)
	want("/spotify/health/live", http.StatusOK, live)
	b.login("")

	// A file where there should be a folder.
	if err := os.Rename(s.storage, s.storage+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("/spotify/health", http.StatusOK, ready) // it answered a moment ago
	fake.Advance(2 * time.Second)
	want("/spotify/health", http.StatusServiceUnavailable, `{"live":true,"ready":false,"reason":"store_unavailable"}`)
	want("/spotify/health/live", http.StatusOK, live)
	if a := b.do("HEAD", "/spotify/health", ""); a.StatusCode != http.StatusServiceUnavailable || a.body != "" {
		t.Errorf("HEAD: %d %q", a.StatusCode, a.body)
	}
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	if err := os.Remove(s.storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.storage+".away", s.storage); err != nil {
		t.Fatal(err)
	}
	fake.Advance(2 * time.Second)
	want("/spotify/health", http.StatusOK, ready)
	b.wantStatus(b.do("POST", "/spotify/health", ""), http.StatusMethodNotAllowed)
	b.wantStatus(b.do("GET", "/spotify/health/", ""), http.StatusNotFound)
}

// O51: nothing is taken for granted before the first answer.
func TestHealthBeforeTheFirstAnswer(t *testing.T) {
	fakeclock.New(time.Now()).Install(t)
	nobody := freeport.Address(t)
	s := start(t, startOptions{auth: "store redis " + nobody + " {\ntimeout 300ms\n}"})
	b := s.newBrowser()
	for range 2 {
		b.wantStatus(b.do("GET", "/spotify/health", ""), http.StatusServiceUnavailable)
	}
}

// A load balancer asks over plain http, by whatever name.
func TestHealthBehindTLSTermination(t *testing.T) {
	s := start(t, startOptions{https: true})
	b := s.newBrowser()
	b.wantStatus(b.do("GET", "/spotify/health", ""), http.StatusOK)
	b.wantStatus(b.do("GET", "/spotify/session", ""), http.StatusForbidden)
}
