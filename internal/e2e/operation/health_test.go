package operation_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/redistest"
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

// O58: a store that can be read but not written is not ready for a login. Finding
// that out leaves nothing there, and costs little.
func TestHealthNeedsStoreThatCanBeWritten(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		testReadOnlyStore(t, proxytest.Options{}, func(s *proxytest.Proxy) (restore func()) {
			// Nothing is found behind it, and nothing can be put there, by root either.
			sessions := filepath.Join(s.Storage, "spotify")
			if err := os.Rename(sessions, sessions+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(s.Storage, "nowhere", "at", "all"), sessions); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Remove(sessions); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(sessions+".away", sessions); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t)
		testReadOnlyStore(t, proxytest.Options{Auth: "store redis " + server.Addr}, func(*proxytest.Proxy) (restore func()) {
			server.Do("REPLICAOF", "127.0.0.1", "1")
			return func() { server.Do("REPLICAOF", "NO", "ONE") }
		})
		if names := server.Do("KEYS", "*").([]any); len(names) > 0 {
			t.Errorf("left in the store: %q", names)
		}
	})
}

func testReadOnlyStore(t *testing.T, o proxytest.Options, makeReadOnly func(*proxytest.Proxy) (restore func())) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	admin := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	o.Global = "admin " + admin.Addr
	s := proxytest.Start(t, o)
	b := s.NewBrowser()
	health := func(status int) {
		t.Helper()
		b.WantStatus(b.Do("GET", "/spotify/health", ""), status)
		admin.Call("GET", "/spotify/health", status, nil)
	}
	health(http.StatusOK)
	var list proxytest.SessionList
	admin.Call("GET", "/spotify/sessions", http.StatusOK, &list)
	if list.Total != 0 || len(s.StoredFiles()) != 0 {
		t.Errorf("left in the store: %+v %v", list, s.StoredFiles())
	}

	restore := makeReadOnly(s)
	fake.Advance(2 * time.Second)
	health(http.StatusOK) // it was written a moment ago
	fake.Advance(4 * time.Second)
	health(http.StatusServiceUnavailable)
	b.WantStatus(b.Do("GET", "/spotify/health/live", ""), http.StatusOK)
	restore()
	health(http.StatusServiceUnavailable) // it could not be written a moment ago
	fake.Advance(2 * time.Second)
	health(http.StatusOK)
	if len(s.StoredFiles()) != 0 {
		t.Errorf("left in the store: %v", s.StoredFiles())
	}
}
