package attack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P41, L06: names that a request gives the server change nothing about where a
// login or a call goes.
func TestAttackHost(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for name, host := range map[string]string{
		"two hosts":          "Host: $HOST\nHost: evil.example",
		"two hosts, swapped": "Host: evil.example\nHost: $HOST",
		"two equal hosts":    "Host: $HOST\nHost: $HOST",
		"a list":             "Host: $HOST, evil.example",
		"another":            "Host: evil.example",
		"the API":            "Host: api.spotify.com",
		"none":               "X: y",
		"empty":              "Host:",
		"a user":             "Host: evil@$HOST",
		"a path":             "Host: $HOST/../evil",
		"a folded line":      "Host: $HOST\n evil.example",
		"with a NUL":         "Host: $HOST\x00.evil.example",
		"X-Forwarded-Host":   "Host: $HOST\nX-Forwarded-Host: evil.example\nX-Host: evil.example\nX-Forwarded-Server: evil.example",
		"Forwarded":          "Host: $HOST\nForwarded: host=evil.example;proto=https;for=\"[::1]\"",
		"X-Original-URL":     "Host: $HOST\nX-Original-URL: /api/token\nX-Rewrite-URL: /api/token",
		"X-Forwarded-Prefix": "Host: $HOST\nX-Forwarded-Prefix: /evil\nX-Forwarded-Path: /evil\nX-Forwarded-Uri: /evil",
		"a port":             "Host: 127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/spotify/login?return_to=/app", "/spotify/v1/me", "/spotify/logout", "/spotify/session"} {
				a := one(b, attack(b, "GET "+target+" HTTP/1.1\n"+host+"\nCookie: $COOKIE\nSec-Fetch-Site: same-origin\nConnection: close\n\n"))
				if strings.Contains(a.Text, "evil") || strings.Contains(fmt.Sprint(a.Header), "evil") {
					t.Errorf("%s: %v %s", target, a.Header, a.Text)
				}
			}
			for _, r := range b.Sim.Requests() {
				if "http://"+r.Host != b.Sim.APIURL || r.Path != "/v1/me" || strings.Contains(fmt.Sprint(r.Header), "evil") {
					t.Errorf("Spotify got %s%s with %v", r.Host, r.Path, r.Header)
				}
			}
			b.Sim.ForgetRequests()
		})
	}
}

// P43: of what a client says about itself and others, in any spelling, Spotify
// gets nothing.
func TestAttackHeaders(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	var h strings.Builder
	for _, name := range []string{
		"Authorization", "AUTHORIZATION", "Authorization_", "Proxy-Authorization", "X-Authorization", "X_Authorization",
		"X-Forwarded-For", "X_Forwarded_For", "x-forwarded_for", "X.Forwarded.For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-User",
		"X-Forwarded-Access-Token", "X-Forwarded-Email", "Forwarded", "X-Real-IP", "X_Real_IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP",
		"Via", "X-Cluster-Client-IP", "Client-IP", "X-Original-Forwarded-For", "Cookie2", "X-Cookie", "Referer", "Origin-Agent", "Spotify-Proxy-Reason",
		"Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-CSRF-Token", "Sec-GPC", "DNT", "Traceparent", "Baggage", "X-Request-Id", "Early-Data",
		"Proxy", "TE", "Keep-Alive", "Proxy-Connection", "Priority", "Dpop", "Signature", "X-Spotify-Auth",
	} {
		fmt.Fprintf(&h, "%s: of-the-client\n%s: of-the-client\n", name, name)
	}
	request := "GET /spotify/v1/me HTTP/1.1\n" + same + h.String() + "Cookie: theme=of-the-client\nCookie: sid=of-the-client\nConnection: close, Authorization, Accept, X-Forwarded-For, Cookie\n\n"
	a := one(b, attack(b, request))
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Text)
	}
	all := b.Sim.Requests()
	if len(all) != 1 {
		t.Fatalf("%d requests", len(all))
	}
	for name, values := range all[0].Header {
		switch name {
		case "Authorization", "Accept-Encoding", "User-Agent", "Accept":
		default:
			t.Errorf("Spotify got %s: %q", name, values)
		}
		if strings.Contains(fmt.Sprint(values), "of-the-client") {
			t.Errorf("Spotify got %s: %q", name, values)
		}
	}
	if v := b.Sim.Violations(); len(v) != 0 {
		t.Errorf("violations: %q", v[0].Violations)
	}
}

// P43, P44: whatever the hop-by-hop headers name, a token goes out once and the
// checks still see what they have to.
func TestAttackConnectionHeader(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for _, tokens := range []string{"Authorization", "Cookie", "Sec-Fetch-Site", "Origin", "Host", "close, Sec-Fetch-Site, Cookie, Authorization"} {
		a := one(b, attack(b, "GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nCookie: $COOKIE\nSec-Fetch-Site: cross-site\nOrigin: https://evil.example\nConnection: close, "+tokens+"\n\n"))
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("cross-site with Connection: %s: %d", tokens, a.StatusCode)
		}
		wantNothingSent(b.Proxy, tokens)
		attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+"Authorization: Bearer stale\nConnection: close, "+tokens+"\n\n")
		for _, r := range b.Sim.Requests() {
			if auth := r.Header["Authorization"]; len(auth) != 1 || strings.Contains(auth[0], "stale") || len(r.Violations) != 0 {
				t.Errorf("Connection: %s: Authorization %d times, violations %v", tokens, len(auth), r.Violations)
			}
		}
		b.Sim.ForgetRequests()
	}
}

// P45, P46: no second, folded or oddly written header makes another site's
// request the site's own.
func TestAttackFetchMetadata(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for name, h := range map[string]string{
		"cross-site first":        "Sec-Fetch-Site: cross-site\nSec-Fetch-Site: same-origin",
		"a list":                  "Sec-Fetch-Site: cross-site, same-origin",
		"a list that begins well": "Sec-Fetch-Site: same-origin, cross-site",
		"another case":            "Sec-Fetch-Site: Same-Origin",
		"quoted":                  "Sec-Fetch-Site: \"same-origin\"",
		"a parameter":             "Sec-Fetch-Site: same-origin;x",
		"an underscore":           "Sec_Fetch_Site: same-origin\nOrigin: https://evil.example",
		"empty":                   "Sec-Fetch-Site:\nOrigin: https://evil.example",
		"a null origin":           "Origin: null",
		"a prefix of the origin":  "Origin: http://127.0.0.1",
		"the origin and more":     "Origin: http://$HOST.evil.example",
		"the origin as user":      "Origin: http://$HOST@evil.example",
		"the origin with a path":  "Origin: http://$HOST/",
		"the origin over https":   "Origin: https://$HOST",
		"two origins":             "Origin: https://evil.example\nOrigin: http://$HOST",
		"origins in one":          "Origin: http://$HOST https://evil.example",
		"another port":            "Origin: http://127.0.0.1:1",
		"the host alone":          "Origin: $HOST",
		"same-site":               "Sec-Fetch-Site: same-site\nOrigin: http://127.0.0.1:1",
		"same-site, no origin":    "Sec-Fetch-Site: same-site",
		"none, but no navigation": "Sec-Fetch-Site: none\nSec-Fetch-Mode: no-cors",
		"speculation rules":       "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nSec-Purpose: prefetch;prerender",
		"a frame":                 "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe",
	} {
		t.Run(name, func(t *testing.T) {
			for _, line := range []string{"GET /spotify/v1/me", "GET /spotify/session", "PUT /spotify/v1/me/player/pause", "POST /spotify/logout"} {
				a := one(b, attack(b, line+" HTTP/1.1\nHost: $HOST\nCookie: $COOKIE\n"+h+"\nContent-Length: 0\nConnection: close\n\n"))
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
					t.Errorf("%s: %d %s", line, a.StatusCode, a.Text)
				}
			}
			wantNothingSent(b.Proxy, name)
		})
	}
	if !b.Session().Authenticated {
		t.Error("one of them logged the user out")
	}
}

// O55: headers that never end are refused before they fill the memory, and big
// ones cost nobody else anything.
func TestAttackOversizedHeaders(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for name, h := range map[string]string{
		"a cookie":         "Cookie: spotify_session=" + strings.Repeat("A", 2<<20),
		"many cookies":     "Cookie: " + strings.Repeat("spotify_session=AAAA; ", 100_000),
		"many headers":     strings.Repeat("X-A: "+strings.Repeat("b", 100)+"\n", 20_000) + "X: y",
		"a query":          "X: y",
		"many login names": "Cookie: " + strings.Repeat("spotify_login_A=b; ", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			target := "/spotify/v1/me"
			if name == "a query" {
				target = "/spotify/callback?state=" + strings.Repeat("A", 2<<20)
			}
			a := one(b, attack(b, "GET "+target+" HTTP/1.1\nHost: $HOST\nSec-Fetch-Site: same-origin\n"+h+"\nConnection: close\n\n"))
			if a.StatusCode != 0 && a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%d", a.StatusCode)
			}
			wantNothingSent(b.Proxy, name)
		})
	}
	// Below the server's limit they are just as useless.
	for name, h := range map[string]string{
		"a cookie":         "Cookie: spotify_session=" + strings.Repeat("A", 12<<10),
		"many cookies":     "Cookie: " + strings.Repeat("spotify_session=AAAA; ", 500),
		"many login names": "Cookie: " + strings.Repeat("spotify_login_A=b; ", 600),
	} {
		t.Run(name+", below the limit", func(t *testing.T) {
			for target, want := range map[string]int{"/spotify/v1/me": 401, "/spotify/session": 200, "/spotify/login": 302} {
				a := one(b, attack(b, "GET "+target+" HTTP/1.1\nHost: $HOST\nSec-Fetch-Site: same-origin\n"+h+"\nConnection: close\n\n"))
				if a.StatusCode != want || len(a.Header["Set-Cookie"]) > 100 {
					t.Errorf("%s: %d, %d cookies set", target, a.StatusCode, len(a.Header["Set-Cookie"]))
				}
			}
			wantNothingSent(b.Proxy, name)
		})
	}
}

// P43: a NUL or another control character in a header gets the request refused.
func TestAttackControlCharacters(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for name, h := range map[string]string{
		"a NUL in a value":       "Accept: a\x00b",
		"a NUL in a name":        "Acc\x00ept: b",
		"a carriage return":      "Accept: a\rX-Evil: b",
		"a space in a name":      "Ac cept: b",
		"no colon":               "Accept",
		"a NUL in the cookie":    "Cookie: spotify_session=\x00",
		"a line feed on its own": "Accept: a\x0bb",
		"no name":                ": b",
	} {
		t.Run(name, func(t *testing.T) {
			a := one(b, attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+h+"\nConnection: close\n\n"))
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%d %s", a.StatusCode, a.Text)
			}
			wantNothingSent(b.Proxy, name)
		})
	}
}

// S17, P43: a request over plain http does not pass for https by what it says
// about itself, in whatever spelling, also if it comes through a trusted proxy.
func TestAttackForwardedProto(t *testing.T) {
	b := proxytest.Start(t, proxytest.Options{HTTPS: true, Global: "servers {\ntrusted_proxies static 127.0.0.1/32\n}"}).NewBrowser()
	for name, h := range map[string]string{
		"nothing":            "X: y",
		"an underscore":      "X_Forwarded_Proto: https",
		"mixed":              "X-Forwarded_Proto: https",
		"a dot":              "X.Forwarded.Proto: https",
		"http":               "X-Forwarded-Proto: http",
		"two, the first its": "X-Forwarded-Proto: https\nX-Forwarded-Proto: http",
		"two, the last its":  "X-Forwarded-Proto: http\nX-Forwarded-Proto: https",
		"a list":             "X-Forwarded-Proto: https, http",
		"quoted":             "X-Forwarded-Proto: \"https\"",
		"empty":              "X-Forwarded-Proto:",
		"more letters":       "X-Forwarded-Proto: httpsx",
		"another header":     "X-Forwarded-Ssl: on\nFront-End-Https: on\nX-Forwarded-Scheme: https\nX-Url-Scheme: https\nX-Forwarded-Port: 443",
		"the standard one":   "Forwarded: proto=https;host=app.example.com",
		"an absolute target": "Upgrade-Insecure-Requests: 1",
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/spotify/login", "/spotify/session", "/spotify/v1/me", "https://app.example.com/spotify/login"} {
				a := one(b, attack(b, "GET "+target+" HTTP/1.1\nHost: app.example.com\n"+h+"\nSec-Fetch-Site: same-origin\nConnection: close\n\n"))
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Spotify-Proxy-Reason") != "https_required" || len(a.Header["Set-Cookie"]) != 0 {
					t.Errorf("%s: %d %v", target, a.StatusCode, a.Header)
				}
			}
		})
	}
	a := one(b, attack(b, "GET /spotify/login HTTP/1.1\nHost: app.example.com\nX-Forwarded-Proto: HTTPS\nConnection: close\n\n"))
	if a.StatusCode != http.StatusFound {
		t.Errorf("the proxy's own word: %d", a.StatusCode)
	}
}
