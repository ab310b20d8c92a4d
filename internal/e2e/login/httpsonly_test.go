package login_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const trustLoopback = "servers {\ntrusted_proxies static 127.0.0.1/32\n}"

var overHTTPS = proxytest.Header("X-Forwarded-Proto", "https")

// S17: what a peer says of https that nobody trusts counts for nothing.
func TestUntrustedPeerClaimsHTTPS(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{HTTPS: true})
	b := s.NewBrowser()
	for _, target := range []string{
		"/spotify/v1/me", "/spotify/session", "/spotify/login", "/spotify/callback?state=" + strings.Repeat("a", 43) + "&code=a",
	} {
		for _, claim := range []proxytest.Edit{overHTTPS, proxytest.Header("Forwarded", "proto=https"), proxytest.Header("X-Forwarded-Ssl", "on")} {
			a := b.Fetch("GET", target, "", claim, proxytest.Header("Cookie", "__Host-spotify_session="+strings.Repeat("a", 43)))
			if e := b.WantStatus(a, http.StatusForbidden).APIError(t); e.Reason != "https_required" || len(a.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %+v, cookies %q", target, e, a.Header["Set-Cookie"])
			}
		}
	}
}

// S17: a callback over plain http finishes no login, sets no cookie and sends no
// code on, and the login can be finished over https still.
func TestCallbackOverPlainHTTP(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Global: trustLoopback, HTTPS: true})
	b := s.NewBrowser()
	b.Client.Jar = nil // the test speaks http, where the cookies would not be sent
	a := b.WantStatus(b.Navigate("/spotify/login", overHTTPS), http.StatusFound)
	loc, err := a.Location()
	if err != nil {
		t.Fatal(err)
	}
	var pending []string
	for _, c := range a.Cookies() {
		if c.MaxAge > 0 {
			pending = append(pending, c.Name+"="+c.Value)
		}
	}
	_, query, _ := strings.Cut(spotifytest.Approve(t, s.NewBrowser().Client, loc.String(), ""), "?")
	comeBack := func(edits ...proxytest.Edit) proxytest.Response {
		return b.Navigate("/spotify/callback?"+query, append(edits,
			proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Cookie", strings.Join(pending, "; ")))...)
	}
	a = b.WantStatus(comeBack(), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Reason") != "https_required" || len(a.Header["Set-Cookie"]) > 0 {
		t.Errorf("reason %q, cookies %q", a.Header.Get("Spotify-Proxy-Reason"), a.Header["Set-Cookie"])
	}
	if n := len(s.Sim.RequestsTo("/api/token")); n > 0 {
		t.Errorf("the code was exchanged")
	}
	a = b.WantStatus(comeBack(overHTTPS), http.StatusSeeOther)
	if !slices.ContainsFunc(a.Cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-spotify_session" }) {
		t.Errorf("cookies %q", a.Header["Set-Cookie"])
	}
}

// S17: with same_site strict the session's cookie is strict. Those that have to come
// back from Spotify with the browser are not.
func TestStrictSessionCookie(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "session {\nsame_site strict\n}"})
	b := s.NewBrowser()
	want := map[string]http.SameSite{"spotify_session": http.SameSiteStrictMode, "spotify_login_done": http.SameSiteLaxMode}
	a := b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", ""))
	b.WantStatus(a, http.StatusOK)
	for _, c := range a.Cookies() {
		if mode, ok := want[c.Name]; ok && c.SameSite != mode {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		t.Errorf("there is no cookie %v", want)
	}
	a = b.WantStatus(b.Navigate("/spotify/login"), http.StatusFound)
	for _, c := range a.Cookies() {
		if c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
	}
}

func init() {
	caddy.RegisterModule(hangUpWatcher{})
	httpcaddyfile.RegisterHandlerDirective("spotifytest_hangups", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return hangUpWatcher{}, nil
	})
}

// hangUpWatcher tells of requests for the callback, and of those whose client hung up.
type hangUpWatcher struct{}

// Of chan struct{}, by the host that was asked. One of hangUps is closed, and the others
// get a value for each request.
var arrivals, hangUps, hungUp sync.Map

func (hangUpWatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotifytest_hangups",
		New: func() caddy.Module { return new(hangUpWatcher) },
	}
}

func (hangUpWatcher) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if ch, ok := arrivals.Load(r.Host); ok && strings.HasSuffix(r.URL.Path, "/callback") {
		ch.(chan struct{}) <- struct{}{}
	}
	if ch, ok := hungUp.Load(r.Host); ok && strings.HasSuffix(r.URL.Path, "/callback") {
		defer onHangUp(r, func() { ch.(chan struct{}) <- struct{}{} })()
	}
	if ch, ok := hangUps.Load(r.Host); ok && strings.HasSuffix(r.URL.Path, "/callback") {
		defer onHangUp(r, func() { close(ch.(chan struct{})) })()
	}
	return next.ServeHTTP(w, r)
}

// onHangUp calls tell once the client has hung up, unless the handler has returned
// before that. Whoever sees the end of the context first may also be the first to
// return, and stop what was to be called then.
func onHangUp(r *http.Request, tell func()) (returned func()) {
	stop := context.AfterFunc(r.Context(), tell)
	return func() {
		if stop() && r.Context().Err() != nil {
			tell()
		}
	}
}

// R32: the exchange of a code that the browser does not wait for goes on. The code
// is used up, so the session would be lost for nothing.
func TestBrowserHangsUpDuringTheExchange(t *testing.T) {
	options, events := proxytest.RecordEvents(t, t.Name())
	s := proxytest.Start(t, proxytest.Options{
		Global: options + "\norder spotifytest_hangups first", Site: "spotifytest_hangups\nrespond home",
	})
	hungUp := make(chan struct{})
	host := strings.TrimPrefix(s.Origin, "http://")
	hangUps.Store(host, hungUp)
	t.Cleanup(func() { hangUps.Delete(host) })

	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "mira")
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, callback, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	asked := make(chan error, 1)
	go func() {
		res, err := b.Client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		asked <- err
	}()
	<-held.Entered()
	hangUp()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Fatalf("the browser's request: %v", err)
	}
	<-hungUp
	held.Release()
	if login := proxytest.NextEvent(t, events, "spotify.login", "scopes"); login["account"] == "" {
		t.Errorf("login: %v", login)
	}
	if n := len(s.StoredSessions()); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
}
