package login_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// maxClientModule is what the module may weigh on its way to a browser, and
// maxPlayerModule the one that it loads for pages that follow a player.
const (
	maxClientModule = 3 << 10
	maxPlayerModule = 2 << 10
)

// The files for pages, ours and the site's: browsers ask whether theirs are still good.
func TestFiles(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	for path, want := range map[string]struct{ contentType, holds string }{
		"/spotify/client.js":   {"text/javascript; charset=utf-8", "export function createClient"},
		"/spotify/player.js":   {"text/javascript; charset=utf-8", "export function follower"},
		"/spotify/client.d.ts": {"application/typescript; charset=utf-8", "export declare function createClient"},
		"/spotify/page.css":    {"text/css; charset=utf-8", "prefers-color-scheme:dark"},
		"/spotify/keys.css":    {"text/css; charset=utf-8", "fieldset"},
		"/spotify/popup.js":    {"text/javascript; charset=utf-8", "window.close()"},
		"/spotify/keys.js":     {"text/javascript; charset=utf-8", "history.replaceState("},
	} {
		a := b.WantStatus(b.Fetch(http.MethodGet, path, ""), http.StatusOK)
		if !strings.Contains(a.Text, want.holds) {
			t.Errorf("%s does not hold %q", path, want.holds)
		}
		for name, value := range map[string]string{
			"Content-Type": want.contentType, "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control": "public, no-cache", "Set-Cookie": "",
		} {
			if got := a.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got, value)
			}
		}
		etag := a.Header.Get("Etag")
		if !strings.HasPrefix(etag, `"`) {
			t.Errorf("%s: ETag %q is not strong", path, etag)
		}
		if a := b.Fetch(http.MethodGet, path, "", proxytest.Header("If-None-Match", etag)); a.StatusCode != http.StatusNotModified || a.Text != "" {
			t.Errorf("%s, known already: status %d, %d bytes", path, a.StatusCode, len(a.Text))
		}
		if a := b.Fetch(http.MethodHead, path, ""); a.StatusCode != http.StatusOK || a.Text != "" || a.Header.Get("Etag") != etag {
			t.Errorf("HEAD %s: status %d, ETag %q, %d bytes", path, a.StatusCode, a.Header.Get("Etag"), len(a.Text))
		}
		if a := b.Fetch(http.MethodPost, path, ""); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: status %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/spotify/page.html", "/spotify/html/page.css", "/spotify/page.css/", "/spotify/PAGE.css"} {
		b.WantStatus(b.Fetch(http.MethodGet, path, ""), http.StatusNotFound)
	}
}

func TestClientModuleIsSmall(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	for path, most := range map[string]int{"/spotify/client.js": maxClientModule, "/spotify/player.js": maxPlayerModule} {
		a := s.NewBrowser().Fetch(http.MethodGet, path, "")
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(a.Text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if packed.Len() > most || len(a.Text) == 0 {
			t.Errorf("%s has %d bytes when packed, and may have %d", path, packed.Len(), most)
		}
		t.Logf("%s: %d bytes, %d packed", path, len(a.Text), packed.Len())
		for line := range strings.Lines(a.Text) {
			if line == "\n" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "//") {
				t.Errorf("%s has a line that no browser needs: %q", path, line)
			}
		}
	}
}

// TestPopup has the page run its own script and nothing else, whatever its
// address says.
//
// P52
func TestPopup(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	a := b.WantStatus(b.Navigate("/spotify/popup?id=%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"), http.StatusOK)
	if strings.Count(a.Text, "<script") != 1 || strings.Contains(a.Text, "alert(1)") || !strings.Contains(a.Text, `<script src="/spotify/popup.js" referrerpolicy="no-referrer"></script>`) {
		t.Errorf("the page holds another script than its own:\n%s", a.Text)
	}
	policy := a.Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "; script-src 'self'") {
		t.Errorf("the policy %q does not allow the page's script", policy)
	}
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the policy %q lets more in", policy)
	}
	if a.Header.Get("Cache-Control") != "no-store" || len(a.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("headers %v", a.Header)
	}
	// Other pages of ours have no script at all.
	a = b.Navigate("/spotify/callback")
	if policy := a.Header.Get("Content-Security-Policy"); policy == "" || strings.Contains(policy, "script-src") || strings.Contains(a.Text, "<script") {
		t.Errorf("the callback's page has the policy %q", policy)
	}
}
