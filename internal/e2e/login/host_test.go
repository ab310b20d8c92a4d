package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func host(name string) proxytest.Edit { return func(r *http.Request) { r.Host = name } }

// cookieHeader has the cookies that a response sets, less those that it deletes.
func cookieHeader(a proxytest.Response) proxytest.Edit {
	var pairs []string
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return proxytest.Header("Cookie", strings.Join(pairs, "; "))
}

// L21: a login under another name of the site is moved to the public origin, where
// Spotify sends the browser back to and the cookie will be.
func TestLoginUnderAnotherNameOfTheSite(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Global: trustLoopback, HTTPS: true, Auth: "require_login /app*\nshare {\nowner mira\nallow /v1/me/top/artists\n}"})
	b := s.NewBrowser()
	b.Client.Jar = nil
	for _, name := range []string{"www.app.example.com", "example.com", "www.example.com", "APP.example.com.", "www.example.com:8443"} {
		for _, target := range []string{"/spotify/login?return_to=/app", "/app/page?a=b", "/spotify/share/connect", "/spotify/v1/me"} {
			a := b.Navigate(target, overHTTPS, host(name))
			if b.WantStatus(a, http.StatusFound); a.Header.Get("Location") != "https://app.example.com"+target {
				t.Errorf("%s%s: moved to %q", name, target, a.Header.Get("Location"))
			}
		}
		// In the clear, too: that is where it is going to be https.
		a := b.WantStatus(b.Navigate("/spotify/login", host(name)), http.StatusFound)
		if a.Header.Get("Location") != "https://app.example.com/spotify/login" {
			t.Errorf("%s in the clear: moved to %q", name, a.Header.Get("Location"))
		}
	}
	// The public name itself, whatever the port, and names of other sites stay.
	for _, name := range []string{"app.example.com", "APP.EXAMPLE.COM", "app.example.com:443", "app.example.com:8443", "backend.internal", "10.0.0.7:8080", "app.example.org"} {
		a := b.WantStatus(b.Navigate("/spotify/login", overHTTPS, host(name)), http.StatusFound)
		if !strings.HasPrefix(a.Header.Get("Location"), s.Sim.AuthorizeURL) {
			t.Errorf("%s: moved to %q", name, a.Header.Get("Location"))
		}
	}
	// So does the visitor of a proxy in front that asks us by another name, and says so
	// or has the browser come back at once.
	a := b.Navigate("/spotify/login", overHTTPS, host("origin.example.com"), proxytest.Header("X-Forwarded-Host", "app.example.com"))
	if !strings.HasPrefix(a.Header.Get("Location"), s.Sim.AuthorizeURL) {
		t.Errorf("X-Forwarded-Host: moved to %q", a.Header.Get("Location"))
	}
	a = b.Navigate("/app", overHTTPS, host("origin.example.com"))
	a = b.Navigate("/app", overHTTPS, host("origin.example.com"), cookieHeader(a))
	if !strings.HasPrefix(a.Header.Get("Location"), s.Sim.AuthorizeURL) {
		t.Errorf("round and round: moved to %q", a.Header.Get("Location"))
	}
}

// L22: every refusal of a callback names its own cause.
func TestRefusedCallbacksSayWhy(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Global: trustLoopback, HTTPS: true})
	b := s.NewBrowser()
	b.Client.Jar = nil
	begin := func(edits ...proxytest.Edit) (proxytest.Response, string) {
		t.Helper()
		a := b.WantStatus(b.Navigate("/spotify/login", append([]proxytest.Edit{overHTTPS, host("app.example.com")}, edits...)...), http.StatusFound)
		callback := spotifytest.Approve(t, s.NewBrowser().Client, a.Header.Get("Location"), "")
		_, query, _ := strings.Cut(callback, "?")
		return a, "/spotify/callback?" + query
	}
	comeBack := func(callback string, edits ...proxytest.Edit) proxytest.Response {
		t.Helper()
		return b.ComeBack(callback, append([]proxytest.Edit{overHTTPS, host("app.example.com")}, edits...)...)
	}
	seen := make(map[string]string)
	refused := func(name, says string, a proxytest.Response) {
		t.Helper()
		b.WantStatus(a, http.StatusBadRequest)
		_, title, _ := strings.Cut(a.Text, "<h1>")
		title, _, _ = strings.Cut(title, "</h1>")
		if !strings.Contains(a.Text, says) || !strings.Contains(a.Text, "login_expired") || !strings.Contains(a.Text, "Start a new login") {
			t.Errorf("%s: %s", name, a.Text)
		}
		if other, known := seen[title]; known {
			t.Errorf("%s has the title of %s: %s", name, other, title)
		}
		seen[title] = name
	}

	_, callback := begin()
	refused("another browser", "did not begin in this browser", comeBack(callback))

	_, callback = begin(host("app.example.org"))
	refused("another host", "under another address than https://app.example.com", comeBack(callback))

	login, callback := begin()
	fake.Advance(11 * time.Minute)
	refused("too old", "longer than ten minutes", comeBack(callback, cookieHeader(login)))
	delete(seen, "This login took too long")
	refused("too old, and the cookie has gone", "longer than ten minutes", comeBack(callback))

	login, callback = begin()
	b.WantStatus(comeBack(callback, cookieHeader(login)), http.StatusSeeOther)
	refused("used", "has been used already", comeBack(callback, cookieHeader(login)))

	// Cancel, Back, Agree.
	login, callback = begin()
	state, _, _ := strings.Cut(callback[strings.Index(callback, "state=")+len("state="):], "&")
	b.WantStatus(comeBack("/spotify/callback?error=access_denied&state="+state, cookieHeader(login)), http.StatusForbidden)
	refused("cancelled before", "already cancelled this login", comeBack(callback))

	// An eleventh tab.
	login, callback = begin()
	for range 10 {
		fake.Advance(time.Second)
		login, _ = begin(cookieHeader(login))
	}
	refused("replaced", "have taken this one", comeBack(callback, func(r *http.Request) {
		for slot := range 10 { // the same slot, with another login in it
			for _, c := range login.Cookies() {
				if c.MaxAge > 0 && c.Value != "" {
					r.AddCookie(&http.Cookie{Name: c.Name[:len(c.Name)-1] + string(rune('0'+slot)), Value: c.Value})
				}
			}
		}
	}))
	if len(seen) < 6 {
		t.Errorf("seen: %v", seen)
	}
}

// L22: a login that began on an instance whose clock is five minutes off can end here.
func TestClocksOfInstancesDiffer(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	for _, off := range []time.Duration{-5 * time.Minute, -90 * time.Second, 90 * time.Second, 5 * time.Minute} {
		callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
		fake.Advance(off)
		b.WantStatus(b.ComeBack(callback), http.StatusSeeOther)
	}
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
	fake.Advance(-6 * time.Minute)
	b.WantStatus(b.ComeBack(callback), http.StatusBadRequest)
}
