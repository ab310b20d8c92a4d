package login_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// twice visits a callback a second time while its code is being exchanged, and
// returns both responses. The exchange ends once the second has come in.
func twice(s *proxytest.Proxy, b *proxytest.Browser, callback string) [2]proxytest.Response {
	t := s.T
	t.Helper()
	arrived := make(chan struct{}, 2)
	host := strings.TrimPrefix(s.Origin, "http://")
	arrivals.Store(host, arrived)
	defer arrivals.Delete(host)
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	defer held.Clear()
	responses := make(chan proxytest.Response, 2)
	visit := func() { responses <- b.ComeBack(callback) }
	go visit()
	<-held.Entered()
	<-arrived
	go visit()
	<-arrived
	for !waitsForFirst() {
		runtime.Gosched()
	}
	held.Release()
	return [2]proxytest.Response{<-responses, <-responses}
}

// waitsForFirst reports whether a callback is waiting for the one before. Nothing that
// can be seen from outside tells.
func waitsForFirst() bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return regexp.MustCompile(`(?m)^goroutine [^\n]*\[select[^\n]*\]:\n[^\n]*internal/login\.\(\*Flow\)\.Serve`).Match(stacks)
}

// L16: a callback that comes twice while its code is exchanged, as after a double
// click, has both answered with the one result.
func TestCallbackComesTwice(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{
		Global: "order spotifytest_hangups first", Site: "spotifytest_hangups\nrespond home", Auth: "access_keys",
	})
	b := s.NewBrowser()
	both := twice(s, b, spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?return_to=/app", "mira"))
	var ids []string
	for _, a := range both {
		if b.WantStatus(a, http.StatusSeeOther); a.Header.Get("Location") != "/app" {
			t.Errorf("on to %q", a.Header.Get("Location"))
		}
		for _, c := range a.Cookies() {
			if c.Name == "spotify_session" {
				ids = append(ids, c.Value)
			}
		}
	}
	if len(ids) != 2 || ids[0] != ids[1] || ids[0] != b.SessionCookie() {
		t.Errorf("sessions %q", ids)
	}
	if n := s.Sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d token requests", n)
	}
	if n := len(s.StoredSessions()); n != 1 {
		t.Errorf("%d sessions are stored", n)
	}

	// So it is with an access key, of which there is one, and with a failure.
	keys := twice(s, b, b.AskForKey("", proxytest.KeyForm("twice")))
	if a, z := proxytest.ShownKey.FindString(keys[0].Text), proxytest.ShownKey.FindString(keys[1].Text); a == "" || a != z || len(b.Keys()) != 1 {
		t.Errorf("keys %q and %q, %d in all", a, z, len(b.Keys()))
	}
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
	for _, a := range twice(s, b, strings.Replace(callback, "code=", "code=x", 1)) {
		if a.StatusCode != http.StatusBadGateway || a.Header.Get("Spotify-Proxy-Reason") != "login_failed" {
			t.Errorf("a failure: %d %s", a.StatusCode, a.Text)
		}
	}

	// Who does not have the cookie waits for nothing and gets nothing.
	callback = spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	done := make(chan proxytest.Response)
	go func() { done <- b.ComeBack(callback) }()
	<-held.Entered()
	if a := s.NewBrowser().ComeBack(callback); a.StatusCode != http.StatusBadRequest || len(a.Cookies()) > 0 {
		t.Errorf("another browser: %d, cookies %v", a.StatusCode, a.Cookies())
	}
	held.Clear()
	b.WantStatus(<-done, http.StatusSeeOther)
}

// L23: codes are exchanged by so many at once, and so many wait for that; the rest is
// told when to come again, and has lost nothing. Clients that hang up leave nothing
// behind but what is bounded.
func TestExchangesAreBounded(t *testing.T) {
	fakeclock.New(time.Now()).Install(t) // nobody gets tired of waiting
	s := proxytest.Start(t, proxytest.Options{
		Level: "ERROR", Global: "order spotifytest_hangups first", Site: "spotifytest_hangups\nrespond home",
	})
	const running, waiting, all = 64, 256, 600
	gone := make(chan struct{}, all)
	name := strings.TrimPrefix(s.Origin, "http://")
	hungUp.Store(name, gone)
	t.Cleanup(func() { hungUp.Delete(name) })
	b := s.NewBrowser()
	b.Client.Jar = nil
	type callback struct{ target, cookie string }
	var callbacks []callback
	for range all {
		a := b.Navigate("/spotify/login")
		to, err := a.Location()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range a.Cookies() {
			if c.MaxAge > 0 && strings.HasPrefix(c.Name, "spotify_login_") {
				callbacks = append(callbacks, callback{
					s.Origin + "/spotify/callback?code=made-up&state=" + url.QueryEscape(to.Query().Get("state")), c.Name + "=" + c.Value,
				})
			}
		}
	}
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	ctx, hangUp := context.WithCancel(t.Context())
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: b.Client.CheckRedirect}
	type result struct {
		callback
		*http.Response
	}
	results := make(chan result, all)
	for _, c := range callbacks {
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.target, nil)
			if err != nil {
				t.Error(err)
			} else {
				req.Header.Set("Cookie", c.cookie)
			}
			res, err := client.Do(req)
			if err == nil {
				err = res.Body.Close()
			}
			if err != nil {
				res = nil
			}
			results <- result{c, res}
		}()
	}
	for range running {
		<-held.Entered()
	}
	var refused result
	for range all - running - waiting {
		refused = <-results
		if refused.Response == nil || refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") == "" || len(refused.Cookies()) > 0 {
			t.Fatalf("refused with %+v", refused.Response)
		}
	}
	hangUp()
	for range running + waiting {
		if r := <-results; r.Response != nil {
			t.Errorf("one more response: %d", r.StatusCode)
		}
	}
	for range running + waiting {
		<-gone
	}
	if n := s.Sim.TokenRequests("authorization_code"); n > running {
		t.Errorf("%d codes were sent", n)
	}
	held.Clear()
	// Those who waited are gone, and one that was refused may come again.
	a := b.Navigate(refused.target, proxytest.Header("Cookie", refused.cookie))
	if a.StatusCode != http.StatusBadGateway {
		t.Errorf("once more: %d %s", a.StatusCode, a.Text)
	}
	b.Client.Jar = b.Jar
	b.Login("")
	if n := s.Sim.TokenRequests("authorization_code"); n > running+2 {
		t.Errorf("%d codes were sent", n)
	}
}
