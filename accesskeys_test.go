package caddyspotify_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const keysPath = "/spotify/keys"

// keyForm is a form of the page, filled in.
func keyForm(name string, more ...string) url.Values {
	form := url.Values{"name": {name}, "life": {"max"}, "access": {"all"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// sendForm sends a form as the page's own does.
func (b *browser) sendForm(target string, form url.Values, edits ...edit) answer {
	b.t.Helper()
	return b.do(http.MethodPost, target, form.Encode(), append([]edit{
		header("Content-Type", "application/x-www-form-urlencoded"), header("Origin", b.origin),
		header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document"),
		header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
	}, edits...)...)
}

// askForKey fills in the form, and goes to Spotify and back as a user, who may
// be empty for the one who is logged in there. It returns the callback.
func (b *browser) askForKey(user string, form url.Values) (callback string) {
	b.t.Helper()
	a := b.wantStatus(b.sendForm(keysPath, form), http.StatusFound)
	return spotifytest.Approve(b.t, b.client, a.Header.Get("Location"), user)
}

var shownKey = regexp.MustCompile(`>(spk_[A-Za-z0-9_-]{43})<`)

// createKey creates an access key and returns it.
func (b *browser) createKey(form url.Values) string {
	b.t.Helper()
	a := b.wantStatus(b.comeBack(b.askForKey("", form)), http.StatusOK)
	found := shownKey.FindStringSubmatch(a.body)
	if found == nil {
		b.t.Fatalf("the page shows no key: %s", a.body)
	}
	return found[1]
}

// program is what sends an access key: it has no cookies, and sends no Fetch Metadata.
func (s *setup) program(key string) *browser {
	b := s.newBrowser()
	b.client.Jar = nil
	b.client.Transport = authorizing(key)
	return b
}

type authorizing string

func (key authorizing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(key))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (b *browser) me() answer { b.t.Helper(); return b.do(http.MethodGet, "/spotify/v1/me", "") }

// listedKey is a key as GET keys tells it.
type listedKey struct {
	Key, Name  string
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Allow      []string
	Scopes     []string
}

func (b *browser) keys() []listedKey {
	b.t.Helper()
	var list struct{ Keys []listedKey }
	a := b.wantStatus(b.fetch("GET", keysPath, ""), http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		b.t.Fatal(err)
	}
	return list.Keys
}

// wantInvalid fails unless a key is refused as RFC 6750 §3.1 says.
func (b *browser) wantInvalid(a answer) {
	b.t.Helper()
	if e := b.wantStatus(a, http.StatusUnauthorized).apiError(b.t); e.Reason != "invalid_access_key" || e.LoginURL != "" {
		b.t.Errorf("error: %+v", e)
	}
	if c := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(c, "Bearer ") || !strings.Contains(c, `error="invalid_token"`) {
		b.t.Errorf("WWW-Authenticate: %q", c)
	}
	if len(a.Header["Set-Cookie"]) > 0 {
		b.t.Errorf("cookies: %v", a.Header["Set-Cookie"])
	}
}

func TestAccessKey(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := start(t, startOptions{auth: "access_keys", sim: spotifytest.Options{Now: clock.Now}})
	b := s.newBrowser()
	b.login("mira")
	if n := len(b.keys()); n != 0 {
		t.Errorf("there are %d keys already", n)
	}
	callback := b.askForKey("", keyForm("My <b>script</b>", "access", "read", "life", "30d"))
	a := b.wantStatus(b.comeBack(callback), http.StatusOK)
	key := shownKey.FindStringSubmatch(a.body)[1]
	if !strings.Contains(a.body, s.origin+"/spotify/v1/") || !strings.Contains(a.body, "&lt;b&gt;script&lt;/b&gt;") || strings.Contains(a.body, "<b>script") {
		t.Errorf("the page with the key: %s", a.body)
	}
	if cc, rp, csp := a.Header.Get("Cache-Control"), a.Header.Get("Referrer-Policy"), a.Header.Get("Content-Security-Policy"); cc != "no-store" || rp != "origin" || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the page with the key: %v", a.Header)
	}
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("creating a key set the cookie %s", c.Name)
		}
	}

	// L15: coming back once more leads on and shows no key.
	a = b.wantStatus(b.comeBack(callback), http.StatusSeeOther)
	if a.Header.Get("Location") != keysPath || strings.Contains(a.body, key) {
		t.Errorf("the second callback leads to %q: %s", a.Header.Get("Location"), a.body)
	}
	if n := len(s.sim.Grants()); n != 2 {
		t.Errorf("there are %d grants, want the session's and the key's own", n)
	}

	p := s.program(key)
	a = p.wantStatus(p.me(), 200)
	if !strings.Contains(a.body, `"mira"`) || len(a.Header["Set-Cookie"]) > 0 || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Authorization") {
		t.Errorf("an answer to a key: %v %s", a.Header, a.body)
	}
	for _, r := range s.sim.RequestsTo("/v1/me") {
		if len(r.Violations) > 0 || strings.Contains(r.Header.Get("Authorization"), "spk_") {
			t.Errorf("Spotify got %v, violations %v", r.Header, r.Violations)
		}
	}
	// Whatever the spelling of the scheme (RFC 9110 §11.1).
	p.wantStatus(p.do("GET", "/spotify/v1/me", "", header("Authorization", "bearer  "+key)), 200)
	// GET is what it is for, and no page of another site's sends it behind
	// somebody's back, so it does not matter where a request comes from.
	p.wantStatus(p.do("GET", "/spotify/v1/me", "", header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://elsewhere.example")), 200)
	if e := p.wantStatus(p.do("PUT", "/spotify/v1/me/player/pause", ""), 403).apiError(t); e.Reason != "not_allowed" {
		t.Errorf("error: %+v", e)
	}

	clock.Advance(2 * time.Hour) // a refresh later
	p.wantStatus(p.me(), 200)

	keys := b.keys()
	if len(keys) != 1 {
		t.Fatalf("%d keys are listed", len(keys))
	}
	k := keys[0]
	if k.Name != "My <b>script</b>" || strings.Join(k.Allow, ";") != "GET /v1/*" || k.ExpiresAt.Sub(k.CreatedAt) != 30*24*time.Hour ||
		len(k.Scopes) != 7 || k.LastUsedAt == nil || !k.LastUsedAt.Equal(clock.Now().Truncate(time.Second)) {
		t.Errorf("listed: %+v", k)
	}
	page := b.wantStatus(b.navigate(keysPath), 200).body
	for _, want := range []string{html.EscapeString(k.Name), k.Key, k.ExpiresAt.Format("2006-01-02"), "GET /v1/*", k.LastUsedAt.Format("2006-01-02")} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
	if strings.Contains(page, key) || strings.Contains(page, key[4:24]) {
		t.Error("the page shows the key again")
	}

	b.wantStatus(b.fetch("DELETE", keysPath+"/"+k.Key, ""), 204)
	p.wantInvalid(p.me())
	if n := len(b.keys()); n != 0 {
		t.Errorf("%d keys are listed after the revocation", n)
	}
	b.wantStatus(b.fetch("DELETE", keysPath+"/"+k.Key, ""), 404)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200)
}

// A key ends when its time is up, and no use makes that later. S22
func TestAccessKeyExpires(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	// The store goes by the test's clock as well.
	s := start(t, startOptions{auth: "store memory\naccess_keys {\nlifetime 100d\n}", sim: spotifytest.Options{Now: clock.Now}})
	b := s.newBrowser()
	b.login("")
	week, longest := s.program(b.createKey(keyForm("week", "life", "7d"))), s.program(b.createKey(keyForm("long")))
	for range 6 {
		clock.Advance(24 * time.Hour)
		week.wantStatus(week.me(), 200)
	}
	clock.Advance(24*time.Hour - time.Second)
	week.wantStatus(week.me(), 200)
	clock.Advance(time.Second)
	week.wantInvalid(week.me())
	// A key that nobody uses for longer than a session would last goes on.
	clock.Advance(92 * 24 * time.Hour)
	longest.wantStatus(longest.me(), 200)
	clock.Advance(24 * time.Hour)
	longest.wantInvalid(longest.me())
}

// A key does not keep its owner's session alive, and the session's end is not the
// key's. S21, P47
func TestAccessKeyAndSessionAreApart(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := start(t, startOptions{auth: "access_keys\nsession {\nidle 10h\n}\nstore memory", sim: spotifytest.Options{Now: clock.Now}})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a")))
	before := b.session().ExpiresAt
	// Not even with the session's cookie beside it.
	both := header("Cookie", "spotify_session="+b.sessionCookie())
	for range 9 {
		clock.Advance(time.Hour)
		p.wantStatus(p.do("GET", "/spotify/v1/me", "", both), 200)
	}
	if after := b.session().ExpiresAt; !after.Equal(before) {
		t.Errorf("the session ends at %s, and did at %s before the key was used", after, before)
	}
	clock.Advance(time.Hour)
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 401)
	p.wantStatus(p.me(), 200)

	b.login("")
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), 204)
	p.wantStatus(p.me(), 200)
}

// With a key no cookie counts: neither does it make up for a bad key, nor does its
// session's account come into it.
func TestAccessKeyBesideCookie(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	mira, jonas := s.newBrowser(), s.newBrowser()
	mira.login("mira")
	jonas.login("jonas")
	key := mira.createKey(keyForm("a"))
	if a := jonas.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer "+key)); !strings.Contains(a.body, `"mira"`) {
		t.Errorf("a key beside another's cookie: %s", a.body)
	}
	if a := jonas.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer anything")); !strings.Contains(a.body, `"jonas"`) {
		t.Errorf("a stock client's token beside a cookie: %s", a.body)
	}
	for _, bad := range []string{
		"Bearer spk_", "Bearer " + key + "A", "Bearer " + key[:46], "Bearer spk_" + strings.Repeat("A", 43), "Bearer spk_" + jonas.sessionCookie(),
		"Bearer " + key + ", Bearer " + key, "Bearer spk_" + strings.Repeat("x", 5000), "bearer spk_!",
	} {
		jonas.wantInvalid(jonas.fetch("GET", "/spotify/v1/me", "", header("Authorization", bad)))
		jonas.wantInvalid(jonas.do("POST", "/spotify/v1/me/player/next", "", header("Authorization", bad)))
	}
	two := func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + key, "Bearer x"} }
	jonas.wantInvalid(jonas.fetch("GET", "/spotify/v1/me", "", two))
	// A key is no cookie, with or without its prefix, and a cookie is no key.
	v := s.newBrowser()
	for _, value := range []string{key, key[4:]} {
		v.wantStatus(v.fetch("GET", "/spotify/v1/me", "", header("Cookie", "spotify_session="+value)), 401)
	}
	v.wantStatus(v.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer "+key[4:])), 401)
}

// A key opens the Web API and nothing else, its own endpoints least of all.
func TestAccessKeyOpensNothingElse(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys\nexpose_token\nrequire_login /app*"})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a")))
	p.wantStatus(p.me(), 200)
	if a := p.do("GET", "/spotify/session", ""); !strings.Contains(a.body, `"authenticated":false`) {
		t.Errorf("session: %s", a.body)
	}
	p.wantStatus(p.do("GET", keysPath, ""), 401)
	p.wantStatus(p.navigate(keysPath), 302)
	p.wantStatus(p.sendForm(keysPath, keyForm("b")), 401)
	p.wantStatus(p.do("DELETE", keysPath+"/"+b.keys()[0].Key, ""), 401)
	p.wantStatus(p.sendForm(keysPath+"/revoke", url.Values{"key": {b.keys()[0].Key}}), 401)
	p.wantStatus(p.do("POST", "/spotify/token", ""), 401)
	p.wantStatus(p.do("GET", "/app", ""), 401)
	p.wantStatus(p.do("POST", "/spotify/logout", ""), 204)
	p.wantStatus(p.me(), 200)
}

func TestAccessKeysAreOffByDefault(t *testing.T) {
	s := start(t, startOptions{})
	b := s.newBrowser()
	b.login("")
	for _, path := range []string{keysPath, keysPath + "/revoke", keysPath + "/0123456789ab"} {
		b.wantStatus(b.fetch("GET", path, ""), 404)
		b.wantStatus(b.navigate(path), 404)
		b.wantStatus(b.sendForm(path, keyForm("a")), 404)
	}
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer spk_"+strings.Repeat("A", 43))), 200)
	v := s.newBrowser()
	if e := v.wantStatus(v.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer spk_x")), 401).apiError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
}

// What a key may do is checked on the path that Spotify gets: the site's rules,
// those for all keys and the key's own hold together.
func TestAccessKeyPolicy(t *testing.T) {
	s := start(t, startOptions{auth: `allow /v1/me /v1/me/* /v1/search
		access_keys {
			allow GET /v1/me /v1/me/*
			allow PUT /v1/me/player/*
		}`})
	b := s.newBrowser()
	b.login("")
	all, some := s.program(b.createKey(keyForm("all"))), s.program(b.createKey(keyForm("some", "access", "rules", "rules", "GET /v1/me\r\n\r\n/v1/me/playlists /v1/search\n")))
	for _, c := range []struct {
		p            *browser
		method, path string
		ok           bool
	}{
		{all, "GET", "/v1/me", true}, {all, "GET", "/v1/me/playlists", true}, {all, "PUT", "/v1/me/player/pause", true},
		{all, "POST", "/v1/me/player/next", false}, {all, "GET", "/v1/search?q=x&type=track", false}, {all, "GET", "/v1/albums/1", false},
		{some, "GET", "/v1/me", true}, {some, "HEAD", "/v1/me", true}, {some, "GET", "/v1/me/playlists", true},
		{some, "GET", "/v1/me/top/artists", false}, {some, "PUT", "/v1/me/player/pause", false}, {some, "GET", "/v1/search?q=x&type=track", false},
		{some, "GET", "/v1/me/", false}, {some, "GET", "/v1/ME", false}, {some, "GET", "/v1/me%2570", false},
	} {
		s.sim.ForgetRequests()
		a := c.p.do(c.method, "/spotify"+c.path, "")
		if refused := a.Header.Get("Spotify-Proxy-Reason") == "not_allowed"; refused == c.ok || refused && a.StatusCode != 403 {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.StatusCode, a.body)
		}
		if n := len(s.sim.Requests()); (n > 0) != c.ok {
			t.Errorf("%s %s: Spotify was asked %d times", c.method, c.path, n)
		}
	}
}
