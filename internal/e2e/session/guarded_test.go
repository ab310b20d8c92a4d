package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// S31: no cache keeps a page of require_login, whatever its backend says, and
// however it sends it.
func TestGuardedPagesAreNotKept(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Cache-Control": "max-age=600, public", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT", "CDN-Cache-Control": "max-age=600", "Vary": "Accept-Encoding",
		} {
			w.Header().Set(name, value)
		}
		switch r.URL.Path {
		case "/app/hint":
			w.WriteHeader(http.StatusEarlyHints)
		case "/app/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/app/flush":
			_ = http.NewResponseController(w).Flush()
		case "/app/nothing":
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write([]byte("secret"))
	}))
	t.Cleanup(backend.Close)
	s := proxytest.Start(t, proxytest.Options{
		Auth: "require_login /app*",
		Site: "header /app/file Cache-Control max-age=600\nrespond /app/file secret\nreverse_proxy /app* " + backend.URL + "\nrespond / home",
	})
	b := s.NewBrowser()
	paths := []string{"/app", "/app/hint", "/app/gone", "/app/flush", "/app/nothing", "/app/file"}
	for _, path := range paths {
		if a := b.WantStatus(b.Navigate(path), http.StatusFound); a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s of a stranger: %v", path, a.Header)
		}
	}
	b.Login("")
	for _, path := range paths {
		for dest, want := range map[string]string{
			"document": "private, no-store", "empty": "private, no-store", "iframe": "private, no-store", "": "private, no-store", "script": "private, no-cache",
		} {
			a := b.Navigate(path, proxytest.Header("Sec-Fetch-Dest", dest))
			if got := a.Header.Values("Cache-Control"); !slices.Equal(got, []string{want}) {
				t.Errorf("%s as %q: Cache-Control %q, want %q", path, dest, got, want)
			}
			if vary := strings.Join(a.Header.Values("Vary"), ","); !strings.Contains(vary, "Cookie") || a.Header.Get("Expires") != "" || a.Header.Get("CDN-Cache-Control") != "" {
				t.Errorf("%s as %q: %v", path, dest, a.Header)
			}
		}
	}
	if a := b.Navigate("/"); a.Header.Get("Cache-Control") != "" {
		t.Errorf("another page: %v", a.Header)
	}
}

// S32: pages of other origins, which get the cookie sent if they are siblings, cannot load
// what needs a login any more than its refusal, unless the backend wants them to.
func TestGuardedPagesStayAtTheirOrigin(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/app/open":
			w.Header().Set("Cross-Origin-Resource-Policy", "same-site")
		case "/app/hint":
			w.WriteHeader(http.StatusEarlyHints)
		}
	}))
	t.Cleanup(backend.Close)
	s := proxytest.Start(t, proxytest.Options{
		Auth: "require_login /app*",
		Site: "header /app/file Cross-Origin-Resource-Policy cross-origin\nrespond /app/file secret\nerror /app/broken 500\nreverse_proxy /app/down 127.0.0.1:1\nreverse_proxy /app* " + backend.URL + "\nrespond / home",
	})
	b := s.NewBrowser()
	policies := map[string]string{
		"/app": "same-origin", "/app/hint": "same-origin", "/app/broken": "same-origin", "/app/down": "same-origin",
		"/app/open": "same-site", "/app/file": "cross-origin",
	}
	look := func(path, want string) {
		t.Helper()
		a := b.Do("GET", path, "", proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Sec-Fetch-Mode", "no-cors"), proxytest.Header("Sec-Fetch-Dest", "image"))
		if got := a.Header.Values("Cross-Origin-Resource-Policy"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %d with %q, want %q", path, a.StatusCode, got, want)
		}
	}
	for path := range policies {
		look(path, "same-origin")
	}
	b.Login("")
	for path, want := range policies {
		look(path, want)
	}
	if a := b.Navigate("/"); a.Header.Get("Cross-Origin-Resource-Policy") != "" {
		t.Errorf("another page: %v", a.Header)
	}
}
