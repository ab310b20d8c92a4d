package session_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func TestSessionInfo(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	if info := b.Session(); info.Authenticated || info.LoginURL != "/spotify/login" {
		t.Errorf("before: %+v", info)
	}
	b.Login("")
	info := b.Session()
	if !info.Authenticated || info.Account.ID == "" || info.Account.DisplayName == "" || info.LogoutURL != "/spotify/logout" || len(info.Scopes) != 7 {
		t.Errorf("after: %+v", info)
	}
	if d := time.Until(info.ExpiresAt); d < 29*24*time.Hour || d > 31*24*time.Hour {
		t.Errorf("expires in %s", d)
	}
	if d := time.Until(info.ReauthorizeBy); d < 175*24*time.Hour || d > 185*24*time.Hour {
		t.Errorf("reauthorize in %s", d)
	}
}

// S15, P47
func TestNewIDAtEveryLogin(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	first := b.SessionCookie()
	if id, err := base64.RawURLEncoding.DecodeString(first); err != nil || len(id) < 16 {
		t.Errorf("id of %d bytes: %v", len(id), err)
	}
	b.Login("")
	second := b.SessionCookie()
	if first == second {
		t.Error("the id was used again")
	}
	old := s.NewBrowser()
	withOld := proxytest.Header("Cookie", "spotify_session="+first)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	old.WantStatus(old.Fetch("GET", "/spotify/v1/me", "", withOld), http.StatusUnauthorized)
	if n := len(s.StoredSessions()); n != 1 {
		t.Errorf("%d records are stored, want 1", n)
	}
}

// P47
func TestLogout(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	cookie := b.SessionCookie()
	b.WantStatus(b.Fetch("GET", "/spotify/logout", ""), http.StatusMethodNotAllowed)
	b.WantStatus(b.Fetch("POST", "/spotify/logout", "", proxytest.Header("Sec-Fetch-Site", "cross-site")), http.StatusForbidden)
	b.WantStatus(b.Fetch("POST", "/spotify/logout", "", proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Origin", "https://evil.example")), http.StatusForbidden)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	if _, ok := b.Cookies()["spotify_session"]; ok {
		t.Error("the cookie is still there")
	}
	thief := s.NewBrowser()
	thief.WantStatus(thief.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Cookie", "spotify_session="+cookie)), http.StatusUnauthorized)
	if files := s.StoredFiles(); len(files) != 0 {
		t.Errorf("records left: %v", files)
	}
	// Again is no error, and a form gets back to a page.
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	for query, want := range map[string]string{
		"?return_to=/app": "/app", "?return_to=": "/", "?return_to=//evil.example": "/", "?return_to=https:evil.example": "/", "?return_to=/%255cevil.example": "/",
	} {
		a := b.Submit("/spotify/logout" + query)
		if got := b.WantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != want {
			t.Errorf("%s: went on to %q", query, got)
		}
	}
}

// P47: a person who logged out with a form is told so, and may log in again,
// which nothing does by itself.
func TestLoggedOutPage(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*"})
	b := s.NewBrowser()
	for name, c := range map[string]struct {
		edits []proxytest.Edit
		want  []string
	}{
		"in English":             {nil, []string{`<html lang="en">`, "<h1>You are logged out</h1>", "Your session on this site has ended.", ">Log in again</a>", ">Home</a>"}},
		"in German":              {[]proxytest.Edit{proxytest.Header("Accept-Language", "de-CH, de;q=0.8")}, []string{`<html lang="de">`, "<h1>Du bist abgemeldet</h1>", "Deine Sitzung", ">Wieder anmelden</a>", ">Zur Startseite</a>"}},
		"without Fetch Metadata": {[]proxytest.Edit{proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Sec-Fetch-Dest", "")}, []string{"<h1>You are logged out</h1>"}},
	} {
		t.Run(name, func(t *testing.T) {
			b.Login("")
			cookie := b.SessionCookie()
			a := b.WantStatus(b.Submit("/spotify/logout", c.edits...), http.StatusOK)
			for _, want := range append(c.want, `href="/spotify/login"`, `href="/"`) {
				if !strings.Contains(a.Text, want) {
					t.Errorf("the page does not say %q: %s", want, a.Text)
				}
			}
			if strings.Contains(a.Text, "http-equiv") || strings.Contains(a.Text, "<script") || a.Header.Get("Location")+a.Header.Get("Refresh") != "" {
				t.Errorf("the page does something by itself: %s", a.Text)
			}
			if _, ok := b.Cookies()["spotify_session"]; ok {
				t.Error("the cookie is still there")
			}
			thief := s.NewBrowser()
			thief.WantStatus(thief.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Cookie", "spotify_session="+cookie)), http.StatusUnauthorized)
			b.WantStatus(b.Navigate("/app"), http.StatusFound)
			if again := b.WantStatus(b.Submit("/spotify/logout", c.edits...), http.StatusOK); again.Text != a.Text {
				t.Errorf("of somebody who is logged out already: %s", again.Text)
			}
		})
	}
	// A script is told by the status alone, and other sites get no page.
	b.Login("")
	if a := b.WantStatus(b.Submit("/spotify/logout", proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://evil.example")), http.StatusForbidden); strings.Contains(a.Text, "logged out") {
		t.Errorf("page: %s", a.Text)
	}
	if a := b.WantStatus(b.Fetch("POST", "/spotify/logout", "", proxytest.Header("Accept", "text/html")), http.StatusNoContent); a.Text != "" {
		t.Errorf("body: %s", a.Text)
	}
}

// S17, S20
func TestSessionCookie(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	var cookie *http.Cookie
	for _, c := range b.Login("").Cookies() {
		if c.Name == "spotify_session" {
			cookie = c
		}
	}
	if cookie == nil || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure {
		t.Fatalf("cookie: %+v", cookie)
	}
	if n := len(cookie.String()); n >= 200 {
		t.Errorf("the cookie takes %d bytes", n)
	}
}

// S17
func TestSecureCookieBehindTLSProxy(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Global: "servers {\ntrusted_proxies static 127.0.0.1/32\n}", HTTPS: true})
	b := s.NewBrowser()
	b.Client.Jar = nil // the cookies are put in by hand: the test speaks http
	https := proxytest.Header("X-Forwarded-Proto", "https")
	a := b.WantStatus(b.Navigate("/spotify/login", https), http.StatusFound)
	loc, err := a.Location()
	if err != nil {
		t.Fatal(err)
	}
	var pending *http.Cookie
	for _, c := range a.Cookies() {
		if strings.HasPrefix(c.Name, "__Host-spotify_login_") && c.MaxAge > 0 {
			pending = c
		}
	}
	if pending == nil || !pending.Secure || !pending.HttpOnly || pending.Path != "/" || pending.Domain != "" {
		t.Fatalf("pending login: %v", a.Cookies())
	}
	callback := spotifytest.Approve(t, s.NewBrowser().Client, loc.String(), "")
	_, query, _ := strings.Cut(callback, "?")
	a = b.Navigate("/spotify/callback?"+query, https, proxytest.Header("Cookie", pending.Name+"="+pending.Value))
	b.WantStatus(a, http.StatusSeeOther)
	var session *http.Cookie
	for _, c := range a.Cookies() {
		if c.Name == "__Host-spotify_session" {
			session = c
		}
	}
	if session == nil || !session.Secure || !session.HttpOnly || session.Path != "/" || session.Domain != "" || session.SameSite != http.SameSiteLaxMode {
		t.Fatalf("session: %v", a.Cookies())
	}
	with := proxytest.Header("Cookie", session.Name+"="+session.Value)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", https, with), http.StatusOK)
	// The same in the clear is refused, whatever an untrusted peer claims.
	a = b.Fetch("GET", "/spotify/v1/me", "", with)
	if e := b.WantStatus(a, http.StatusForbidden).APIError(t); e.Reason != "https_required" {
		t.Errorf("error: %+v", e)
	}
}

// S21, S22, S23
func TestSessionLimits(t *testing.T) {
	const auth = "session {\nidle 1h\nlifetime 3h\n}"
	for name, c := range map[string]struct {
		use     func(*proxytest.Browser)
		step    time.Duration
		steps   int
		outlive bool
	}{
		"used":       {func(b *proxytest.Browser) { b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200) }, 50 * time.Minute, 3, true},
		"left alone": {func(*proxytest.Browser) {}, 31 * time.Minute, 2, false},
		"polled":     {func(b *proxytest.Browser) { b.Session() }, 31 * time.Minute, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeclock.New(time.Now())
			fake.Install(t)
			s := proxytest.Start(t, proxytest.Options{Auth: auth})
			b := s.NewBrowser()
			b.Login("")
			for range c.steps {
				fake.Advance(c.step)
				s.Sim.Advance(c.step)
				c.use(b)
			}
			if got := b.Session().Authenticated; got != c.outlive {
				t.Errorf("authenticated %v, want %v", got, c.outlive)
			}
			// However much it is used, the absolute limit ends it.
			fake.Advance(40 * time.Minute)
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
		})
	}
}

// S24
func TestStoreHoldsNothingUsable(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	cookie := b.SessionCookie()
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	files := s.StoredSessions()
	if len(files) != 1 {
		t.Fatalf("%d records", len(files))
	}
	secrets := append(s.Sim.TokensIssued(), cookie, string(raw))
	for path, content := range s.StoredFiles() {
		for _, secret := range secrets {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(path+content, form) {
					t.Errorf("%s holds a secret", path)
				}
			}
		}
	}
}

// S25, S26
func TestForeignRecordIsNoSession(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	one, two := s.NewBrowser(), s.NewBrowser()
	one.Login("")
	var first, firstContent string
	for path, content := range s.StoredSessions() {
		first, firstContent = path, content
	}
	two.Login("")
	for path := range s.StoredSessions() {
		if path != first {
			// Somebody who can write the store puts their own session under
			// another's key.
			if err := os.WriteFile(path, []byte(firstContent), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Restart()
	two.WantStatus(two.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	one.WantStatus(one.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	if err := os.WriteFile(first, []byte(`{"sealed":"AAAA","version":"x","expires_at":"2999-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	a := one.Fetch("GET", "/spotify/v1/me", "")
	if e := one.WantStatus(a, http.StatusUnauthorized).APIError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
}

// S25
func TestNonsenseCookies(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	good := b.SessionCookie()
	stranger := s.NewBrowser()
	for name, cookie := range map[string]string{
		"empty":         "spotify_session=",
		"short":         "spotify_session=abc",
		"long":          "spotify_session=" + strings.Repeat("A", 4000),
		"other letters": "spotify_session=" + good[:42] + "!",
		"unknown":       "spotify_session=" + tokenstore.NewSessionID().Cookie(),
		"twice":         "spotify_session=" + good + "; spotify_session=" + tokenstore.NewSessionID().Cookie(),
		"other case":    "Spotify_Session=" + good,
		"padded":        "spotify_session=" + good + "=",
	} {
		t.Run(name, func(t *testing.T) {
			a := stranger.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Cookie", cookie))
			stranger.WantStatus(a, http.StatusUnauthorized)
		})
	}
}

func TestSessionsSurviveReloadAndRestart(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	callback := spotifytest.Approve(t, s.NewBrowser().Client, s.Sim.AuthorizeURL+"?"+b.BeginLogin("/spotify/login").RawQuery, "")
	s.Load("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	s.Restart()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	// A login that was under way survives too.
	b.WantStatus(b.ComeBack(callback), http.StatusSeeOther)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}
