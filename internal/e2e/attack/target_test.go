package attack_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P41: of targets in every spelling, those that reach Spotify mean the same to
// everybody who reads them, and go where tokens may go.
func TestAttackRequestTargets(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	host := strings.TrimPrefix(b.Origin, "http://")
	authority := strings.TrimPrefix(b.Sim.APIURL, "http://")
	for _, target := range []string{
		// dots, in all encodings
		"/spotify/v1/../api/token", "/spotify/v1/..", "/spotify/v1/.", "/spotify/v1/me/..", "/spotify/v1/me/../../../etc/passwd",
		"/spotify/v1/%2e%2e/api/token", "/spotify/v1/.%2e/api/token", "/spotify/v1/%2E%2E/api/token", "/spotify/v1/..;/api/token",
		"/spotify/v1/..;a=b/api/token", "/spotify/v1/%2e%2e%3b/api/token", "/spotify/../spotify/v1/me", "/x/../spotify/v1/me",
		"/./spotify/v1/me", "/spotify/./v1/me",
		// slashes and what some take for them
		"//spotify/v1/me", "///spotify/v1/me", "/spotify//v1/me", "/spotify/v1//me", "/spotify/v1/me//player",
		"/spotify/v1/..%2fapi%2ftoken", "/spotify/v1/..%5capi%5ctoken", `/spotify/v1/..\api\token`, `/spotify\v1\me`, `\spotify\v1\me`,
		"/spotify/v1/me%2fplayer", "/spotify/v1/me%5Cplayer", "/spotify%2fv1%2fme", "/spotify/v1%2fme", "/spotify%5cv1%5cme",
		// control characters
		"/spotify/v1/me%00", "/spotify/v1/%00/../../api/token", "/spotify/v1/me%0d%0aHost:%20evil.example", "/spotify/v1/me%7f", "/spotify/v1/me%09",
		// another server
		"http://" + authority + "/v1/me", "http://evil.example/spotify/v1/../../x", "http:/spotify/v1/../me", "http:spotify/v1/me",
		"//" + authority + "/v1/me", "/spotify/@" + authority + "/v1/me", "/spotify/http://" + authority + "/v1/me",
		// another spelling of the prefix
		"/SPOTIFY/v1/me", "/spotify/V1/me", "/spotify.v1/me", "/spotify/v1", "/spotify/v2/me", "/spotify/v1;x/me", "/spotify/%76%32/me",
		"*", "spotify/v1/me", "?x=/spotify/v1/me", "/?/spotify/v1/me", "/spotify/session/v1/me", "/spotify/login/../v1/me",
	} {
		attack(b, "GET "+target+" HTTP/1.1\n"+same+"Connection: close\n\n")
		for _, r := range b.Sim.Requests() {
			t.Errorf("GET %s: Spotify got %s %s", target, r.Method, r.Path)
		}
		b.Sim.ForgetRequests()
	}

	// What is odd but means one thing alone arrives just as it was written.
	for target, want := range map[string]string{
		"/spotify/v1/me":                                  "/v1/me",
		"/spotify/v1/me?a=..%2f..&b=//x":                  "/v1/me?a=..%2f..&b=//x",
		"/spotify/v1/me?limit=1&limit=2&limit=":           "/v1/me?limit=1&limit=2&limit=",
		"/spotify/v1/me?a;b&%zz":                          "/v1/me?a;b&%zz",
		"/spotify/v1/users/%252e%252e/playlists":          "/v1/users/%252e%252e/playlists",
		"/spotify/v1/users/%252f":                         "/v1/users/%252f",
		"/spotify/v1/users/a%3Fb%23c":                     "/v1/users/a%3Fb%23c",
		"http://" + host + "/spotify/v1/me":               "/v1/me",
		"http://user:password@" + host + "/spotify/v1/me": "/v1/me",
		"/%73potify/v1/me":                                "/v1/me",
	} {
		attack(b, "GET "+target+" HTTP/1.1\n"+same+"Connection: close\n\n")
		all := b.Sim.Requests()
		b.Sim.ForgetRequests()
		if len(all) != 1 {
			t.Errorf("GET %s: %d requests", target, len(all))
			continue
		}
		got := all[0].Path
		if all[0].RawQuery != "" {
			got += "?" + all[0].RawQuery
		}
		if got != want || all[0].Host != authority || all[0].Method != http.MethodGet {
			t.Errorf("GET %s: Spotify got %s %s of %s, want %s", target, all[0].Method, got, all[0].Host, want)
		}
	}
}

// P41: no method makes Spotify answer with what it was sent, and none tunnels.
func TestAttackMethods(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for _, method := range []string{"TRACE", "TRACK", "CONNECT", "OPTIONS", "DEBUG", "PROPFIND", "PRI", "get", "GeT", "PURGE"} {
		for _, a := range attack(b, method+" /spotify/v1/me HTTP/1.1\n"+same+"Max-Forwards: 9\nConnection: close\n\n") {
			if a.StatusCode < 400 || strings.Contains(a.Text, "Bearer") {
				t.Errorf("%s: %d %s", method, a.StatusCode, a.Text)
			}
		}
		wantNothingSent(b.Proxy, method)
	}
	attack(b, "CONNECT "+strings.TrimPrefix(b.Sim.APIURL, "http://")+" HTTP/1.1\n"+same+"\nGET /v1/me HTTP/1.1\nHost: x\nConnection: close\n\n")
	wantNothingSent(b.Proxy, "a tunnel")
	for _, h := range []string{"X-HTTP-Method-Override: DELETE", "X-Method-Override: PUT", "X-HTTP-Method: TRACE"} {
		attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+h+"\nConnection: close\n\n")
		all := b.Sim.RequestsTo("/v1/me")
		if len(all) != 1 || all[0].Method != "GET" || all[0].Header.Get(strings.Split(h, ":")[0]) != "" {
			t.Errorf("%s: %+v", h, all)
		}
		b.Sim.ForgetRequests()
	}
}

// P48: a page that needs a login needs it under every name that Caddy's own
// matchers and file server take for it.
func TestAttackPagesBehindLogin(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{
		Auth: "require_login /app* /secret.html",
		Site: "respond /app* secret\nrespond /secret.html secret\nrespond home",
	})
	b := s.NewBrowser()
	for _, target := range []string{
		"/app", "/app/", "/app/page", "/APP/page", "/App/page", "//app/page", "///app/page", "/./app/page", "/x/../app/page", "/x/..//app/page",
		"/%61pp/page", "/%41PP/page", "/app%2fpage", "/%2e/app/page", "/x/%2e%2e/app/page", "/x%2f..%2fapp/page", "/%2fapp/page",
		"/secret.html", "/SECRET.html", "//secret.html", "/./secret.html", "/x/../secret.html", "/secret%2ehtml",
		"http://$HOST/app/page", "http://$HOST//app/page", "/app?x", "/app/?/../",
	} {
		a := one(b, attack(b, "GET "+target+" HTTP/1.1\nHost: $HOST\nConnection: close\n\n"))
		if strings.Contains(a.Text, "secret") || a.StatusCode == http.StatusOK && a.Text != "home" {
			t.Errorf("GET %s: %d %q without a login", target, a.StatusCode, a.Text)
		}
	}
	if a := one(b, attack(b, "GET /other HTTP/1.1\nHost: $HOST\nConnection: close\n\n")); a.Text != "home" {
		t.Errorf("a page for everybody: %d %q", a.StatusCode, a.Text)
	}
}

// L12: as the target of the request itself, which becomes the return path.
func TestAttackReturnPathOfPages(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /*"})
	for _, target := range []string{
		"//evil.example/app", "///evil.example", "/\\evil.example", "/%5cevil.example", "/%2fevil.example", "/.//evil.example",
		"/%2e%2e//evil.example", "/app/..//evil.example", "/%09/evil.example", "http://$HOST//evil.example", "/app%0d%0aLocation:%20//evil.example",
		"/app?x=%0d%0aSet-Cookie:%20spotify_session=evil",
	} {
		b := s.NewBrowser()
		res := one(b, attack(b, "GET "+target+" HTTP/1.1\nHost: $HOST\nSec-Fetch-Mode: navigate\nConnection: close\n\n"))
		if res.StatusCode == 0 || res.StatusCode == http.StatusBadRequest {
			continue
		}
		if res.StatusCode != http.StatusFound {
			t.Errorf("GET %s: %d %s", target, res.StatusCode, res.Text)
			continue
		}
		u, err := url.Parse(b.Origin)
		if err != nil {
			t.Fatal(err)
		}
		b.Jar.SetCookies(u, res.Cookies())
		to, err := url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a := b.ComeBack(proxytest.ApproveAt(t, b, to))
		back, err := u.Parse(b.WantStatus(a, http.StatusSeeOther).Header.Get("Location"))
		if err != nil || back.Host != u.Host || strings.HasPrefix(back.Path, "//") {
			t.Errorf("GET %s: went on to %v, %v", target, back, err)
		}
		if len(a.Header.Values("Set-Cookie")) != 3 {
			t.Errorf("GET %s: %q", target, a.Header.Values("Set-Cookie"))
		}
	}
}
