package caddyspotify_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// wantNoKey fails unless a way to a key ended on a page that says why, and there
// is none.
func (b *browser) wantNoKey(a answer, status int, reason string, says ...string) {
	b.t.Helper()
	b.wantStatus(a, status)
	if got := a.Header.Get("Spotify-Proxy-Reason"); got != reason {
		b.t.Errorf("reason %q, want %q", got, reason)
	}
	for _, text := range append(says, "<main>") {
		if !strings.Contains(a.body, text) {
			b.t.Errorf("the page does not say %q: %s", text, a.body)
		}
	}
	if strings.Contains(a.body, "spk_") {
		b.t.Error("the page shows a key")
	}
}

// records returns how many files of each kind there are in the store.
func (s *setup) records() map[string]int {
	kinds := make(map[string]int)
	for path, content := range s.storedFiles() {
		switch {
		case !strings.Contains(path, "/sessions/"):
		case strings.Contains(content, `"kind":"key"`):
			kinds["key"]++
		case strings.Contains(content, `"kind":"key_index"`):
			kinds["index"]++
		default:
			kinds["session"]++
		}
	}
	return kinds
}

// A key is for the account that is logged in here, whoever is logged in at Spotify.
func TestAccessKeyOfAnotherAccount(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("mira")
	callback := b.askForKey("jonas", keyForm("a", "show_dialog", "true"))
	a := b.comeBack(callback)
	b.wantNoKey(a, http.StatusForbidden, "wrong_account", "No access key was created", keysPath+"?show_dialog=true")
	// The way back has Spotify ask, so that the account can be switched.
	if page := b.navigate(keysPath + "?show_dialog=true"); !strings.Contains(page.body, `name="show_dialog" value="true"`) {
		t.Errorf("the form does not have Spotify ask: %s", page.body)
	}
	if kinds := s.records(); !maps.Equal(kinds, map[string]int{"session": 1}) {
		t.Errorf("stored: %v", kinds)
	}
	if info := b.session(); info.Account.DisplayName == "" || len(b.keys()) != 0 {
		t.Errorf("session: %+v", info)
	}
	b.wantStatus(b.comeBack(b.askForKey("mira", keyForm("b", "show_dialog", "true"))), http.StatusOK)
}

func TestAccessKeyNotCreated(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	mira := func() *browser { b := s.newBrowser(); b.login("mira"); return b }
	ask := keyForm("a", "show_dialog", "true")

	b := mira()
	a := b.wantStatus(b.sendForm(keysPath, ask), http.StatusFound)
	a = b.comeBack(spotifytest.Decline(t, b.client, a.Header.Get("Location")))
	b.wantNoKey(a, http.StatusForbidden, "login_cancelled", "No access key was created", `href="/spotify/keys"`)

	b = mira()
	callback := b.askForKey("mira", ask)
	b.wantStatus(b.fetch("POST", "/spotify/logout", ""), 204)
	b.wantNoKey(b.comeBack(callback), http.StatusForbidden, "wrong_account", "You have logged out here")

	b = mira()
	callback = b.askForKey("mira", ask)
	b.wantStatus(b.comeBack(spotifytest.Approve(t, b.client, s.origin+"/spotify/login?show_dialog=true", "jonas")), http.StatusSeeOther)
	b.wantNoKey(b.comeBack(callback, header("Accept-Language", "de")), http.StatusForbidden, "wrong_account", "Es wurde kein Zugriffsschlüssel angelegt")

	b = mira()
	callback = b.askForKey("mira", ask)
	in := s.sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: spotifytest.ServerError, Times: 1})
	b.wantNoKey(b.comeBack(callback), http.StatusBadGateway, "upstream_unavailable", `href="/spotify/keys"`)
	in.Clear()
	callback = b.askForKey("mira", ask)
	in = s.sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.TokenServerError, Times: 1})
	b.wantNoKey(b.comeBack(callback), http.StatusServiceUnavailable, "upstream_unavailable", `href="/spotify/keys"`)
	in.Clear()

	// L02: in another browser the same address is worth nothing.
	callback = b.askForKey("mira", ask)
	thief := mira()
	thief.wantNoKey(thief.comeBack(callback), http.StatusBadRequest, "login_expired")
	if kinds := s.records(); kinds["key"]+kinds["index"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	b.wantStatus(b.comeBack(callback), http.StatusOK)
	if kinds := s.records(); kinds["key"] != 1 || kinds["index"] != 1 {
		t.Errorf("stored: %v", kinds)
	}
}

func TestAccessKeyLimit(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys {\nmax 3\n}"})
	b, other, jonas := s.newBrowser(), s.newBrowser(), s.newBrowser()
	b.login("mira")
	other.login("mira")
	jonas.login("jonas")
	var keys []string
	for i := range 2 {
		keys = append(keys, b.createKey(keyForm(fmt.Sprint(i))))
	}
	// Two are on their way to the last place.
	first, second := b.askForKey("", keyForm("first")), other.askForKey("", keyForm("second"))
	b.wantStatus(b.comeBack(first), http.StatusOK)
	other.wantNoKey(other.comeBack(second), http.StatusConflict, "too_many_keys", "Revoke one")
	b.wantNoKey(b.sendForm(keysPath, keyForm("a")), http.StatusConflict, "too_many_keys", `href="/spotify/keys"`)
	if page := b.navigate(keysPath).body; strings.Contains(page, `id="create"`) || !strings.Contains(page, `id="full"`) {
		t.Errorf("the page: %s", page)
	}
	jonas.createKey(keyForm("another account's"))
	for _, k := range b.keys() {
		if k.Name == "0" {
			b.wantStatus(b.sendForm(keysPath+"/revoke", url.Values{"key": {k.Key}}), http.StatusSeeOther)
		}
	}
	p := s.program(keys[0])
	p.wantInvalid(p.me())
	b.createKey(keyForm("again"))
}

// However many are created at once, each is listed.
func TestAccessKeysCreatedAtOnce(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	const n = 4
	callbacks, browsers := make([]string, n), make([]*browser, n)
	for i := range n {
		browsers[i] = s.newBrowser()
		browsers[i].login("mira")
		callbacks[i] = browsers[i].askForKey("", keyForm(fmt.Sprint(i)))
	}
	var wg sync.WaitGroup
	for i, b := range browsers {
		wg.Go(func() {
			if a := b.comeBack(callbacks[i]); a.StatusCode != http.StatusOK {
				t.Errorf("key %d: %d %s", i, a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if keys := browsers[0].keys(); len(keys) != n {
		t.Errorf("listed: %+v", keys)
	}
}

// Others can neither see nor revoke a key.
func TestAccessKeysOfStrangers(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	mira, jonas := s.newBrowser(), s.newBrowser()
	mira.login("mira")
	jonas.login("jonas")
	p := s.program(mira.createKey(keyForm("mira's")))
	ref := mira.keys()[0].Key
	jonas.createKey(keyForm("jonas's"))
	if keys := jonas.keys(); len(keys) != 1 || keys[0].Name != "jonas's" {
		t.Errorf("jonas sees %+v", keys)
	}
	if page := jonas.navigate(keysPath).body; strings.Contains(page, "mira") || strings.Contains(page, ref) {
		t.Errorf("jonas sees %s", page)
	}
	jonas.wantStatus(jonas.fetch("DELETE", keysPath+"/"+ref, ""), 404)
	jonas.wantStatus(jonas.sendForm(keysPath+"/revoke", url.Values{"key": {ref}}), 303)
	p.wantStatus(p.me(), 200)
	// Nor can a session's own reference be used to end it so.
	own := jonas.keys()[0].Key
	for ref := range s.refs() {
		jonas.wantStatus(jonas.fetch("DELETE", keysPath+"/"+ref, ""), map[bool]int{true: 204, false: 404}[ref == own])
	}
	p.wantStatus(p.me(), 200)
	mira.wantStatus(mira.fetch("GET", "/spotify/v1/me", ""), 200)
}

// refs returns the references of all records.
func (s *setup) refs() map[string]bool {
	refs := make(map[string]bool)
	for path := range s.storedFiles() {
		if _, name, ok := strings.Cut(path, "/sessions/"); ok && len(name) > 64 {
			refs[name[3:15]] = true
		}
	}
	return refs
}

// P45, P46: no page but the site's own creates, lists or revokes a key.
func TestAccessKeysCrossSite(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys\nallow_origin http://127.0.0.1:9"})
	b := s.newBrowser()
	b.login("mira")
	p := s.program(b.createKey(keyForm("a")))
	ref := b.keys()[0].Key
	for name, edits := range map[string][]edit{
		"another site":         {header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")},
		"a sibling":            {header("Sec-Fetch-Site", "same-site"), header("Origin", "https://sibling.example")},
		"an opaque origin":     {header("Sec-Fetch-Site", "cross-site"), header("Origin", "null")},
		"an old browser":       {header("Sec-Fetch-Site", ""), header("Sec-Fetch-Mode", ""), header("Origin", "https://evil.example")},
		"an old one's sandbox": {header("Sec-Fetch-Site", ""), header("Sec-Fetch-Mode", ""), header("Origin", "null")},
		"an allowed origin":    {header("Sec-Fetch-Site", "same-site"), header("Origin", "http://127.0.0.1:9")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range []answer{
				b.sendForm(keysPath, keyForm("x"), edits...),
				b.sendForm(keysPath+"/revoke", url.Values{"key": {ref}}, edits...),
				b.fetch("DELETE", keysPath+"/"+ref, "", edits...),
				b.fetch("GET", keysPath, "", append(edits, header("Sec-Fetch-Mode", "cors"))...),
			} {
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
					t.Errorf("%s %s: %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body)
				}
				if cors := a.Header.Get("Access-Control-Allow-Origin"); cors != "" {
					t.Errorf("%s %s may be read by %s", a.Request.Method, a.Request.URL.Path, cors)
				}
			}
			if a := b.do("OPTIONS", keysPath, "", append(edits, header("Access-Control-Request-Method", "DELETE"))...); a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the preflight: %v", a.Header)
			}
		})
	}
	if n := len(b.keys()); n != 1 {
		t.Errorf("there are %d keys", n)
	}
	p.wantStatus(p.me(), 200)
	// Anybody may link to the page. It is shown to the person alone.
	a := b.wantStatus(b.navigate(keysPath, header("Sec-Fetch-Site", "cross-site")), 200)
	if a.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the page may be framed: %v", a.Header)
	}
}

// P48: without a session a person is sent to log in and gets back to the page;
// code, and whoever sends a form, is told.
func TestAccessKeysWithoutSession(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.wantStatus(b.navigate(keysPath), http.StatusFound)
	a := b.comeBack(spotifytest.Approve(t, b.client, s.origin+"/spotify/login?return_to="+keysPath, ""))
	if b.wantStatus(a, 200); !strings.Contains(a.body, `href="`+keysPath+`"`) {
		t.Errorf("the login goes on to %s", a.body)
	}
	v := s.newBrowser()
	for _, a := range []answer{v.fetch("GET", keysPath, ""), v.fetch("POST", keysPath, ""), v.fetch("DELETE", keysPath+"/0123456789ab", "")} {
		if e := v.wantStatus(a, 401).apiError(t); e.Reason != "login_required" || e.LoginURL != "/spotify/login?return_to=%2Fspotify%2Fkeys" {
			t.Errorf("error: %+v", e)
		}
	}
	v.wantNoKey(v.sendForm(keysPath, keyForm("a")), 401, "login_required", `href="/spotify/login?return_to=%2Fspotify%2Fkeys"`)
	v.wantNoKey(v.sendForm(keysPath+"/revoke", url.Values{"key": {"0123456789ab"}}), 401, "login_required")

	// Code cannot create a key: Spotify has to be visited.
	if e := b.wantStatus(b.fetch("POST", keysPath, "name=a&life=max&access=all", header("Content-Type", "application/x-www-form-urlencoded")), 400).apiError(t); e.Reason != "bad_request" ||
		!strings.Contains(e.Message, s.origin+keysPath) {
		t.Errorf("error: %+v", e)
	}
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", keysPath, "GET, HEAD, POST"}, {"GET", keysPath + "/revoke", "POST"}, {"GET", keysPath + "/0123456789ab", "DELETE"},
	} {
		if a := b.wantStatus(b.fetch(c.method, c.path, ""), 405); a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q", c.method, c.path, a.Header.Get("Allow"))
		}
	}
	for _, path := range []string{keysPath + "/", keysPath + "/x", keysPath + "/0123456789AB", keysPath + "/0123456789ab/x", "/spotify/keysx"} {
		b.wantStatus(b.fetch("GET", path, ""), 404)
	}
	b.wantStatus(b.sendForm(keysPath+"/revoke", url.Values{"key": {"x"}}), 404)
}

// What was entered is kept, and the page says what is wrong with it.
func TestAccessKeyForm(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("")
	for _, c := range []struct {
		form  url.Values
		field string
		says  string
	}{
		{keyForm(""), "name", "Give the key a name"},
		{keyForm("   "), "name", "Give the key a name"},
		{keyForm(strings.Repeat("x", 61)), "name", "at most 60"},
		{keyForm("a\nb"), "name", "Give the key a name"},
		{keyForm("a\u202eb"), "name", "Give the key a name"},
		{keyForm("a\xff"), "name", "Give the key a name"},
		{keyForm("a", "life", "200d"), "life", "Choose one of the times"},
		{keyForm("a", "life", ""), "life", "Choose one of the times"},
		{keyForm("a", "access", "more"), "access", "Choose what the key may do"},
		{keyForm("a", "access", "rules"), "rules", "List what the key may do"},
		{keyForm("a", "access", "rules", "rules", "GET /me"), "rules", "&#34;/me&#34; is not the Web API&#39;s"},
		{keyForm("a", "access", "rules", "rules", "GET /v1/me\nFETCH /v1/me"), "rules", "&#34;FETCH&#34;"},
		{keyForm("a", "access", "rules", "rules", "GET"), "rules", "names no path"},
		{keyForm("a", "access", "rules", "rules", "GET /v1/"+strings.Repeat("x", 900)), "rules", "too long"},
		{url.Values{}, "name", "Give the key a name"},
	} {
		a := b.wantStatus(b.sendForm(keysPath, c.form), http.StatusBadRequest)
		if !strings.Contains(a.body, c.says) || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%v: the page does not say %q: %s", c.form, c.says, a.body)
		}
		if c.field != "access" && !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("%v: the page marks no field", c.form)
		}
	}
	form := keyForm(`<script>"x"`, "access", "rules", "rules", "GET <b>", "life", "7d")
	a := b.wantStatus(b.sendForm(keysPath, form), http.StatusBadRequest)
	for _, want := range []string{`value="&lt;script&gt;&#34;x&#34;"`, "GET &lt;b&gt;</textarea>", `value="7d" selected`, `value="rules" checked`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the form has lost %q: %s", want, a.body)
		}
	}
	if german := b.sendForm(keysPath, form, header("Accept-Language", "de")); !strings.Contains(german.body, "Der Schlüssel wurde nicht angelegt.") || !strings.Contains(german.body, `<html lang="de">`) {
		t.Errorf("in German: %s", german.body)
	}
	b.wantStatus(b.sendForm(keysPath, keyForm("a", "rules", strings.Repeat("x", 20<<10))), http.StatusBadRequest)
	if kinds := s.records(); kinds["key"]+kinds["index"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	// Names are people's own.
	b.createKey(keyForm("Große Schlüssel 鍵 🗝"))
	if keys := b.keys(); keys[0].Name != "Große Schlüssel 鍵 🗝" {
		t.Errorf("the name is %q", keys[0].Name)
	}
}

// O55: what waits in the browser for a key to be created stays small, and there is
// one at a time.
func TestPendingKeyIsBounded(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("")
	rules := strings.TrimSpace(strings.Repeat("GET /v1/me/a\n", 69))
	form := keyForm(strings.Repeat("鍵", 60), "access", "rules", "rules", rules)
	for range 5 {
		b.wantStatus(b.sendForm(keysPath, form), http.StatusFound)
	}
	pending, size := 0, 0
	for name, value := range b.cookies() {
		if strings.HasPrefix(name, "spotify_login_") && name != "spotify_login_done" {
			pending++
			size = max(size, len(name)+len(value))
		}
	}
	if pending != 1 || size > 2500 {
		t.Errorf("%d logins are pending, with a cookie of %d bytes", pending, size)
	}
	p := s.program(b.createKey(form))
	p.wantStatus(p.me(), 403)
}

// What the browser kept is checked as if it came anew.
func TestPendingKeyIsNotTrusted(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys {\nlifetime 10d\n}"})
	b := s.newBrowser()
	b.login("mira")
	account := b.session().Account.ID
	// forge replaces the details of the pending login in the cookies.
	forge := func(details string) edit {
		var all []string
		for name, value := range b.cookies() {
			if parts := strings.Split(value, "."); strings.HasPrefix(name, "spotify_login_") && len(parts) == 5 {
				parts[4] = base64.RawURLEncoding.EncodeToString([]byte(details))
				value = strings.Join(parts, ".")
			}
			all = append(all, name+"="+value)
		}
		return func(r *http.Request) { r.Header.Set("Cookie", strings.Join(all, "; ")) }
	}
	b.client.Jar = nil
	withJar := func(f func()) { b.client.Jar = b.jar; f(); b.client.Jar = nil }
	for _, c := range []struct {
		details string
		status  int
	}{
		{``, 400}, {`{}`, 400}, {`[]`, 400}, {`{"u":"` + account + `","n":"x","e":60,"a":"GET /x"}`, 400}, {`{"u":"` + account + `","n":"x","e":60,"a":"\n"}`, 400},
		{`{"u":"` + account + `","n":"` + strings.Repeat("x", 61) + `","e":60}`, 400}, {`{"u":"` + account + `","n":"a\u202e","e":60}`, 400},
		{`{"u":"` + account + `","n":"x","a":"` + strings.Repeat("GET /v1/me\\n", 100) + `"}`, 400},
		{`{"u":"somebody-else","n":"x","e":60}`, 403}, {`{"u":"","n":"x","e":60}`, 400},
		{strings.Repeat(" ", 5000) + `{"u":"` + account + `","n":"x","e":60}`, 400},
	} {
		var callback string
		withJar(func() { callback = b.askForKey("", keyForm("a")) })
		b.wantStatus(b.comeBack(callback, forge(c.details)), c.status)
	}
	if kinds := s.records(); kinds["key"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	for _, life := range []string{"99999999999", "9223372036854775807", "864001"} {
		var callback string
		withJar(func() { callback = b.askForKey("", keyForm("a")) })
		b.wantStatus(b.comeBack(callback, forge(`{"u":"`+account+`","n":"x","e":`+life+`}`)), 200)
	}
	b.client.Jar = b.jar
	for _, k := range b.keys() {
		if d := k.ExpiresAt.Sub(k.CreatedAt); d <= 0 || d.Hours() > 240 {
			t.Errorf("a key for %s", d)
		}
	}
}

// With a strict cookie, which does not come along on the way back from Spotify,
// keys can be created all the same.
func TestAccessKeyWithStrictCookie(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys\nsession {\nsame_site strict\n}"})
	b := s.newBrowser()
	b.wantStatus(b.comeBack(spotifytest.Approve(t, b.client, s.origin+"/spotify/login", "mira")), http.StatusOK)
	callback := b.askForKey("", keyForm("a"))
	cookies := b.cookies()
	var sent []string
	for name, value := range cookies {
		if name != "spotify_session" {
			sent = append(sent, name+"="+value)
		}
	}
	b.client.Jar = nil
	a := b.wantStatus(b.comeBack(callback, header("Cookie", strings.Join(sent, "; "))), 200)
	p := s.program(shownKey.FindStringSubmatch(a.body)[1])
	p.wantStatus(p.me(), 200)
	// With a lax one, there not being one means that somebody logged out.
	s.options = "access_keys"
	s.load("")
	b.client.Jar = b.jar
	b.session() // the connection of before the reload is gone
	callback = b.askForKey("", keyForm("b"))
	sent = slices.DeleteFunc(strings.Split(cookieHeader(b.cookies()), "; "), func(c string) bool { return strings.HasPrefix(c, "spotify_session=") })
	b.client.Jar = nil
	b.wantNoKey(b.comeBack(callback, header("Cookie", strings.Join(sent, "; "))), 403, "wrong_account")
}

func cookieHeader(cookies map[string]string) string {
	var all []string
	for name, value := range cookies {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}
