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
