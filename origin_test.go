package caddyspotify_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// P45, P46
func TestForeignPagesAreRefused(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	none := header("Sec-Fetch-Site", "")
	for name, c := range map[string]struct {
		edits []edit
		want  int
	}{
		"same origin":                      {nil, http.StatusOK},
		"cross site":                       {[]edit{header("Sec-Fetch-Site", "cross-site")}, http.StatusForbidden},
		"same site":                        {[]edit{header("Sec-Fetch-Site", "same-site")}, http.StatusForbidden},
		"nonsense":                         {[]edit{header("Sec-Fetch-Site", "same-origin, cross-site")}, http.StatusForbidden},
		"typed":                            {[]edit{header("Sec-Fetch-Site", "none"), header("Sec-Fetch-Mode", "navigate")}, http.StatusOK},
		"none, not typed":                  {[]edit{header("Sec-Fetch-Site", "none")}, http.StatusForbidden},
		"cross-site link":                  {[]edit{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate")}, http.StatusForbidden},
		"no metadata, no origin":           {[]edit{none}, http.StatusOK},
		"no metadata, own origin":          {[]edit{none, header("Origin", s.origin)}, http.StatusOK},
		"no metadata, other origin":        {[]edit{none, header("Origin", "https://evil.example")}, http.StatusForbidden},
		"no metadata, null origin":         {[]edit{none, header("Origin", "null")}, http.StatusForbidden},
		"no metadata, same host elsewhere": {[]edit{none, header("Origin", "http://127.0.0.1:1")}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/spotify/v1/me", "/spotify/session"} {
				a := b.wantStatus(b.fetch("GET", target, "", c.edits...), c.want)
				if c.want == http.StatusForbidden && a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
					t.Errorf("%s: %s", target, a.body)
				}
			}
			if strings.Contains(name, "typed") {
				return // nobody types a PUT
			}
			want := c.want
			if want == http.StatusOK {
				want = http.StatusNoContent
			}
			before := len(s.sim.RequestsTo("/v1/me/player/volume"))
			b.wantStatus(b.fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=30", "", c.edits...), want)
			if got := len(s.sim.RequestsTo("/v1/me/player/volume")) - before; (got == 1) != (want == http.StatusNoContent) {
				t.Errorf("%d requests reached Spotify", got)
			}
		})
	}
}

// P45: another site's page gets the same answer whether the visitor is logged in
// or not, and so cannot find out.
func TestForeignPagesDoNotLearnOfTheSession(t *testing.T) {
	s := start(t, startOptions{})
	visitor, stranger := s.newBrowser(), s.newBrowser()
	visitor.login("")
	for name, edits := range map[string][]edit{
		"a link":             {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Accept", "text/html")},
		"a sibling's link":   {header("Sec-Fetch-Site", "same-site"), header("Sec-Fetch-Mode", "navigate"), header("Accept", "text/html")},
		"a frame":            {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "iframe")},
		"a fetch":            {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "cors"), header("Origin", "https://evil.example")},
		"a picture":          {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "no-cors"), header("Sec-Fetch-Dest", "image")},
		"an older browser's": {header("Sec-Fetch-Site", ""), header("Sec-Fetch-Mode", ""), header("Origin", "https://evil.example")},
	} {
		for _, target := range []string{"/spotify/v1/me", "/spotify/session", "/spotify/v1/nothing"} {
			seen := visitor.wantStatus(visitor.fetch("GET", target, "", edits...), http.StatusForbidden)
			guessed := stranger.wantStatus(stranger.fetch("GET", target, "", edits...), http.StatusForbidden)
			for _, a := range []answer{seen, guessed} {
				a.Header.Del("Date")
			}
			if seen.body != guessed.body || !reflect.DeepEqual(seen.Header, guessed.Header) {
				t.Errorf("%s of %s: %v %s, and to a stranger %v %s", name, target, seen.Header, seen.body, guessed.Header, guessed.body)
			}
		}
	}
}

// P48, P50
func TestWhoIsSentToLogIn(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*"})
	b := s.newBrowser()
	for name, c := range map[string]struct {
		method, target string
		edits          []edit
		redirected     bool
	}{
		"navigation to a page":     {"GET", "/app", []edit{header("Sec-Fetch-Mode", "navigate")}, true},
		"navigation to the API":    {"GET", "/spotify/v1/me", []edit{header("Sec-Fetch-Mode", "navigate")}, true},
		"old browser":              {"GET", "/app", []edit{header("Sec-Fetch-Mode", ""), header("Accept", "text/html,*/*")}, true},
		"fetch":                    {"GET", "/spotify/v1/me", []edit{header("Sec-Fetch-Mode", "cors")}, false},
		"fetch of a page":          {"GET", "/app", []edit{header("Sec-Fetch-Mode", "cors"), header("Accept", "text/html")}, false},
		"curl":                     {"GET", "/spotify/v1/me", []edit{header("Sec-Fetch-Mode", ""), header("Accept", "*/*")}, false},
		"post by fetch":            {"POST", "/spotify/v1/me/playlists", []edit{header("Sec-Fetch-Mode", "cors")}, false},
		"post by form":             {"POST", "/spotify/v1/me/playlists", []edit{header("Sec-Fetch-Mode", "navigate"), header("Accept", "text/html")}, false},
		"put by an old browser":    {"PUT", "/spotify/v1/me/player/play", []edit{header("Sec-Fetch-Mode", ""), header("Accept", "text/html")}, false},
		"public page by a visitor": {"GET", "/", []edit{header("Sec-Fetch-Mode", "navigate")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.do(c.method, c.target, "", append([]edit{header("Sec-Fetch-Site", "same-origin")}, c.edits...)...)
			switch {
			case c.target == "/":
				b.wantStatus(a, http.StatusOK)
			case c.redirected:
				if loc := b.wantStatus(a, http.StatusFound).Header.Get("Location"); !strings.HasPrefix(loc, s.sim.AuthorizeURL+"?") {
					t.Errorf("sent to %q", loc)
				}
			default:
				e := b.wantStatus(a, http.StatusUnauthorized).apiError(t)
				if e.Reason != "login_required" || e.LoginURL != "/spotify/login" || e.Status != 401 {
					t.Errorf("error: %+v", e)
				}
				if len(a.Cookies()) != 0 || a.Header.Get("Location") != "" {
					t.Errorf("headers: %v", a.Header)
				}
			}
		})
	}
	if n := len(s.sim.RequestsTo("/v1/")); n != 0 {
		t.Errorf("%d requests reached Spotify without a session", n)
	}
}

// After a login the browser returns to the page it wanted, and to an address of
// the Web API through a page, because a redirect from Spotify's would be
// refused as cross-site.
func TestBackToThePageItWanted(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*"})
	b := s.newBrowser()
	loc := b.beginLogin("/app/deep?x=1")
	a := b.comeBack(approveAt(t, b, loc))
	if got := b.wantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != "/app/deep?x=1" {
		t.Errorf("back to %q", got)
	}
	a = b.wantStatus(b.navigate("/app/deep?x=1"), http.StatusOK)
	if a.body != "the app" || !strings.Contains(a.Header.Get("Cache-Control"), "private") || a.Header.Get("Vary") != "Cookie" {
		t.Errorf("page: %q %v", a.body, a.Header)
	}
	b = s.newBrowser()
	a = b.comeBack(approveAt(t, b, b.beginLogin("/spotify/v1/me")))
	if b.wantStatus(a, http.StatusOK); !strings.Contains(a.body, `url=/spotify/v1/me"`) {
		t.Errorf("page: %s", a.body)
	}
}

// P52
func TestWordsFromOutsideAreEscaped(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	state := b.beginLogin("/spotify/login").Query().Get("state")
	a := b.comeBack("/spotify/callback?state=" + state + "&error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%3Cimg%20src=x%3E")
	if strings.Contains(a.body, "<script") || strings.Contains(a.body, "<img") {
		t.Errorf("page: %s", a.body)
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %q", csp)
	}
}

// P49, P51
func TestAnswersArePrivate(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	a := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if cc := a.Header.Get("Cache-Control"); !strings.Contains(cc, "private") && !strings.Contains(cc, "no-store") {
		t.Errorf("Cache-Control: %q", cc)
	}
	if !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Cookie") {
		t.Errorf("Vary: %v", a.Header.Values("Vary"))
	}
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
			t.Errorf("%s came through", name)
		}
	}
}

// P43
func TestNothingOfTheVisitorReachesSpotify(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	s.sim.ForgetRequests()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", "",
		header("Authorization", "Bearer stale"), header("X-Forwarded-For", "10.1.2.3"), header("X_Forwarded_For", "10.1.2.3"),
		header("Forwarded", "for=10.1.2.3"), header("X-Real-Ip", "10.1.2.3"), header("Referer", s.origin+"/app"),
		func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "other", Value: "private"}) }), http.StatusOK)
	calls := s.sim.RequestsTo("/v1/me")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	for name, values := range calls[0].Header {
		for _, v := range values {
			if strings.Contains(v, "10.1.2.3") || strings.Contains(v, "private") || strings.Contains(v, "stale") || strings.Contains(v, s.origin) {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
	if v := s.sim.Violations(); len(v) != 0 {
		t.Errorf("violations: %+v", v)
	}
}

// A single-page app's try_files does not swallow the endpoints, and its pages
// are guarded and returned to under the paths that the browser knows.
func TestSinglePageApp(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*", site: "rewrite * /index.html\nrespond /index.html \"the app\""})
	b := s.newBrowser()
	if e := b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized).apiError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	a := b.comeBack(approveAt(t, b, b.beginLogin("/app/deep?x=1")))
	if got := b.wantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != "/app/deep?x=1" {
		t.Errorf("back to %q", got)
	}
	if a := b.wantStatus(b.navigate("/app/deep?x=1"), http.StatusOK); a.body != "the app" {
		t.Errorf("page: %s", a.body)
	}
	a = b.wantStatus(b.fetch("GET", "/spotify/v1/me/playlists?limit=1", ""), http.StatusOK)
	if !strings.Contains(a.body, `"limit": 1`) && !strings.Contains(a.body, `"limit":1`) {
		t.Errorf("the query was lost: %.200s", a.body)
	}
	if !b.session().Authenticated {
		t.Error("not logged in")
	}
}
