package keys_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// wantInvalid fails unless a key is refused as RFC 6750 §3.1 says, with the same
// reason in header and body (P54).
func wantInvalid(b *proxytest.Browser, a proxytest.Response) {
	b.T.Helper()
	if e := b.WantStatus(a, http.StatusUnauthorized).APIError(b.T); e.Reason != "invalid_access_key" || e.LoginURL != "" {
		b.T.Errorf("error: %+v", e)
	}
	if c := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(c, "Bearer ") || !strings.Contains(c, `error="invalid_token"`) {
		b.T.Errorf("WWW-Authenticate: %q", c)
	}
	if len(a.Header["Set-Cookie"]) > 0 {
		b.T.Errorf("cookies: %v", a.Header["Set-Cookie"])
	}
}

func TestAccessKey(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys", Sim: spotifytest.Options{Now: clock.Now}})
	b := s.NewBrowser()
	b.Login("mira")
	if n := len(b.Keys()); n != 0 {
		t.Errorf("there are %d keys already", n)
	}
	callback := b.AskForKey("", proxytest.KeyForm("My <b>script</b>", "access", "read", "life", "30d"))
	a := b.WantStatus(b.ComeBack(callback), http.StatusOK)
	key := proxytest.ShownKey.FindStringSubmatch(a.Text)[1]
	if !strings.Contains(a.Text, s.Origin+"/spotify/v1/") || !strings.Contains(a.Text, "&lt;b&gt;script&lt;/b&gt;") || strings.Contains(a.Text, "<b>script") {
		t.Errorf("the page with the key: %s", a.Text)
	}
	if cc, rp, csp := a.Header.Get("Cache-Control"), a.Header.Get("Referrer-Policy"), a.Header.Get("Content-Security-Policy"); cc != "no-store" || rp != "origin" || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the page with the key: %v", a.Header)
	}
	// Its script takes the callback's address, with its code, out of the history.
	if policy := a.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; script-src 'self'") ||
		strings.Count(a.Text, "<script") != 1 || !strings.Contains(a.Text, `<script src="/spotify/keys.js" referrerpolicy="no-referrer"></script>`) {
		t.Errorf("the script under %q: %s", policy, a.Text)
	}
	if list := b.Navigate(proxytest.KeysPath); strings.Contains(list.Text, "<script") || strings.Contains(list.Header.Get("Content-Security-Policy"), "script-src") {
		t.Error("the page of keys has a script")
	}
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("creating a key set the cookie %s", c.Name)
		}
	}

	// L15: coming back once more leads on and shows no key.
	a = b.WantStatus(b.ComeBack(callback), http.StatusSeeOther)
	if a.Header.Get("Location") != proxytest.KeysPath || strings.Contains(a.Text, key) {
		t.Errorf("the second callback leads to %q: %s", a.Header.Get("Location"), a.Text)
	}
	if n := len(s.Sim.Grants()); n != 2 {
		t.Errorf("there are %d grants, want the session's and the key's own", n)
	}

	p := s.Program(key)
	a = p.WantStatus(p.Me(), 200)
	if !strings.Contains(a.Text, `"mira"`) || len(a.Header["Set-Cookie"]) > 0 {
		t.Errorf("an answer to a key: %v %s", a.Header, a.Text)
	}
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Body: `{}`, Header: http.Header{"Vary": {"Accept"}}})
	if vary := strings.Join(p.WantStatus(p.Me(), 200).Header.Values("Vary"), ","); vary != "Accept,Cookie,Accept-Encoding,Authorization" {
		t.Errorf("Vary of a response to a key is %q", vary)
	}
	for _, r := range s.Sim.RequestsTo("/v1/me") {
		if len(r.Violations) > 0 || strings.Contains(r.Header.Get("Authorization"), "spk_") {
			t.Errorf("Spotify got %v, violations %v", r.Header, r.Violations)
		}
	}
	// Whatever the spelling of the scheme (RFC 9110 §11.1).
	p.WantStatus(p.Do("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "bearer  "+key)), 200)
	// GET is what it is for, and no page of another site's sends it behind
	// somebody's back, so it does not matter where a request comes from.
	p.WantStatus(p.Do("GET", "/spotify/v1/me", "", proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://elsewhere.example")), 200)
	if e := p.WantStatus(p.Do("PUT", "/spotify/v1/me/player/pause", ""), 403).APIError(t); e.Reason != "not_allowed" {
		t.Errorf("error: %+v", e)
	}

	clock.Advance(2 * time.Hour) // a refresh later
	p.WantStatus(p.Me(), 200)

	keys := b.Keys()
	if len(keys) != 1 {
		t.Fatalf("%d keys are listed", len(keys))
	}
	k := keys[0]
	if k.Name != "My <b>script</b>" || strings.Join(k.Allow, ";") != "GET /v1/*" || k.ExpiresAt.Sub(k.CreatedAt) != 30*24*time.Hour ||
		len(k.Scopes) != 7 || k.LastUsedAt == nil || !k.LastUsedAt.Equal(clock.Now().Truncate(time.Second)) {
		t.Errorf("listed: %+v", k)
	}
	page := b.WantStatus(b.Navigate(proxytest.KeysPath), 200).Text
	for _, want := range []string{html.EscapeString(k.Name), k.Key, k.ExpiresAt.Format("2006-01-02"), "GET /v1/*", k.LastUsedAt.Format("2006-01-02")} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
	if strings.Contains(page, key) || strings.Contains(page, key[4:24]) {
		t.Error("the page shows the key again")
	}

	b.WantStatus(b.Fetch("DELETE", proxytest.KeysPath+"/"+k.Key, ""), 204)
	wantInvalid(p, p.Me())
	if n := len(b.Keys()); n != 0 {
		t.Errorf("%d keys are listed after the revocation", n)
	}
	b.WantStatus(b.Fetch("DELETE", proxytest.KeysPath+"/"+k.Key, ""), 404)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
}

// A key ends when its time is up, and no use makes that later. S22
func TestAccessKeyExpires(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	// The store goes by the test's clock as well.
	s := proxytest.Start(t, proxytest.Options{Auth: "store memory\naccess_keys {\nlifetime 100d\n}", Sim: spotifytest.Options{Now: clock.Now}})
	b := s.NewBrowser()
	b.Login("")
	week, longest := s.Program(b.CreateKey(proxytest.KeyForm("week", "life", "7d"))), s.Program(b.CreateKey(proxytest.KeyForm("long")))
	for range 6 {
		clock.Advance(24 * time.Hour)
		week.WantStatus(week.Me(), 200)
	}
	clock.Advance(24*time.Hour - time.Second)
	week.WantStatus(week.Me(), 200)
	clock.Advance(time.Second)
	wantInvalid(week, week.Me())
	// A key that nobody uses for longer than a session would last goes on.
	clock.Advance(92 * 24 * time.Hour)
	longest.WantStatus(longest.Me(), 200)
	clock.Advance(24 * time.Hour)
	wantInvalid(longest, longest.Me())
}

// A key does not keep its owner's session alive, and the session's end is not the
// key's. S21, P47
func TestAccessKeyAndSessionAreApart(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys\nsession {\nidle 10h\n}\nstore memory", Sim: spotifytest.Options{Now: clock.Now}})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	before := b.Session().ExpiresAt
	// Not even with the session's cookie beside it.
	both := proxytest.Header("Cookie", "spotify_session="+b.SessionCookie())
	for range 9 {
		clock.Advance(time.Hour)
		p.WantStatus(p.Do("GET", "/spotify/v1/me", "", both), 200)
	}
	if after := b.Session().ExpiresAt; !after.Equal(before) {
		t.Errorf("the session ends at %s, and did at %s before the key was used", after, before)
	}
	clock.Advance(time.Hour)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 401)
	p.WantStatus(p.Me(), 200)

	b.Login("")
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), 204)
	p.WantStatus(p.Me(), 200)
}

// With a key no cookie counts: neither does it make up for a bad key, nor does its
// session's account come into it.
func TestAccessKeyBesideCookie(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	mira, jonas := s.NewBrowser(), s.NewBrowser()
	mira.Login("mira")
	jonas.Login("jonas")
	key := mira.CreateKey(proxytest.KeyForm("a"))
	if a := jonas.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer "+key)); !strings.Contains(a.Text, `"mira"`) {
		t.Errorf("a key beside another's cookie: %s", a.Text)
	}
	if a := jonas.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer anything")); !strings.Contains(a.Text, `"jonas"`) {
		t.Errorf("a stock client's token beside a cookie: %s", a.Text)
	}
	for _, bad := range []string{
		"Bearer spk_", "Bearer " + key + "A", "Bearer " + key[:46], "Bearer spk_" + strings.Repeat("A", 43), "Bearer spk_" + jonas.SessionCookie(),
		"Bearer " + key + ", Bearer " + key, "Bearer spk_" + strings.Repeat("x", 5000), "bearer spk_!",
	} {
		wantInvalid(jonas, jonas.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", bad)))
		wantInvalid(jonas, jonas.Do("POST", "/spotify/v1/me/player/next", "", proxytest.Header("Authorization", bad)))
	}
	two := func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + key, "Bearer x"} }
	wantInvalid(jonas, jonas.Fetch("GET", "/spotify/v1/me", "", two))
	// A key is no cookie, with or without its prefix, and a cookie is no key.
	v := s.NewBrowser()
	for _, value := range []string{key, key[4:]} {
		v.WantStatus(v.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Cookie", "spotify_session="+value)), 401)
	}
	v.WantStatus(v.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer "+key[4:])), 401)
}

// A key opens the Web API and nothing else, its own endpoints least of all.
func TestAccessKeyOpensNothingElse(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys\nexpose_token\nrequire_login /app*"})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	p.WantStatus(p.Me(), 200)
	if a := p.Do("GET", "/spotify/session", ""); !strings.Contains(a.Text, `"authenticated":false`) {
		t.Errorf("session: %s", a.Text)
	}
	p.WantStatus(p.Do("GET", proxytest.KeysPath, ""), 401)
	p.WantStatus(p.Navigate(proxytest.KeysPath), 302)
	p.WantStatus(p.SendForm(proxytest.KeysPath, proxytest.KeyForm("b")), 401)
	p.WantStatus(p.Do("DELETE", proxytest.KeysPath+"/"+b.Keys()[0].Key, ""), 401)
	p.WantStatus(p.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {b.Keys()[0].Key}}), 401)
	p.WantStatus(p.Do("POST", "/spotify/token", ""), 401)
	p.WantStatus(p.Do("GET", "/app", ""), 401)
	p.WantStatus(p.Do("POST", "/spotify/logout", ""), 204)
	p.WantStatus(p.Me(), 200)
}

func TestAccessKeysAreOffByDefault(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	for _, path := range []string{proxytest.KeysPath, proxytest.KeysPath + "/revoke", proxytest.KeysPath + "/0123456789ab"} {
		b.WantStatus(b.Fetch("GET", path, ""), 404)
		b.WantStatus(b.Navigate(path), 404)
		b.WantStatus(b.SendForm(path, proxytest.KeyForm("a")), 404)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer spk_"+strings.Repeat("A", 43))), 200)
	v := s.NewBrowser()
	if e := v.WantStatus(v.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer spk_x")), 401).APIError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
}

// What a key may do is checked on the path that Spotify gets: the site's rules,
// those for all keys and the key's own hold together.
func TestAccessKeyPolicy(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: `allow /v1/me /v1/me/* /v1/search
		access_keys {
			allow GET /v1/me /v1/me/*
			allow PUT /v1/me/player/*
		}`})
	b := s.NewBrowser()
	b.Login("")
	all, some := s.Program(b.CreateKey(proxytest.KeyForm("all"))), s.Program(b.CreateKey(proxytest.KeyForm("some", "access", "rules", "rules", "GET /v1/me\r\n\r\n/v1/me/playlists /v1/search\n")))
	for _, c := range []struct {
		p            *proxytest.Browser
		method, path string
		ok           bool
	}{
		{all, "GET", "/v1/me", true}, {all, "GET", "/v1/me/playlists", true}, {all, "PUT", "/v1/me/player/pause", true},
		{all, "POST", "/v1/me/player/next", false}, {all, "GET", "/v1/search?q=x&type=track", false}, {all, "GET", "/v1/albums/1", false},
		{some, "GET", "/v1/me", true}, {some, "HEAD", "/v1/me", true}, {some, "GET", "/v1/me/playlists", true},
		{some, "GET", "/v1/me/top/artists", false}, {some, "PUT", "/v1/me/player/pause", false}, {some, "GET", "/v1/search?q=x&type=track", false},
		{some, "GET", "/v1/me/", false}, {some, "GET", "/v1/ME", false}, {some, "GET", "/v1/me%2570", false},
	} {
		s.Sim.ForgetRequests()
		a := c.p.Do(c.method, "/spotify"+c.path, "")
		if refused := a.Header.Get("Spotify-Proxy-Reason") == "not_allowed"; refused == c.ok || refused && a.StatusCode != 403 {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.StatusCode, a.Text)
		}
		if n := len(s.Sim.Requests()); (n > 0) != c.ok {
			t.Errorf("%s %s: Spotify was asked %d times", c.method, c.path, n)
		}
	}
}
