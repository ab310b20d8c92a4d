package login_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// maxPending is how much of a request's header all cookies of pending logins may
// take, in bytes.
const maxPending = 4 << 10

// headerSize returns what the browser's cookies take, of pending logins and of all.
func headerSize(b *proxytest.Browser) (pending, all int) {
	for name, value := range b.Cookies() {
		n := len(name) + len("=") + len(value) + len("; ")
		all += n
		if strings.HasPrefix(name, "spotify_login_") && name != "spotify_login_done" {
			// On https each name has __Host- before it.
			pending += n + len("__Host-")
		}
	}
	return pending, all
}

// atOnce starts n logins before the response to any of them is known, as tabs that
// open at once do, and then gives the browser what they set.
func atOnce(b *proxytest.Browser, n int, target func(i int) string) []*url.URL {
	b.T.Helper()
	responses := make([]proxytest.Response, n)
	b.Client.Jar = nil
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { responses[i] = b.Navigate(target(i)) })
	}
	all.Wait()
	b.Client.Jar = b.Jar
	u, err := url.Parse(b.Origin)
	if err != nil {
		b.T.Fatal(err)
	}
	var begun []*url.URL
	for _, a := range responses {
		b.WantStatus(a, http.StatusFound)
		b.Jar.SetCookies(u, a.Cookies())
		to, err := a.Location()
		if err != nil {
			b.T.Fatal(err)
		}
		begun = append(begun, to)
	}
	return begun
}

// L18: however many logins start, with whatever return paths, and whether or not
// they know of each other, their cookies stay small.
func TestPendingCookiesStaySmall(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys\nrequire_login /app*"})
	paths := map[string]func(i int) string{
		"short":        func(i int) string { return "/" },
		"just fitting": func(i int) string { return fmt.Sprint("/app/", i, strings.Repeat("a", 60)) },
		"medium":       func(i int) string { return fmt.Sprint("/app/", i, strings.Repeat("a", 600)) },
		"long":         func(i int) string { return fmt.Sprint("/app/", i, strings.Repeat("a", 1000)) },
		"full of what has to be escaped": func(i int) string {
			return fmt.Sprint("/app/", i, strings.Repeat(`!;,".`, 100))
		},
		"any": func(int) string { return "/app/" + strings.Repeat("a", rand.N(1100)) },
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			b := s.NewBrowser()
			b.Login("")
			login := func(i int) string {
				return "/spotify/login?show_dialog=true&return_to=" + url.QueryEscape(path(i))
			}
			atOnce(b, 30, login)
			for i := range 15 {
				b.BeginLogin(login(i))
			}
			// The largest that an access key's login can be.
			b.SendForm(proxytest.KeysPath, proxytest.KeyForm(strings.Repeat("鍵", 60), "access", "rules", "rules", strings.TrimSpace(strings.Repeat("GET /v1/me/a\n", 69))))
			pending, all := headerSize(b)
			if pending > maxPending || all > maxPending+512 {
				t.Errorf("%d bytes for pending logins, %d in all", pending, all)
			}
			if n := len(pendingLogins(b)); n > 12 {
				t.Errorf("%d cookies", n)
			}
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		})
	}
}

// L07, L18: ten tabs that open at once, and know nothing of each other, can all log in.
func TestTenTabsAtOnce(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /tab*"})
	for _, before := range []int{0, 3} {
		b := s.NewBrowser()
		for range before {
			b.BeginLogin("/spotify/login")
		}
		begun := atOnce(b, 10, func(i int) string { return fmt.Sprintf("/tab/%d?q=a.b", i) })
		for _, i := range []int{3, 0, 9, 5, 1, 8, 2, 7, 4, 6} {
			a := b.WantStatus(b.ComeBack(proxytest.ApproveAt(t, b, begun[i])), http.StatusSeeOther)
			if got, want := a.Header.Get("Location"), fmt.Sprintf("/tab/%d?q=a.b", i); got != want {
				t.Errorf("tab %d came back to %q", i, got)
			}
		}
	}
}

// L18: a return path that does not fit is dropped, and the login works. One that is
// merely long is kept, once for all logins that lead there.
func TestLongReturnPaths(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	long := func(n int) string { return "/app/" + strings.Repeat("a", n) }
	comeBack := func(b *proxytest.Browser, u *url.URL) string {
		return b.WantStatus(b.ComeBack(proxytest.ApproveAt(t, b, u)), http.StatusSeeOther).Header.Get("Location")
	}
	b := s.NewBrowser()
	var begun []*url.URL
	for range 10 {
		begun = append(begun, b.BeginLogin(long(619)))
	}
	for _, u := range begun {
		if to := comeBack(b, u); to != long(619) {
			t.Errorf("back at %q", to)
		}
	}
	if left := pendingLogins(b); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	b = s.NewBrowser()
	first, second := b.BeginLogin(long(500)), b.BeginLogin(long(510))
	if to := comeBack(b, second); to != long(510) {
		t.Errorf("back at %q", to)
	}
	if to := comeBack(b, first); to != "/" {
		t.Errorf("the path that was given up: back at %q", to)
	}
	if to := comeBack(b, b.BeginLogin("/spotify/login?return_to="+long(900))); to != "/" {
		t.Errorf("one that does not fit: back at %q", to)
	}
}
