package caddyspotify_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// sessionInfo is the answer of GET session.
type sessionInfo struct {
	Authenticated bool
	Account       struct {
		ID          string
		DisplayName string `json:"display_name"`
	}
	Scopes        []string
	ExpiresAt     time.Time `json:"expires_at"`
	ReauthorizeBy time.Time `json:"reauthorize_by"`
	LoginURL      string    `json:"login_url"`
	LogoutURL     string    `json:"logout_url"`
}

func (b *browser) session() sessionInfo {
	b.t.Helper()
	var info sessionInfo
	a := b.wantStatus(b.fetch("GET", "/spotify/session", ""), http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &info); err != nil {
		b.t.Fatal(err)
	}
	return info
}

func (b *browser) sessionCookie() string {
	b.t.Helper()
	value := b.cookies()["spotify_session"]
	if value == "" {
		b.t.Fatal("no session cookie")
	}
	return value
}

// storedFiles returns the session records in Caddy's storage, by path.
func (s *setup) storedFiles() map[string]string {
	s.t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(filepath.Join(s.storage, "spotify"), func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

func TestSessionInfo(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	if info := b.session(); info.Authenticated || info.LoginURL != "/spotify/login" {
		t.Errorf("before: %+v", info)
	}
	b.login("")
	info := b.session()
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
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	first := b.sessionCookie()
	if id, err := base64.RawURLEncoding.DecodeString(first); err != nil || len(id) < 16 {
		t.Errorf("id of %d bytes: %v", len(id), err)
	}
	b.login("")
	second := b.sessionCookie()
	if first == second {
		t.Error("the id was used again")
	}
	old := s.newBrowser()
	withOld := header("Cookie", "spotify_session="+first)
	old.wantStatus(old.fetch("GET", "/spotify/v1/me", "", withOld), http.StatusUnauthorized)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if n := len(s.storedFiles()); n != 1 {
		t.Errorf("%d records are stored, want 1", n)
	}
}

// P47
func TestLogout(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	cookie := b.sessionCookie()
	b.wantStatus(b.fetch("GET", "/spotify/logout", ""), http.StatusMethodNotAllowed)
	b.wantStatus(b.fetch("POST", "/spotify/logout", "", header("Sec-Fetch-Site", "cross-site")), http.StatusForbidden)
	b.wantStatus(b.fetch("POST", "/spotify/logout", "", header("Sec-Fetch-Site", ""), header("Origin", "https://evil.example")), http.StatusForbidden)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	if _, ok := b.cookies()["spotify_session"]; ok {
		t.Error("the cookie is still there")
	}
	thief := s.newBrowser()
	thief.wantStatus(thief.fetch("GET", "/spotify/v1/me", "", header("Cookie", "spotify_session="+cookie)), http.StatusUnauthorized)
	if files := s.storedFiles(); len(files) != 0 {
		t.Errorf("records left: %v", files)
	}
	// Again is no error, and a form gets back to a page.
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	for query, want := range map[string]string{
		"?return_to=/app": "/app", "?return_to=": "/", "?return_to=//evil.example": "/", "?return_to=https:evil.example": "/", "?return_to=/%255cevil.example": "/",
	} {
		a := b.submit("/spotify/logout" + query)
		if got := b.wantStatus(a, http.StatusSeeOther).Header.Get("Location"); got != want {
			t.Errorf("%s: went on to %q", query, got)
		}
	}
}

// submit does what a form of the site's own page does.
func (b *browser) submit(target string, edits ...edit) answer {
	b.t.Helper()
	return b.do("POST", target, "", append([]edit{
		header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document"),
		header("Origin", b.origin), header("Accept", "text/html,*/*;q=0.8"),
	}, edits...)...)
}

// P47: a person who logged out with a form is told so, and may log in again,
// which nothing does by itself.
func TestLoggedOutPage(t *testing.T) {
	s := start(t, startOptions{auth: "require_login /app*"})
	b := s.newBrowser()
	for name, c := range map[string]struct {
		edits []edit
		want  []string
	}{
		"in English":             {nil, []string{`<html lang="en">`, "<h1>You are logged out</h1>", "Your session on this site has ended.", ">Log in again</a>", ">Back to the start</a>"}},
		"in German":              {[]edit{header("Accept-Language", "de-CH, de;q=0.8")}, []string{`<html lang="de">`, "<h1>Du bist abgemeldet</h1>", "Deine Sitzung", ">Wieder anmelden</a>", ">Zur Startseite</a>"}},
		"without Fetch Metadata": {[]edit{header("Sec-Fetch-Site", ""), header("Sec-Fetch-Mode", ""), header("Sec-Fetch-Dest", "")}, []string{"<h1>You are logged out</h1>"}},
	} {
		t.Run(name, func(t *testing.T) {
			b.login("")
			cookie := b.sessionCookie()
			a := b.wantStatus(b.submit("/spotify/logout", c.edits...), http.StatusOK)
			for _, want := range append(c.want, `href="/spotify/login"`, `href="/"`) {
				if !strings.Contains(a.body, want) {
					t.Errorf("the page does not say %q: %s", want, a.body)
				}
			}
			if strings.Contains(a.body, "http-equiv") || strings.Contains(a.body, "<script") || a.Header.Get("Location")+a.Header.Get("Refresh") != "" {
				t.Errorf("the page does something by itself: %s", a.body)
			}
			if _, ok := b.cookies()["spotify_session"]; ok {
				t.Error("the cookie is still there")
			}
			thief := s.newBrowser()
			thief.wantStatus(thief.fetch("GET", "/spotify/v1/me", "", header("Cookie", "spotify_session="+cookie)), http.StatusUnauthorized)
			b.wantStatus(b.navigate("/app"), http.StatusFound)
			if again := b.wantStatus(b.submit("/spotify/logout", c.edits...), http.StatusOK); again.body != a.body {
				t.Errorf("of somebody who is logged out already: %s", again.body)
			}
		})
	}
	// A script is told by the status alone, and other sites get no page.
	b.login("")
	if a := b.wantStatus(b.submit("/spotify/logout", header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")), http.StatusForbidden); strings.Contains(a.body, "logged out") {
		t.Errorf("page: %s", a.body)
	}
	if a := b.wantStatus(b.fetch("POST", "/spotify/logout", "", header("Accept", "text/html")), http.StatusNoContent); a.body != "" {
		t.Errorf("body: %s", a.body)
	}
}

// S17, S20
func TestSessionCookie(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	var cookie *http.Cookie
	for _, c := range b.login("").Cookies() {
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
	s := start(t, startOptions{global: "servers {\ntrusted_proxies static 127.0.0.1/32\n}", https: true})
	b := s.newBrowser()
	b.client.Jar = nil // the cookies are put in by hand: the test speaks http
	https := header("X-Forwarded-Proto", "https")
	a := b.wantStatus(b.navigate("/spotify/login", https), http.StatusFound)
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
	callback := spotifytest.Approve(t, s.newBrowser().client, loc.String(), "")
	_, query, _ := strings.Cut(callback, "?")
	a = b.navigate("/spotify/callback?"+query, https, header("Cookie", pending.Name+"="+pending.Value))
	b.wantStatus(a, http.StatusSeeOther)
	var session *http.Cookie
	for _, c := range a.Cookies() {
		if c.Name == "__Host-spotify_session" {
			session = c
		}
	}
	if session == nil || !session.Secure || !session.HttpOnly || session.Path != "/" || session.Domain != "" || session.SameSite != http.SameSiteLaxMode {
		t.Fatalf("session: %v", a.Cookies())
	}
	with := header("Cookie", session.Name+"="+session.Value)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", "", https, with), http.StatusOK)
	// The same in the clear is refused, whatever an untrusted peer claims.
	a = b.fetch("GET", "/spotify/v1/me", "", with)
	if e := b.wantStatus(a, http.StatusForbidden).apiError(t); e.Reason != "https_required" {
		t.Errorf("error: %+v", e)
	}
}

// S21, S22, S23
func TestSessionLimits(t *testing.T) {
	const auth = "session {\nidle 1h\nlifetime 3h\n}"
	for name, c := range map[string]struct {
		use     func(*browser)
		step    time.Duration
		steps   int
		outlive bool
	}{
		"used":       {func(b *browser) { b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200) }, 50 * time.Minute, 3, true},
		"left alone": {func(*browser) {}, 31 * time.Minute, 2, false},
		"polled":     {func(b *browser) { b.session() }, 31 * time.Minute, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeclock.New(time.Now())
			fake.Install(t)
			s := start(t, startOptions{auth: auth})
			b := s.newBrowser()
			b.login("")
			for range c.steps {
				fake.Advance(c.step)
				s.sim.Advance(c.step)
				c.use(b)
			}
			if got := b.session().Authenticated; got != c.outlive {
				t.Errorf("authenticated %v, want %v", got, c.outlive)
			}
			// However much it is used, the absolute limit ends it.
			fake.Advance(40 * time.Minute)
			b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
		})
	}
}

// S24
func TestStoreHoldsNothingUsable(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	cookie := b.sessionCookie()
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	files := s.storedFiles()
	if len(files) != 1 {
		t.Fatalf("%d records", len(files))
	}
	secrets := append(s.sim.TokensIssued(), cookie, string(raw))
	for path, content := range files {
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
	s := start(t, startOptions{})
	one, two := s.newBrowser(), s.newBrowser()
	one.login("")
	var first, firstContent string
	for path, content := range s.storedFiles() {
		first, firstContent = path, content
	}
	two.login("")
	for path := range s.storedFiles() {
		if path != first {
			// Somebody who can write the store puts their own session under
			// another's key.
			if err := os.WriteFile(path, []byte(firstContent), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.restart()
	two.wantStatus(two.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	one.wantStatus(one.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	if err := os.WriteFile(first, []byte(`{"sealed":"AAAA","version":"x","expires_at":"2999-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.restart()
	a := one.fetch("GET", "/spotify/v1/me", "")
	if e := one.wantStatus(a, http.StatusUnauthorized).apiError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
}

// S25
func TestNonsenseCookies(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	good := b.sessionCookie()
	stranger := s.newBrowser()
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
			a := stranger.fetch("GET", "/spotify/v1/me", "", header("Cookie", cookie))
			stranger.wantStatus(a, http.StatusUnauthorized)
		})
	}
}

func TestSessionsSurviveReloadAndRestart(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	callback := spotifytest.Approve(t, s.newBrowser().client, s.sim.AuthorizeURL+"?"+b.beginLogin("/spotify/login").RawQuery, "")
	s.load("")
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	s.restart()
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	// A login that was under way survives too.
	b.wantStatus(b.comeBack(callback), http.StatusSeeOther)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}
