package attack_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P45, P46
func TestForeignPagesAreRefused(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	none := proxytest.Header("Sec-Fetch-Site", "")
	for name, c := range map[string]struct {
		edits []proxytest.Edit
		want  int
	}{
		"same origin":                      {nil, http.StatusOK},
		"cross site":                       {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "cross-site")}, http.StatusForbidden},
		"same site":                        {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "same-site")}, http.StatusForbidden},
		"nonsense":                         {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "same-origin, cross-site")}, http.StatusForbidden},
		"typed":                            {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "none"), proxytest.Header("Sec-Fetch-Mode", "navigate")}, http.StatusOK},
		"none, not typed":                  {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "none")}, http.StatusForbidden},
		"cross-site link":                  {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "navigate")}, http.StatusForbidden},
		"no metadata, no origin":           {[]proxytest.Edit{none}, http.StatusOK},
		"no metadata, own origin":          {[]proxytest.Edit{none, proxytest.Header("Origin", s.Origin)}, http.StatusOK},
		"no metadata, other origin":        {[]proxytest.Edit{none, proxytest.Header("Origin", "https://evil.example")}, http.StatusForbidden},
		"no metadata, null origin":         {[]proxytest.Edit{none, proxytest.Header("Origin", "null")}, http.StatusForbidden},
		"no metadata, same host elsewhere": {[]proxytest.Edit{none, proxytest.Header("Origin", "http://127.0.0.1:1")}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/spotify/v1/me", "/spotify/session"} {
				a := b.WantStatus(b.Fetch("GET", target, "", c.edits...), c.want)
				if c.want == http.StatusForbidden && a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
					t.Errorf("%s: %s", target, a.Text)
				}
			}
			if strings.Contains(name, "typed") {
				return // nobody types a PUT
			}
			want := c.want
			if want == http.StatusOK {
				want = http.StatusNoContent
			}
			before := len(s.Sim.RequestsTo("/v1/me/player/volume"))
			b.WantStatus(b.Fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=30", "", c.edits...), want)
			if got := len(s.Sim.RequestsTo("/v1/me/player/volume")) - before; (got == 1) != (want == http.StatusNoContent) {
				t.Errorf("%d requests reached Spotify", got)
			}
		})
	}
}

// P45: another site's page gets the same answer whether the visitor is logged in
// or not, and so cannot find out.
func TestForeignPagesDoNotLearnOfTheSession(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	visitor, stranger := s.NewBrowser(), s.NewBrowser()
	visitor.Login("")
	for name, edits := range map[string][]proxytest.Edit{
		"a link":             {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Accept", "text/html")},
		"a sibling's link":   {proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Accept", "text/html")},
		"a frame":            {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Sec-Fetch-Dest", "iframe")},
		"a fetch":            {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "cors"), proxytest.Header("Origin", "https://evil.example")},
		"a picture":          {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Sec-Fetch-Mode", "no-cors"), proxytest.Header("Sec-Fetch-Dest", "image")},
		"an older browser's": {proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Origin", "https://evil.example")},
	} {
		for _, target := range []string{"/spotify/v1/me", "/spotify/session", "/spotify/v1/nothing"} {
			seen := visitor.WantStatus(visitor.Fetch("GET", target, "", edits...), http.StatusForbidden)
			guessed := stranger.WantStatus(stranger.Fetch("GET", target, "", edits...), http.StatusForbidden)
			for _, a := range []*proxytest.Response{&seen, &guessed} {
				// Each request has an identifier of its own.
				a.Text = strings.ReplaceAll(a.Text, a.Header.Get("Spotify-Proxy-Request-Id"), "")
				a.Header.Del("Spotify-Proxy-Request-Id")
				a.Header.Del("Date")
			}
			if seen.Text != guessed.Text || !reflect.DeepEqual(seen.Header, guessed.Header) {
				t.Errorf("%s of %s: %v %s, and to a stranger %v %s", name, target, seen.Header, seen.Text, guessed.Header, guessed.Text)
			}
		}
	}
}

// P48, P50
func TestWhoIsSentToLogIn(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	for name, c := range map[string]struct {
		method, target string
		edits          []proxytest.Edit
		redirected     bool
	}{
		"navigation to a page":     {"GET", "/app", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "navigate")}, true},
		"navigation to the API":    {"GET", "/spotify/v1/me", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "navigate")}, true},
		"old browser":              {"GET", "/app", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Accept", "text/html,*/*")}, true},
		"fetch":                    {"GET", "/spotify/v1/me", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "cors")}, false},
		"fetch of a page":          {"GET", "/app", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "cors"), proxytest.Header("Accept", "text/html")}, false},
		"curl":                     {"GET", "/spotify/v1/me", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Accept", "*/*")}, false},
		"post by fetch":            {"POST", "/spotify/v1/me/playlists", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "cors")}, false},
		"post by form":             {"POST", "/spotify/v1/me/playlists", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Accept", "text/html")}, false},
		"put by an old browser":    {"PUT", "/spotify/v1/me/player/play", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Accept", "text/html")}, false},
		"public page by a visitor": {"GET", "/", []proxytest.Edit{proxytest.Header("Sec-Fetch-Mode", "navigate")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.Do(c.method, c.target, "", append([]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "same-origin")}, c.edits...)...)
			switch {
			case c.target == "/":
				b.WantStatus(a, http.StatusOK)
			case c.redirected:
				if loc := b.WantStatus(a, http.StatusFound).Header.Get("Location"); !strings.HasPrefix(loc, s.Sim.AuthorizeURL+"?") {
					t.Errorf("sent to %q", loc)
				}
			default:
				e := b.WantStatus(a, http.StatusUnauthorized).APIError(t)
				if e.Reason != "login_required" || e.LoginURL != "/spotify/login" || e.Status != 401 {
					t.Errorf("error: %+v", e)
				}
				if len(a.Cookies()) != 0 || a.Header.Get("Location") != "" {
					t.Errorf("headers: %v", a.Header)
				}
			}
		})
	}
	if n := len(s.Sim.RequestsTo("/v1/")); n != 0 {
		t.Errorf("%d requests reached Spotify without a session", n)
	}
}

// After a login the browser returns to the page it wanted, and to an address of
// the Web API through a page, because a redirect from Spotify's would be
// refused as cross-site.
func TestBackToThePageItWanted(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	loc := b.BeginLogin("/app/deep?x=1")
	a := b.ComeBack(proxytest.ApproveAt(t, b, loc))
	if got := b.WantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != "/app/deep?x=1" {
		t.Errorf("back to %q", got)
	}
	a = b.WantStatus(b.Navigate("/app/deep?x=1"), http.StatusOK)
	if a.Text != "the app" || !strings.Contains(a.Header.Get("Cache-Control"), "private") || a.Header.Get("Vary") != "Cookie" {
		t.Errorf("page: %q %v", a.Text, a.Header)
	}
	b = s.NewBrowser()
	a = b.ComeBack(proxytest.ApproveAt(t, b, b.BeginLogin("/spotify/v1/me")))
	if b.WantStatus(a, http.StatusOK); !strings.Contains(a.Text, `url=/spotify/v1/me"`) {
		t.Errorf("page: %s", a.Text)
	}
}

// P52
func TestWordsFromOutsideAreEscaped(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	state := b.BeginLogin("/spotify/login").Query().Get("state")
	a := b.ComeBack("/spotify/callback?state=" + state + "&error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%3Cimg%20src=x%3E")
	if strings.Contains(a.Text, "<script") || strings.Contains(a.Text, "<img") {
		t.Errorf("page: %s", a.Text)
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %q", csp)
	}
}

// P49, P51
func TestAnswersArePrivate(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
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
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ForgetRequests()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "",
		proxytest.Header("Authorization", "Bearer stale"), proxytest.Header("X-Forwarded-For", "10.1.2.3"), proxytest.Header("X_Forwarded_For", "10.1.2.3"),
		proxytest.Header("Forwarded", "for=10.1.2.3"), proxytest.Header("X-Real-Ip", "10.1.2.3"), proxytest.Header("Referer", s.Origin+"/app"),
		func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "other", Value: "private"}) }), http.StatusOK)
	calls := s.Sim.RequestsTo("/v1/me")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	for name, values := range calls[0].Header {
		for _, v := range values {
			if strings.Contains(v, "10.1.2.3") || strings.Contains(v, "private") || strings.Contains(v, "stale") || strings.Contains(v, s.Origin) {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
	if v := s.Sim.Violations(); len(v) != 0 {
		t.Errorf("violations: %+v", v)
	}
}

// A single-page app's try_files does not swallow the endpoints, and its pages
// are guarded and returned to under the paths that the browser knows.
func TestSinglePageApp(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*", Site: "rewrite * /index.html\nrespond /index.html \"the app\""})
	b := s.NewBrowser()
	if e := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized).APIError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	a := b.ComeBack(proxytest.ApproveAt(t, b, b.BeginLogin("/app/deep?x=1")))
	if got := b.WantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != "/app/deep?x=1" {
		t.Errorf("back to %q", got)
	}
	if a := b.WantStatus(b.Navigate("/app/deep?x=1"), http.StatusOK); a.Text != "the app" {
		t.Errorf("page: %s", a.Text)
	}
	a = b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists?limit=1", ""), http.StatusOK)
	if !strings.Contains(a.Text, `"limit": 1`) && !strings.Contains(a.Text, `"limit":1`) {
		t.Errorf("the query was lost: %.200s", a.Text)
	}
	if !b.Session().Authenticated {
		t.Error("not logged in")
	}
}
