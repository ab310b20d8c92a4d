package caddyspotify_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// beginLogin starts a login and returns the URL at Spotify it leads to.
func (b *browser) beginLogin(target string) *url.URL {
	b.t.Helper()
	a := b.wantStatus(b.navigate(target), http.StatusFound)
	u, err := a.Location()
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// pending returns the names of the pending logins' cookies.
func (b *browser) pending() []string {
	var names []string
	for name := range b.cookies() {
		if strings.HasPrefix(name, "spotify_login_") && name != "spotify_login_done" {
			names = append(names, name)
		}
	}
	return names
}

// comeBack visits a callback as the browser does when Spotify sends it there.
func (b *browser) comeBack(callback string, edits ...edit) answer {
	b.t.Helper()
	return b.navigate(callback, append([]edit{header("Sec-Fetch-Site", "cross-site")}, edits...)...)
}

// L01, L06
func TestLoginRequest(t *testing.T) {
	s := start(t, startOptions{})
	seen := make(map[string]bool)
	for range 3 {
		b := s.newBrowser()
		u := b.navigate("/spotify/login", header("X-Forwarded-Host", "evil.example"), header("Forwarded", "host=evil.example"))
		loc, err := u.Location()
		if err != nil {
			t.Fatal(err)
		}
		q := loc.Query()
		if got, want := q.Get("redirect_uri"), s.origin+"/spotify/callback"; got != want {
			t.Errorf("redirect_uri %q, want %q", got, want)
		}
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("response_type") != "code" {
			t.Errorf("query: %v", q)
		}
		for _, value := range []string{q.Get("state"), q.Get("code_challenge")} {
			if len(value) < 43 || seen[value] {
				t.Errorf("%q is short or was used before", value)
			}
			seen[value] = true
		}
		for _, name := range b.pending() {
			_, rest, _ := strings.Cut(b.cookies()[name], ".")
			verifier, _, _ := strings.Cut(rest, ".")
			codes, err := pkce.CodesFromVerifier(verifier)
			if err != nil {
				t.Errorf("verifier: %v", err)
			}
			if codes.Challenge != q.Get("code_challenge") {
				t.Error("the challenge is not the verifier's")
			}
		}
	}
}

// L02, L03, L04
func TestCallbackRefuses(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	good, err := url.Parse(spotifytest.Approve(t, b.client, b.origin+"/spotify/login", ""))
	if err != nil {
		t.Fatal(err)
	}
	state, code := good.Query().Get("state"), good.Query().Get("code")
	other := s.newBrowser()
	foreign := other.beginLogin("/spotify/login").Query().Get("state")

	for name, query := range map[string]string{
		"nothing":         "",
		"no state":        "code=" + code,
		"no code":         "state=" + state,
		"empty state":     "state=&code=" + code,
		"short state":     "state=abc&code=" + code,
		"two states":      "state=" + state + "&state=" + state + "&code=" + code,
		"two codes":       "state=" + state + "&code=" + code + "&code=" + code,
		"code and error":  "state=" + state + "&code=" + code + "&error=access_denied",
		"unknown state":   "state=" + strings.Repeat("A", 43) + "&code=" + code,
		"another browser": "state=" + foreign + "&code=" + code,
		"malformed query": "state=%zz&code=" + code,
		"semicolons":      "state=" + state + ";code=" + code,
		"NUL":             "state=" + state + "%00&code=" + code,
	} {
		t.Run(name, func(t *testing.T) {
			a := b.comeBack("/spotify/callback?" + query)
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("status %d", a.StatusCode)
			}
			if _, ok := b.cookies()["spotify_session"]; ok {
				t.Error("a session began")
			}
		})
	}
	if n := s.sim.TokenRequests("authorization_code"); n != 0 {
		t.Errorf("%d requests reached the token endpoint", n)
	}

	// None of that used the real login up, which is good for once.
	jar := b.cookies()
	b.wantStatus(b.comeBack(good.String()), http.StatusSeeOther)
	if n := s.sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	thief := s.newBrowser()
	var stolen []string
	for name, value := range jar {
		stolen = append(stolen, name+"="+value)
	}
	a := thief.comeBack(good.String(), header("Cookie", strings.Join(stolen, "; ")))
	thief.wantStatus(a, http.StatusBadRequest)
	if n := s.sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("a used state reached the token endpoint")
	}
}

// L05
func TestIssuer(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	callback := spotifytest.Approve(t, b.client, b.origin+"/spotify/login", "")
	b.wantStatus(b.comeBack(callback+"&iss=https%3A%2F%2Fevil.example"), http.StatusBadRequest)
	if n := s.sim.TokenRequests("authorization_code"); n != 0 {
		t.Errorf("%d token requests", n)
	}
	callback = spotifytest.Approve(t, b.client, b.origin+"/spotify/login", "")
	b.wantStatus(b.comeBack(callback+"&iss="+url.QueryEscape(s.sim.URL)), http.StatusSeeOther)
}

// L07
func TestTenTabs(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	var callbacks []string
	for i := range 10 {
		callbacks = append(callbacks, spotifytest.Approve(t, b.client, fmt.Sprintf("%s/spotify/login?return_to=/tab/%d", b.origin, i), ""))
	}
	for _, i := range []int{3, 0, 9, 5, 1, 8, 2, 7, 4, 6} {
		a := b.wantStatus(b.comeBack(callbacks[i]), http.StatusSeeOther)
		if got, want := a.Header.Get("Location"), fmt.Sprintf("/tab/%d", i); got != want {
			t.Errorf("tab %d came back to %q", i, got)
		}
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	}
	if left := b.pending(); len(left) != 0 {
		t.Errorf("pending logins left: %v", left)
	}
}

// L08, O55
func TestPendingLoginsAreBounded(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	b := s.newBrowser()
	first := b.beginLogin("/spotify/login").Query().Get("state")
	var last string
	for range 30 {
		fake.Advance(time.Second)
		last = b.beginLogin("/spotify/login").Query().Get("state")
	}
	pending := b.pending()
	if len(pending) > 10 {
		t.Errorf("%d pending logins", len(pending))
	}
	if slices.Contains(pending, "spotify_login_"+first) || !slices.Contains(pending, "spotify_login_"+last) {
		t.Error("it is not the oldest that gave way")
	}
}

// L09
func TestPendingLoginExpires(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := start(t, startOptions{})
	b := s.newBrowser()
	callback := spotifytest.Approve(t, b.client, b.origin+"/spotify/login", "")
	fake.Advance(11 * time.Minute)
	a := b.comeBack(callback)
	if b.wantStatus(a, http.StatusBadRequest); !strings.Contains(a.body, "login_expired") {
		t.Errorf("page: %s", a.body)
	}
	if len(b.pending()) != 0 {
		t.Error("the cookie is still there after a failure")
	}
	b.login("")
	if len(b.pending()) != 0 {
		t.Error("the cookie is still there after a success")
	}
}

// L10
func TestCancelledLogin(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*"})
	b := s.newBrowser()
	callback := spotifytest.Decline(t, b.client, b.origin+"/spotify/login?return_to=/app")
	a := b.wantStatus(b.comeBack(callback), http.StatusForbidden)
	for _, want := range []string{"login_cancelled", "/spotify/login?return_to=%2Fapp", "Try again"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page does not say %q: %s", want, a.body)
		}
	}
	if strings.Contains(a.body, "http-equiv") || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" {
		t.Error("the page starts the login by itself")
	}
	// Code gets the same as JSON.
	callback = spotifytest.Decline(t, b.client, b.origin+"/spotify/login")
	a = b.fetch("GET", callback, "")
	if e := b.wantStatus(a, http.StatusForbidden).apiError(t); e.Reason != "login_cancelled" || e.LoginURL == "" {
		t.Errorf("error: %+v", e)
	}
}

// L11
func TestLoginLoopStops(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*"})
	b := s.newBrowser()
	b.login("")
	// The browser lost the session's cookie but kept others, as some do.
	lost := func(r *http.Request) {
		r.Header.Set("Cookie", "spotify_login_done=1")
	}
	s2 := s.newBrowser()
	a := s2.navigate("/app", lost)
	if s2.wantStatus(a, http.StatusUnauthorized); !strings.Contains(a.body, "login_loop") {
		t.Errorf("page: %s", a.body)
	}
	// The person may try again at once.
	s2.wantStatus(s2.navigate("/spotify/login", lost), http.StatusFound)
}

// L13
func TestOnlyConfiguredScopes(t *testing.T) {
	s := start(t, startOptions{auth: "optional_scopes user-library-read user-library-modify"})
	b := s.newBrowser()
	asked := func(target string) []string {
		return strings.Fields(b.beginLogin(target).Query().Get("scope"))
	}
	if got := asked("/spotify/login"); len(got) != 7 || slices.Contains(got, "user-library-read") {
		t.Errorf("scopes %v", got)
	}
	if got := asked("/spotify/login?scope=user-library-read"); len(got) != 8 || !slices.Contains(got, "user-library-read") {
		t.Errorf("scopes %v", got)
	}
	for _, scope := range []string{"user-read-email", "user-library-read+user-read-email", "%3Cscript%3E"} {
		a := b.wantStatus(b.navigate("/spotify/login?scope="+scope), http.StatusBadRequest)
		if !strings.Contains(a.body, "optional_scopes") || strings.Contains(a.body, "<script") {
			t.Errorf("page: %s", a.body)
		}
	}
	b.wantStatus(b.navigate("/spotify/login?scope=user-top-read&scope=user-library-read"), http.StatusBadRequest)
	b.wantStatus(b.navigate("/spotify/login?show_dialog=yes"), http.StatusBadRequest)
	if u := b.beginLogin("/spotify/login?show_dialog=true"); u.Query().Get("show_dialog") != "true" {
		t.Error("show_dialog is lost")
	}
}

// What a session was granted in addition it does not lose by asking for more.
func TestOptionalScopesAddUp(t *testing.T) {
	s := start(t, startOptions{auth: "optional_scopes user-library-read user-library-modify"})
	b := s.newBrowser()
	for _, scope := range []string{"user-library-read", "user-library-modify"} {
		callback := spotifytest.Approve(t, b.client, b.origin+"/spotify/login?scope="+scope, "")
		b.wantStatus(b.comeBack(callback), http.StatusSeeOther)
		if !slices.Contains(b.session().Scopes, scope) {
			t.Errorf("%s was not granted: %v", scope, b.session().Scopes)
		}
	}
	if !slices.Contains(b.session().Scopes, "user-library-read") {
		t.Errorf("the first was lost: %v", b.session().Scopes)
	}
}

// L14
func TestCallbackIsPrivate(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	callback := spotifytest.Approve(t, b.client, b.origin+"/spotify/login", "")
	q, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{b.comeBack("/spotify/callback?code=x"), b.comeBack(callback), b.comeBack(callback + "&error=oops")} {
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%d: headers %v", a.StatusCode, a.Header)
		}
	}
	log := s.logs.String()
	for name, secret := range map[string]string{"state": q.Query().Get("state"), "code": q.Query().Get("code")} {
		if strings.Contains(log, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

// L14: the access log skips callbacks, so what came of each is logged apart.
func TestLoginsAreLogged(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	b.comeBack("/spotify/callback?code=x")
	other := s.newBrowser()
	other.comeBack(spotifytest.Decline(t, other.client, s.origin+"/spotify/login"))
	for _, want := range []string{
		`"msg":"login",`, `"msg":"login failed","status":400,"reason":"login_failed","client_ip":"127.0.0.1"`, `"msg":"login failed","status":403,"reason":"login_cancelled"`,
	} {
		if !strings.Contains(s.logs.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	// Somebody who tries thousands does not fill the disk.
	for range 40 {
		b.comeBack("/spotify/callback?code=x")
	}
	if n := strings.Count(s.logs.String(), `"login failed"`); n > 20 {
		t.Errorf("%d lines", n)
	}
}

// L15
func TestReloadedCallbackGoesOn(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	callback := spotifytest.Approve(t, b.client, b.origin+"/spotify/login?return_to=/app", "")
	b.wantStatus(b.comeBack(callback), http.StatusSeeOther)
	b.wantStatus(b.comeBack(callback), http.StatusSeeOther)
	if n := s.sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// L15
func TestFreshLoginReplacesDeadSession(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	s.sim.RevokeUser(s.sim.Grants()[0].User)
	s.sim.ExpireAccessTokens()
	a := b.fetch("GET", "/spotify/v1/me", "")
	if e := b.wantStatus(a, http.StatusUnauthorized).apiError(t); e.Reason != "reauthorization_required" || e.LoginURL == "" {
		t.Errorf("error: %+v", e)
	}
	b.login("")
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// A visitor under another loopback name is moved to the configured one first,
// because cookies set there would not come back.
func TestLocalhostVisitor(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.origin, "http://"), ":")
	a := b.navigate("/spotify/login?return_to=/app", func(r *http.Request) { r.Host = "localhost:" + port })
	// The site answers on 127.0.0.1 only, so Caddy knows no site of that name.
	if a.StatusCode == http.StatusFound && a.Header.Get("Location") != s.origin+"/spotify/login?return_to=/app" {
		t.Errorf("moved to %q", a.Header.Get("Location"))
	}
}

// Somebody whom Spotify does not let use the app learns why, and can come back
// as somebody else.
func TestAccountThatIsNotAllowlisted(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	a := b.comeBack(spotifytest.Approve(t, b.client, s.origin+"/spotify/login?return_to=/app", "olga"))
	b.wantStatus(a, http.StatusForbidden)
	for _, want := range []string{"user_not_allowlisted", "User Management", "return_to=%2Fapp&amp;show_dialog=true"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page does not say %q: %s", want, a.body)
		}
	}
	b.wantStatus(b.comeBack(spotifytest.Approve(t, b.client, s.origin+"/spotify/login?show_dialog=true", "mira")), http.StatusSeeOther)
	if !b.session().Authenticated {
		t.Error("not logged in")
	}
}

// approveAt agrees on the consent page at u and returns the callback's URL.
func approveAt(t *testing.T, b *browser, u *url.URL) string {
	t.Helper()
	return spotifytest.Approve(t, b.client, u.String(), "")
}
