package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// pending returns the names of the pending logins' cookies.
func pendingLogins(b *proxytest.Browser) []string {
	var names []string
	for name := range b.Cookies() {
		if strings.HasPrefix(name, "spotify_login_") && name != "spotify_login_done" {
			names = append(names, name)
		}
	}
	return names
}

// L01, L06
func TestLoginRequest(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	seen := make(map[string]bool)
	for range 3 {
		b := s.NewBrowser()
		u := b.Navigate("/spotify/login", proxytest.Header("X-Forwarded-Host", "evil.example"), proxytest.Header("Forwarded", "host=evil.example"))
		loc, err := u.Location()
		if err != nil {
			t.Fatal(err)
		}
		q := loc.Query()
		if got, want := q.Get("redirect_uri"), s.Origin+"/spotify/callback"; got != want {
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
		for _, name := range pendingLogins(b) {
			// What the browser keeps leads to the state and the verifier. Neither is in it.
			for _, value := range []string{q.Get("state")[:43], q.Get("code_challenge")} {
				if strings.Contains(b.Cookies()[name], value) {
					t.Errorf("the cookie holds %q", value)
				}
			}
		}
		b.WantStatus(b.ComeBack(proxytest.ApproveAt(t, b, loc)), http.StatusSeeOther)
	}
}

// L02, L03, L04
func TestCallbackRefuses(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	good, err := url.Parse(spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login", ""))
	if err != nil {
		t.Fatal(err)
	}
	state, code := good.Query().Get("state"), good.Query().Get("code")
	other := s.NewBrowser()
	foreign := other.BeginLogin("/spotify/login").Query().Get("state")

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
			a := b.ComeBack("/spotify/callback?" + query)
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("status %d", a.StatusCode)
			}
			if _, ok := b.Cookies()["spotify_session"]; ok {
				t.Error("a session began")
			}
		})
	}
	if n := s.Sim.TokenRequests("authorization_code"); n != 0 {
		t.Errorf("%d requests reached the token endpoint", n)
	}

	// None of that used the real login up, which is good for once.
	jar := b.Cookies()
	b.WantStatus(b.ComeBack(good.String()), http.StatusSeeOther)
	if n := s.Sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	thief := s.NewBrowser()
	var stolen []string
	for name, value := range jar {
		stolen = append(stolen, name+"="+value)
	}
	a := thief.ComeBack(good.String(), proxytest.Header("Cookie", strings.Join(stolen, "; ")))
	thief.WantStatus(a, http.StatusBadRequest)
	if n := s.Sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("a used state reached the token endpoint")
	}
}

// L05
func TestIssuer(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login", "")
	b.WantStatus(b.ComeBack(callback+"&iss=https%3A%2F%2Fevil.example"), http.StatusBadRequest)
	if n := s.Sim.TokenRequests("authorization_code"); n != 0 {
		t.Errorf("%d token requests", n)
	}
	callback = spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login", "")
	b.WantStatus(b.ComeBack(callback+"&iss="+url.QueryEscape(s.Sim.URL)), http.StatusSeeOther)
}

// L07
func TestTenTabs(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	var callbacks []string
	for i := range 10 {
		callbacks = append(callbacks, spotifytest.Approve(t, b.Client, fmt.Sprintf("%s/spotify/login?return_to=/tab/%d", b.Origin, i), ""))
	}
	for _, i := range []int{3, 0, 9, 5, 1, 8, 2, 7, 4, 6} {
		a := b.WantStatus(b.ComeBack(callbacks[i]), http.StatusSeeOther)
		if got, want := a.Header.Get("Location"), fmt.Sprintf("/tab/%d", i); got != want {
			t.Errorf("tab %d came back to %q", i, got)
		}
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	}
	if left := pendingLogins(b); len(left) != 0 {
		t.Errorf("pending logins left: %v", left)
	}
}

// L08, O55
func TestPendingLoginsAreBounded(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	var begun []*url.URL
	for range 31 {
		begun = append(begun, b.BeginLogin("/spotify/login"))
		fake.Advance(time.Second)
	}
	if pending := pendingLogins(b); len(pending) > 10 {
		t.Errorf("%d pending logins", len(pending))
	}
	for i, u := range begun {
		want := http.StatusSeeOther
		if i < len(begun)-10 {
			want = http.StatusBadRequest // the oldest gave way
		}
		if a := b.ComeBack(proxytest.ApproveAt(t, b, u)); a.StatusCode != want {
			t.Errorf("login %d of %d ended with %d: %s", i, len(begun), a.StatusCode, a.Text)
		}
	}
}

// L09
func TestPendingLoginExpires(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login", "")
	fake.Advance(11 * time.Minute)
	a := b.ComeBack(callback)
	if b.WantStatus(a, http.StatusBadRequest); !strings.Contains(a.Text, "login_expired") {
		t.Errorf("page: %s", a.Text)
	}
	if len(pendingLogins(b)) != 0 {
		t.Error("the cookie is still there after a failure")
	}
	b.Login("")
	if len(pendingLogins(b)) != 0 {
		t.Error("the cookie is still there after a success")
	}
}

// L10
func TestCancelledLogin(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	callback := spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login?return_to=/app")
	a := b.WantStatus(b.ComeBack(callback), http.StatusForbidden)
	for _, want := range []string{"login_cancelled", "/spotify/login?return_to=%2Fapp", "Try again"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("the page does not say %q: %s", want, a.Text)
		}
	}
	if strings.Contains(a.Text, "http-equiv") || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" {
		t.Error("the page starts the login by itself")
	}
	// Code gets the same as JSON.
	callback = spotifytest.Decline(t, b.Client, b.Origin+"/spotify/login")
	a = b.Fetch("GET", callback, "")
	if e := b.WantStatus(a, http.StatusForbidden).APIError(t); e.Reason != "login_cancelled" || e.LoginURL == "" {
		t.Errorf("error: %+v", e)
	}
}

// L11
func TestLoginLoopStops(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	b.Login("")
	// The browser lost the session's cookie but kept others, as some do.
	lost := func(r *http.Request) {
		r.Header.Set("Cookie", "spotify_login_done=1")
	}
	s2 := s.NewBrowser()
	a := s2.Navigate("/app", lost)
	if s2.WantStatus(a, http.StatusUnauthorized); !strings.Contains(a.Text, "login_loop") {
		t.Errorf("page: %s", a.Text)
	}
	// The person may try again at once.
	s2.WantStatus(s2.Navigate("/spotify/login", lost), http.StatusFound)
}

// L13
func TestOnlyConfiguredScopes(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "optional_scopes user-library-read user-library-modify"})
	b := s.NewBrowser()
	asked := func(target string) []string {
		return strings.Fields(b.BeginLogin(target).Query().Get("scope"))
	}
	if got := asked("/spotify/login"); len(got) != 7 || slices.Contains(got, "user-library-read") {
		t.Errorf("scopes %v", got)
	}
	if got := asked("/spotify/login?scope=user-library-read"); len(got) != 8 || !slices.Contains(got, "user-library-read") {
		t.Errorf("scopes %v", got)
	}
	for _, scope := range []string{"user-read-email", "user-library-read+user-read-email", "%3Cscript%3E"} {
		a := b.WantStatus(b.Navigate("/spotify/login?scope="+scope), http.StatusBadRequest)
		if !strings.Contains(a.Text, "optional_scopes") || strings.Contains(a.Text, "<script") {
			t.Errorf("page: %s", a.Text)
		}
	}
	b.WantStatus(b.Navigate("/spotify/login?scope=user-top-read&scope=user-library-read"), http.StatusBadRequest)
	b.WantStatus(b.Navigate("/spotify/login?show_dialog=yes"), http.StatusBadRequest)
	if u := b.BeginLogin("/spotify/login?show_dialog=true"); u.Query().Get("show_dialog") != "true" {
		t.Error("show_dialog is lost")
	}
}

// What a session was granted in addition it does not lose by asking for more.
func TestOptionalScopesAddUp(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "optional_scopes user-library-read user-library-modify"})
	b := s.NewBrowser()
	for _, scope := range []string{"user-library-read", "user-library-modify"} {
		callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login?scope="+scope, "")
		b.WantStatus(b.ComeBack(callback), http.StatusSeeOther)
		if !slices.Contains(b.Session().Scopes, scope) {
			t.Errorf("%s was not granted: %v", scope, b.Session().Scopes)
		}
	}
	if !slices.Contains(b.Session().Scopes, "user-library-read") {
		t.Errorf("the first was lost: %v", b.Session().Scopes)
	}
}

// L14
func TestCallbackIsPrivate(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login", "")
	q, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []proxytest.Response{b.ComeBack("/spotify/callback?code=x"), b.ComeBack(callback), b.ComeBack(callback + "&error=oops")} {
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%d: headers %v", a.StatusCode, a.Header)
		}
	}
	log := s.Log.String()
	for name, secret := range map[string]string{"state": q.Query().Get("state"), "code": q.Query().Get("code")} {
		if strings.Contains(log, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

// L14: the access log skips callbacks, so what came of each is logged apart.
func TestLoginsAreLogged(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	b.ComeBack("/spotify/callback?code=x")
	other := s.NewBrowser()
	other.ComeBack(spotifytest.Decline(t, other.Client, s.Origin+"/spotify/login"))
	for _, want := range []string{
		`"msg":"login",`, `"msg":"login failed","status":400,"reason":"login_failed","client_ip":"127.0.0.1"`, `"msg":"login failed","status":403,"reason":"login_cancelled"`,
	} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	// Somebody who tries thousands does not fill the disk.
	for range 40 {
		b.ComeBack("/spotify/callback?code=x")
	}
	if n := strings.Count(s.Log.String(), `"login failed"`); n > 20 {
		t.Errorf("%d lines", n)
	}
}

// L15
func TestReloadedCallbackGoesOn(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, b.Origin+"/spotify/login?return_to=/app", "")
	for range 2 {
		if to := b.WantStatus(b.ComeBack(callback), http.StatusSeeOther).Header.Get("Location"); to != "/app" {
			t.Errorf("back at %q", to)
		}
	}
	if n := s.Sim.TokenRequests("authorization_code"); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// L15
func TestFreshLoginReplacesDeadSession(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.RevokeUser(s.Sim.Grants()[0].User)
	s.Sim.ExpireAccessTokens()
	a := b.Fetch("GET", "/spotify/v1/me", "")
	if e := b.WantStatus(a, http.StatusUnauthorized).APIError(t); e.Reason != "reauthorization_required" || e.LoginURL == "" {
		t.Errorf("error: %+v", e)
	}
	b.Login("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// A visitor under another loopback name is moved to the configured one first,
// because cookies set there would not come back.
func TestLocalhostVisitor(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.Origin, "http://"), ":")
	a := b.Navigate("/spotify/login?return_to=/app", func(r *http.Request) { r.Host = "localhost:" + port })
	// The site answers on 127.0.0.1 only, so Caddy knows no site of that name.
	if a.StatusCode == http.StatusFound && a.Header.Get("Location") != s.Origin+"/spotify/login?return_to=/app" {
		t.Errorf("moved to %q", a.Header.Get("Location"))
	}
}

// Somebody whom Spotify does not let use the app learns why, and can come back
// as somebody else.
func TestAccountThatIsNotAllowlisted(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	a := b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?return_to=/app", "olga"))
	b.WantStatus(a, http.StatusForbidden)
	for _, want := range []string{"user_not_allowlisted", "User Management", "return_to=%2Fapp&amp;show_dialog=true"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("the page does not say %q: %s", want, a.Text)
		}
	}
	b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?show_dialog=true", "mira")), http.StatusSeeOther)
	if !b.Session().Authenticated {
		t.Error("not logged in")
	}
}
