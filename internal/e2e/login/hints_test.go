package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// L17: what browsers ask for ahead of time neither begins a login, nor ends one, nor
// takes the place of those that are under way.
func TestAheadOfTime(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*\nshare {\nowner mira\nallow /v1/me/top/artists\n}\naccess_keys"})
	hints := map[string]proxytest.Edit{
		"prefetch":         proxytest.Header("Sec-Purpose", "prefetch"),
		"prerender":        proxytest.Header("Sec-Purpose", "prefetch;prerender"),
		"anonymous":        proxytest.Header("Sec-Purpose", "prefetch;anonymous-client-ip"),
		"older browsers":   proxytest.Header("Purpose", "prefetch"),
		"an older Firefox": proxytest.Header("X-Moz", "prefetch"),
	}
	for name, hint := range hints {
		t.Run(name, func(t *testing.T) {
			b := s.NewBrowser()
			callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?return_to=/app", "")
			for range 14 {
				for _, target := range []string{"/app", "/app/page", "/spotify/login", "/spotify/v1/me", "/spotify/share/connect", "/spotify/keys", callback} {
					for _, site := range []string{"same-origin", "none", "cross-site"} {
						a := b.Navigate(target, hint, proxytest.Header("Sec-Fetch-Site", site))
						if a.StatusCode < 400 || a.StatusCode > 499 || len(a.Cookies()) > 0 || a.Header.Get("Location") != "" {
							t.Fatalf("%s from %s: %d, cookies %q, to %q", target, site, a.StatusCode, a.Header["Set-Cookie"], a.Header.Get("Location"))
						}
					}
				}
			}
			if to := b.WantStatus(b.ComeBack(callback), http.StatusSeeOther).Header.Get("Location"); to != "/app" {
				t.Errorf("back at %q", to)
			}
			// Whoever is logged in has pages loaded ahead of time.
			if a := b.Navigate("/app", hint, proxytest.Header("Sec-Fetch-Site", "same-origin")); a.StatusCode != http.StatusOK || a.Text != "the app" {
				t.Errorf("logged in: %d %s", a.StatusCode, a.Text)
			}
		})
	}
}

// L17, L02: HEAD gets what GET does, without a body, and begins and ends nothing.
func TestHead(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	head := func(target string, edits ...proxytest.Edit) proxytest.Response {
		t.Helper()
		a := b.Do(http.MethodHead, target, "", append([]proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Sec-Fetch-Site", "none")}, edits...)...)
		if a.Text != "" || len(a.Cookies()) > 0 {
			t.Errorf("HEAD %s: body %q, cookies %q", target, a.Text, a.Header["Set-Cookie"])
		}
		return a
	}
	for _, target := range []string{"/spotify/login", "/app"} {
		a := b.WantStatus(head(target), http.StatusFound)
		if !strings.HasPrefix(a.Header.Get("Location"), s.Sim.AuthorizeURL+"?") {
			t.Errorf("HEAD %s leads to %q", target, a.Header.Get("Location"))
		}
	}
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
	b.WantStatus(head("/spotify/callback"), b.ComeBack("/spotify/callback").StatusCode)
	b.WantStatus(head(callback), http.StatusBadRequest)
	b.WantStatus(head("/spotify/session"), http.StatusOK)
	b.WantStatus(b.ComeBack(callback), http.StatusSeeOther)
	get := b.Fetch(http.MethodGet, "/spotify/session", "")
	a := b.WantStatus(head("/spotify/session"), http.StatusOK)
	for _, name := range []string{"Content-Type", "Cache-Control", "Vary"} {
		if !slices.Equal(a.Header[name], get.Header[name]) {
			t.Errorf("%s: %q and %q", name, a.Header[name], get.Header[name])
		}
	}
	a = b.Fetch(http.MethodPut, "/spotify/session", "")
	if b.WantStatus(a, http.StatusMethodNotAllowed); a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", a.Header.Get("Allow"))
	}
}

// L17: a page in a frame is not sent to Spotify, which is shown in none. A page of ours
// in the frame leads out of it, to where the person was.
func TestGuardedPageInFrame(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	framed := func(target string, edits ...proxytest.Edit) proxytest.Response {
		return b.Navigate(target, append([]proxytest.Edit{proxytest.Header("Sec-Fetch-Dest", "iframe"), proxytest.Header("Sec-Fetch-Site", "same-origin")}, edits...)...)
	}
	for target, c := range map[string]struct{ referer, link string }{
		"/app/widget":                    {s.Origin + "/page?a=b", "/spotify/login?return_to=%2Fpage%3Fa%3Db"},
		"/app/widget?x=y":                {"", "/spotify/login?return_to=%2Fapp%2Fwidget%3Fx%3Dy"},
		"/app":                           {"https://elsewhere.example/page", "/spotify/login?return_to=%2Fapp"},
		"/spotify/login?return_to=/page": {s.Origin + "/", "/spotify/login?return_to=/page"},
	} {
		a := framed(target, proxytest.Header("Referer", c.referer))
		b.WantStatus(a, http.StatusUnauthorized)
		if !strings.Contains(a.Text, `href="`+c.link+`" target="_top"`) {
			t.Errorf("%s: no link to %s: %s", target, c.link, a.Text)
		}
		if len(a.Cookies()) > 0 || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'") || a.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
			t.Errorf("%s: %v", target, a.Header)
		}
	}
	// In a document of its own it is as before.
	b.WantStatus(b.Navigate("/app"), http.StatusFound)
	b.Login("")
	b.WantStatus(framed("/app"), http.StatusOK)
}
