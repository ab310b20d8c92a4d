package operation_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O51: a store that is away makes the site unready, and not dead.
func TestHealth(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	want := func(path string, status int, body string) {
		t.Helper()
		a := b.WantStatus(b.Do("GET", path, ""), status)
		if strings.TrimSpace(a.Text) != body {
			t.Errorf("%s: %s, want %s", path, a.Text, body)
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json; charset=utf-8" || a.Header["Set-Cookie"] != nil {
			t.Errorf("%s: headers %v", path, a.Header)
		}
	}
	ready, live := `{"live":true,"ready":true}`, `{"live":true}`
	want("/spotify/health", http.StatusOK, ready)
	want("/spotify/health/live", http.StatusOK, live)
	b.Login("")

	// A file where there should be a folder.
	if err := os.Rename(s.Storage, s.Storage+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("/spotify/health", http.StatusOK, ready) // it answered a moment ago
	fake.Advance(2 * time.Second)
	want("/spotify/health", http.StatusServiceUnavailable, `{"live":true,"ready":false,"reason":"store_unavailable"}`)
	want("/spotify/health/live", http.StatusOK, live)
	if a := b.Do("HEAD", "/spotify/health", ""); a.StatusCode != http.StatusServiceUnavailable || a.Text != "" {
		t.Errorf("HEAD: %d %q", a.StatusCode, a.Text)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	if err := os.Remove(s.Storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.Storage+".away", s.Storage); err != nil {
		t.Fatal(err)
	}
	fake.Advance(2 * time.Second)
	want("/spotify/health", http.StatusOK, ready)
	b.WantStatus(b.Do("POST", "/spotify/health", ""), http.StatusMethodNotAllowed)
	b.WantStatus(b.Do("GET", "/spotify/health/", ""), http.StatusNotFound)
}

// O51: nothing is taken for granted before the first answer.
func TestHealthBeforeTheFirstAnswer(t *testing.T) {
	fakeclock.New(time.Now()).Install(t)
	nobody := freeport.Address(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "store redis " + nobody + " {\ntimeout 300ms\n}"})
	b := s.NewBrowser()
	for range 2 {
		b.WantStatus(b.Do("GET", "/spotify/health", ""), http.StatusServiceUnavailable)
	}
}

// A load balancer asks over plain http, by whatever name.
func TestHealthBehindTLSTermination(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{HTTPS: true})
	b := s.NewBrowser()
	b.WantStatus(b.Do("GET", "/spotify/health", ""), http.StatusOK)
	b.WantStatus(b.Do("GET", "/spotify/session", ""), http.StatusForbidden)
}
