package session_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// anotherTab is a tab that goes on with a cookie that a login in its browser has
// just replaced.
func anotherTab(b *proxytest.Browser) (old *proxytest.Browser, cookie proxytest.Edit) {
	old = b.NewBrowser()
	old.Client.Jar = nil
	return old, proxytest.Header("Cookie", "spotify_session="+b.SessionCookie())
}

// L19, S15: a login replaces the browser's session. Its other tabs, whose requests are
// under way with the old cookie, see no 401 until the browser has shown the new one.
func TestOtherTabsOutliveALogin(t *testing.T) {
	for name, test := range map[string]struct {
		then  func(*proxytest.Browser, *fakeclock.Clock)
		valid bool
	}{
		"nothing":        {func(*proxytest.Browser, *fakeclock.Clock) {}, true},
		"29 seconds":     {func(_ *proxytest.Browser, c *fakeclock.Clock) { c.Advance(29 * time.Second) }, true},
		"30 seconds":     {func(_ *proxytest.Browser, c *fakeclock.Clock) { c.Advance(30 * time.Second) }, false},
		"clock set back": {func(_ *proxytest.Browser, c *fakeclock.Clock) { c.Jump(-time.Hour); c.Advance(30 * time.Second) }, false},
		"new cookie":     {func(b *proxytest.Browser, _ *fakeclock.Clock) { b.Session() }, false},
		"logout":         {func(b *proxytest.Browser, _ *fakeclock.Clock) { b.Fetch("POST", "/spotify/logout", "") }, false},
		"restart":        {func(b *proxytest.Browser, _ *fakeclock.Clock) { b.Restart() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			clock := fakeclock.New(time.Now())
			clock.Install(t)
			s := proxytest.Start(t, proxytest.Options{})
			b := s.NewBrowser()
			b.Login("mira")
			tab, cookie := anotherTab(b)
			b.Login("jonas")
			test.then(b, clock)
			want := http.StatusUnauthorized
			if test.valid {
				want = http.StatusOK
			}
			for range 2 {
				tab.WantStatus(tab.Fetch("GET", "/spotify/v1/me", "", cookie), want)
			}
			if n := len(s.StoredSessions()); n > 1 {
				t.Errorf("%d records are stored", n)
			}
		})
	}
}

// L19: a logout by a tab that has the old cookie still is one of the browser.
func TestLogoutWithAReplacedCookie(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	tab, cookie := anotherTab(b)
	b.Login("")
	tab.WantStatus(tab.Fetch("POST", "/spotify/logout", "", cookie), http.StatusNoContent)
	tab.WantStatus(tab.Fetch("GET", "/spotify/v1/me", "", cookie), http.StatusUnauthorized)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	if n := len(s.StoredFiles()); n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

// L19: many requests with both cookies at once; run with -race.
func TestOtherTabsAtOnce(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	for range 5 {
		tab, cookie := anotherTab(b)
		b.Login("")
		_, fresh := anotherTab(b)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if a := tab.Fetch("GET", "/spotify/session", "", fresh); a.StatusCode != 200 {
					t.Errorf("status %d with the new cookie", a.StatusCode)
				}
			})
			wg.Go(func() { tab.Fetch("GET", "/spotify/session", "", cookie) })
		}
		wg.Wait()
		tab.WantStatus(tab.Fetch("GET", "/spotify/v1/me", "", cookie), http.StatusUnauthorized)
		tab.WantStatus(tab.Fetch("GET", "/spotify/v1/me", "", fresh), http.StatusOK)
	}
}
