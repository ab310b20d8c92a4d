package attack_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// corsHeaders are the headers of an answer that CORS knows.
func corsHeaders(a proxytest.Response) http.Header {
	h := make(http.Header)
	for name, values := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			h[name] = values
		}
	}
	return h
}

const ownFrontEnd = "http://127.0.0.1:5173"

// P45, P46, P51: with allow_origin, the pages it names may use the API, and
// those it does not name still may not.
func TestAllowedOrigins(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "allow_origin " + ownFrontEnd + " http://127.0.0.1:80"})
	b := s.NewBrowser()
	b.Login("")
	from := func(origin, site string) []proxytest.Edit {
		return []proxytest.Edit{proxytest.Header("Origin", origin), proxytest.Header("Sec-Fetch-Site", site), proxytest.Header("Sec-Fetch-Mode", "cors")}
	}
	for _, c := range []struct {
		name, origin string
		edits        []proxytest.Edit
		ok           bool
	}{
		{"allowed", ownFrontEnd, from(ownFrontEnd, "same-site"), true},
		{"allowed, by a browser without Fetch Metadata", ownFrontEnd, from(ownFrontEnd, ""), true},
		{"allowed, with the default port left out", "http://127.0.0.1", from("http://127.0.0.1", "same-site"), true},
		{"unknown", "", from("http://127.0.0.1:1", "same-site"), false},
		{"unknown and cross-site", "", from("https://evil.example", "cross-site"), false},
		{"a suffix", "", from(ownFrontEnd+".evil.example", "cross-site"), false},
		{"a prefix", "", from(ownFrontEnd[:len(ownFrontEnd)-1], "same-site"), false},
		{"over https", "", from("https://127.0.0.1:5173", "cross-site"), false},
		{"in other case", "", from("HTTP://127.0.0.1:5173", "same-site"), false},
		{"null", "", from("null", "cross-site"), false},
		{"two origins", "", append(from(ownFrontEnd, "same-site"), func(r *http.Request) { r.Header.Add("Origin", "https://evil.example") }), false},
		{"none, as of a link or a picture", "", from("", "same-site"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, call := range []struct {
				method, target string
				want           int
			}{
				{"GET", "/spotify/v1/me", 200},
				{"GET", "/spotify/session", 200},
				{"PUT", "/spotify/v1/me/player/volume?volume_percent=30", 204},
			} {
				want := call.want
				if !c.ok {
					want = http.StatusForbidden
				}
				a := b.WantStatus(b.Do(call.method, call.target, "", c.edits...), want)
				h := corsHeaders(a)
				if !slices.Contains(strings.Split(strings.Join(a.Header.Values("Vary"), ", "), ", "), "Origin") {
					t.Errorf("%s: Vary %q", call.target, a.Header.Values("Vary"))
				}
				if !c.ok {
					if len(h) != 0 || a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
						t.Errorf("%s: %v", call.target, a.Header)
					}
					continue
				}
				if len(h) != 3 || h.Get("Access-Control-Allow-Origin") != c.origin || h.Get("Access-Control-Allow-Credentials") != "true" ||
					!strings.Contains(h.Get("Access-Control-Expose-Headers"), "Spotify-Proxy-Reason") {
					t.Errorf("%s: %v", call.target, h)
				}
			}
		})
	}

	// An error can be read as well, to find out where to log in.
	stranger := s.NewBrowser()
	a := stranger.WantStatus(stranger.Do("GET", "/spotify/v1/me", "", from(ownFrontEnd, "same-site")...), http.StatusUnauthorized)
	if a.Header.Get("Access-Control-Allow-Origin") != ownFrontEnd || a.APIError(t).Reason != "login_required" {
		t.Errorf("%v %s", a.Header, a.Text)
	}
	b.WantStatus(b.Do("POST", "/spotify/logout", "", from("http://127.0.0.1:1", "same-site")...), http.StatusForbidden)
	b.WantStatus(b.Do("POST", "/spotify/logout", "", from(ownFrontEnd, "same-site")...), http.StatusNoContent)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
}

func TestPreflight(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "allow_origin " + ownFrontEnd})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ForgetRequests()
	ask := func(target, origin string, more ...proxytest.Edit) proxytest.Response {
		// Browsers send no cookie with the question.
		return s.NewBrowser().Do("OPTIONS", target, "", append([]proxytest.Edit{
			proxytest.Header("Origin", origin), proxytest.Header("Access-Control-Request-Method", "PUT"), proxytest.Header("Access-Control-Request-Headers", "content-type,x-evil"),
			proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Sec-Fetch-Mode", "cors"),
		}, more...)...)
	}
	for _, target := range []string{"/spotify/v1/me", "/spotify/session", "/spotify/logout"} {
		h := corsHeaders(b.WantStatus(ask(target, ownFrontEnd), http.StatusNoContent))
		if h.Get("Access-Control-Allow-Origin") != ownFrontEnd || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Max-Age") == "" ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Content-Type") {
			t.Errorf("%s: %v", target, h)
		}
		for name, values := range h {
			if strings.Contains(strings.Join(values, ","), "*") || strings.Contains(strings.ToLower(strings.Join(values, ",")), "evil") {
				t.Errorf("%s: %s: %q", target, name, values)
			}
		}
		for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1:1"} {
			if a := ask(target, origin); a.StatusCode < 400 || len(corsHeaders(a)) != 0 {
				t.Errorf("%s for %s: %d %v", target, origin, a.StatusCode, a.Header)
			}
		}
	}
	// The token, the login and the rest stay with the own origin.
	for _, target := range []string{"/spotify/token", "/spotify/login", "/spotify/callback", "/spotify/health", "/app"} {
		if a := ask(target, ownFrontEnd); len(corsHeaders(a)) != 0 {
			t.Errorf("%s: %v", target, a.Header)
		}
	}
	wantNothingSent(s, "a preflight")
}

// Without the option nothing is different, and the token never is.
func TestNoOriginIsAllowedByDefault(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	a := b.Do("OPTIONS", "/spotify/v1/me", "", proxytest.Header("Origin", ownFrontEnd), proxytest.Header("Access-Control-Request-Method", "GET"), proxytest.Header("Sec-Fetch-Site", "same-site"))
	if a.StatusCode < 400 || len(corsHeaders(a)) != 0 || strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Origin") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}

// The one endpoint that hands out a token is for the own origin alone.
func TestAllowedOriginsGetNoToken(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "expose_token\noptional_scopes streaming\nallow_origin " + ownFrontEnd})
	b := s.NewBrowser()
	a := b.ComeBack(proxytest.ApproveAt(t, b, b.BeginLogin("/spotify/login?scope=streaming")))
	b.WantStatus(a, http.StatusSeeOther)
	b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusOK)
	for _, site := range []string{"same-site", "cross-site", ""} {
		a := b.Do("POST", "/spotify/token", "", proxytest.Header("Origin", ownFrontEnd), proxytest.Header("Sec-Fetch-Site", site), proxytest.Header("Sec-Fetch-Mode", "cors"))
		if b.WantStatus(a, http.StatusForbidden); strings.Contains(a.Text, "access_token") || len(corsHeaders(a)) != 0 {
			t.Errorf("%q: %s", site, a.Text)
		}
	}
}
