package login_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Our own pages run nothing that came from elsewhere, can be put into no frame
// and tell nobody where the visitor was.
func TestPages(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "session {\nsame_site strict\n}"})
	b := s.NewBrowser()
	pages := map[string]proxytest.Response{
		"not found":       b.Navigate("/spotify/nothing"),
		"bad request":     b.Navigate("/spotify/login?scope=unknown"),
		"expired":         b.ComeBack("/spotify/callback?code=x&state=" + strings.Repeat("A", 43)),
		"cancelled":       b.ComeBack(spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login")),
		"going on":        b.ComeBack(spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login?return_to=/app", "")),
		"cross-site":      b.Navigate("/spotify/v1/me", proxytest.Header("Sec-Fetch-Site", "cross-site")),
		"closing itself":  b.Navigate("/spotify/popup"),
		"logged out":      b.Submit("/spotify/logout"),
		"the wrong verb":  b.Do("PUT", "/spotify/session", "", proxytest.Header("Sec-Fetch-Mode", "navigate")),
		"a path in doubt": b.Navigate("/spotify/v1/..%2fx"),
	}
	for name, a := range pages {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html; charset=utf-8") || !strings.Contains(a.Text, "<h1>") {
				t.Fatalf("no page: %d %q", a.StatusCode, a.Text)
			}
			csp := a.Header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "style-src 'self';", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("the policy has no %s: %s", want, csp)
				}
			}
			if strings.Count(a.Text, `<link rel="stylesheet" href="/spotify/page.css" referrerpolicy="no-referrer">`) != 1 || strings.Contains(a.Text, "<style") {
				t.Errorf("the style of the page: %s", a.Text)
			}
			if !strings.Contains(a.Text, `<meta name="referrer" content="no-referrer">`) {
				t.Errorf("the page does not state its referrer policy: %s", a.Text)
			}
			if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") != (name == "closing itself") {
				t.Errorf("policy: %s", csp)
			}
			for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Content-Language": "en"} {
				if got := a.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			// What a screen reader, a keyboard and a small screen need.
			for _, want := range []string{`<html lang="en">`, "<title>", "<main>", `name="viewport"`} {
				if strings.Count(a.Text, want) != 1 {
					t.Errorf("%d times %s", strings.Count(a.Text, want), want)
				}
			}
			if strings.Contains(a.Text, "<h1></h1>") || strings.Contains(a.Text, "<title></title>") || strings.Contains(a.Text, "></a>") {
				t.Errorf("page: %s", a.Text)
			}
			if len(a.Text) > 8<<10 {
				t.Errorf("%d bytes", len(a.Text))
			}
		})
	}
}

// P49: so is JSON of our own, wherever it comes from and whatever it says.
func TestJSONIsInert(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "expose_token\noptional_scopes streaming\nallow /v1/me /v1/me/top/*"})
	b, stranger := s.NewBrowser(), s.NewBrowser()
	b.WantStatus(b.ComeBack(proxytest.ApproveAt(t, b, b.BeginLogin("/spotify/login?scope=streaming"))), http.StatusSeeOther)
	for name, a := range map[string]proxytest.Response{
		"who is logged in":    b.Fetch("GET", "/spotify/session", ""),
		"nobody is":           stranger.Fetch("GET", "/spotify/session", ""),
		"the session, opened": b.Navigate("/spotify/session"),
		"a token":             b.Fetch("POST", "/spotify/token", ""),
		"no token":            stranger.Fetch("POST", "/spotify/token", ""),
		"log in first":        stranger.Fetch("GET", "/spotify/v1/me", ""),
		"cross-site":          b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Sec-Fetch-Site", "cross-site")),
		"not allowed":         b.Fetch("GET", "/spotify/v1/search", ""),
		"not found":           b.Fetch("GET", "/spotify/nothing", ""),
		"the wrong verb":      b.Fetch("PUT", "/spotify/session", ""),
		"a failed login":      b.Fetch("GET", "/spotify/callback?code=x", ""),
		"of the transport":    b.Fetch("TRACE", "/spotify/v1/me", ""),
		"health":              stranger.Do("GET", "/spotify/health", ""),
		"alive":               stranger.Do("GET", "/spotify/health/live", ""),
	} {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(a.Text)) {
				t.Fatalf("no JSON: %d %s", a.StatusCode, a.Text)
			}
			for header, want := range map[string]string{
				"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
			} {
				if got := a.Header.Values(header); len(got) != 1 || got[0] != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
		})
	}
	// The site's own error page is not bound by what is for JSON.
	s.Site = "handle_errors {\nheader Content-Type text/html\nrespond \"<script src=/app.js></script>\"\n}"
	s.Load("")
	if a := b.Navigate("/spotify/nothing"); a.Header.Get("Content-Security-Policy") != "" || a.Header.Get("Cross-Origin-Resource-Policy") != "" {
		t.Errorf("the site's own page: %v", a.Header)
	}
}

func TestPagesInTheVisitorsLanguage(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	titles := map[string]string{
		"en": "Page not found", "de": "Seite nicht gefunden", "es": "Página no encontrada", "fr": "Page introuvable", "pt": "Página não encontrada",
	}
	for accept, want := range map[string]string{
		"":                             "en",
		"de":                           "de",
		"de-AT,de;q=0.9,en;q=0.8":      "de",
		"en-GB,en;q=0.9,de;q=0.8":      "en",
		"da-DK,da;q=0.9,de;q=0.5":      "de",
		"da":                           "en",
		"es-MX,es;q=0.9,en;q=0.8":      "es",
		"fr-FR,fr;q=0.9,de;q=0.5":      "fr",
		"pt-BR,pt;q=0.9,en;q=0.8":      "pt",
		"*":                            "en",
		"de;q=0":                       "en",
		"de;q=0.1,en;q=0.2":            "en",
		"DE":                           "de",
		"den":                          "en",
		"de;q=NaN, de;q=9, de;q=x":     "en",
		"de;level=1;q=1":               "de",
		strings.Repeat("x,", 900):      "en",
		"\"><script>alert(1)</script>": "en",
	} {
		a := b.WantStatus(b.Navigate("/spotify/nothing", proxytest.Header("Accept-Language", accept)), http.StatusNotFound)
		if got := a.Header.Get("Content-Language"); got != want || !strings.Contains(a.Text, `<html lang="`+want+`">`) || !strings.Contains(a.Header.Get("Vary"), "Accept-Language") {
			t.Errorf("%.40q: %s, want %s", accept, got, want)
		}
		if title := titles[want]; !strings.Contains(a.Text, "<h1>"+title+"</h1>") {
			t.Errorf("%.40q: no %q: %s", accept, title, a.Text)
		}
		// Words that have not been translated say so.
		if (want != "en") != strings.Contains(a.Text, `<p lang="en">Not found.`) {
			t.Errorf("%.40q: %s", accept, a.Text)
		}
	}
	// Code reads English, and the reason, in every language.
	if e := b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Accept-Language", "de")).APIError(t); e.Reason != "login_required" || e.Message != "Log in with Spotify first." {
		t.Errorf("%+v", e)
	}
	callback := spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login?return_to=/app")
	a := b.ComeBack(callback, proxytest.Header("Accept-Language", "de"))
	for _, want := range []string{"Du bist nicht angemeldet", "Noch einmal versuchen", "Zur Startseite", "login_cancelled", "/spotify/login?return_to=%2Fapp"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("no %q: %s", want, a.Text)
		}
	}
}

// The site's own error pages go before ours, and ours are what is left.
func TestPagesThroughHandleErrors(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Site: `
		respond home
		handle_errors 403 404 {
			@json header !Sec-Fetch-Mode
			respond @json "own {http.error.status_code} {http.error.message}"
			@page header Sec-Fetch-Mode navigate
			respond @page "<h1>own page</h1> {http.error.status_code} {http.error.message}"
		}
	`})
	b := s.NewBrowser()
	if a := b.Navigate("/spotify/nothing"); a.StatusCode != 404 || !strings.HasPrefix(a.Text, "<h1>own page</h1> 404 Not found.") {
		t.Errorf("a page: %d %s", a.StatusCode, a.Text)
	}
	if a := b.Do("GET", "/spotify/nothing", ""); a.StatusCode != 404 || !strings.HasPrefix(a.Text, "own 404 Not found.") || a.Header.Get("Spotify-Proxy-Reason") != "not_found" {
		t.Errorf("for code: %d %v %s", a.StatusCode, a.Header, a.Text)
	}
	callback := spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login")
	if a := b.ComeBack(callback); a.StatusCode != 403 || !strings.HasPrefix(a.Text, "<h1>own page</h1> 403 You did not give") {
		t.Errorf("a declined login: %d %s", a.StatusCode, a.Text)
	}
	// What the site's own leave open is answered as without them.
	if e := b.Fetch("GET", "/spotify/nothing", "").APIError(t); e.Reason != "not_found" {
		t.Errorf("no match: %+v", e)
	}
	if e := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 401).APIError(t); e.Reason != "login_required" {
		t.Errorf("another status: %+v", e)
	}
	a := b.Navigate("/spotify/login?scope=unknown")
	if !strings.Contains(a.Text, "Something went wrong") || a.StatusCode != 400 {
		t.Errorf("another page: %d %s", a.StatusCode, a.Text)
	}
	var e struct{ Error json.RawMessage }
	if err := json.Unmarshal([]byte(b.Fetch("PUT", "/spotify/session", "").Text), &e); err != nil {
		t.Error(err)
	}
}

// Text has the contrast of WCAG 2.2 §1.4.3 (level AA) against what it stands on,
// by day and by night.
func TestPagesHaveContrast(t *testing.T) {
	css, err := os.ReadFile("../../../internal/page/html/page.css")
	if err != nil {
		t.Fatal(err)
	}
	for i, scheme := range regexp.MustCompile(`:root\{[^}]*\}`).FindAllString(string(css), -1) {
		colors := make(map[string]float64)
		for _, m := range regexp.MustCompile(`--([a-z-]+):#([0-9a-f]{3,6})`).FindAllStringSubmatch(scheme, -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		for _, pair := range [][2]string{{"text", "card"}, {"dim", "card"}, {"on-accent", "accent"}, {"text", "bg"}} {
			a, okA := colors[pair[0]]
			b, okB := colors[pair[1]]
			if !okA || !okB {
				t.Fatalf("scheme %d has no %v: %s", i, pair, scheme)
			}
			if ratio := (max(a, b) + .05) / (min(a, b) + .05); ratio < 4.5 {
				t.Errorf("scheme %d: %s on %s is %.1f to 1", i, pair[0], pair[1], ratio)
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.2 of a colour in hex.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("#%s is no colour", hex)
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= .04045 {
			return c / 12.92
		}
		return math.Pow((c+.055)/1.055, 2.4)
	}
	return .2126*channel(16) + .7152*channel(8) + .0722*channel(0)
}
