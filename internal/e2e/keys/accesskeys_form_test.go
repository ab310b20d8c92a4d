package keys_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// P48: without a session a person is sent to log in and gets back to the page;
// code, and whoever sends a form, is told.
func TestAccessKeysWithoutSession(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.WantStatus(b.Navigate(proxytest.KeysPath), http.StatusFound)
	a := b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?return_to="+proxytest.KeysPath, ""))
	if b.WantStatus(a, 200); !strings.Contains(a.Text, `href="`+proxytest.KeysPath+`"`) {
		t.Errorf("the login goes on to %s", a.Text)
	}
	v := s.NewBrowser()
	for _, a := range []proxytest.Response{v.Fetch("GET", proxytest.KeysPath, ""), v.Fetch("POST", proxytest.KeysPath, ""), v.Fetch("DELETE", proxytest.KeysPath+"/0123456789ab", "")} {
		if e := v.WantStatus(a, 401).APIError(t); e.Reason != "login_required" || e.LoginURL != "/spotify/login?return_to=%2Fspotify%2Fkeys" {
			t.Errorf("error: %+v", e)
		}
	}
	wantNoKey(v, v.SendForm(proxytest.KeysPath, proxytest.KeyForm("a")), 401, "login_required", `href="/spotify/login?return_to=%2Fspotify%2Fkeys"`)
	wantNoKey(v, v.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {"0123456789ab"}}), 401, "login_required")

	// Code cannot create a key: Spotify has to be visited.
	if e := b.WantStatus(b.Fetch("POST", proxytest.KeysPath, "name=a&life=max&access=all", proxytest.Header("Content-Type", "application/x-www-form-urlencoded")), 400).APIError(t); e.Reason != "bad_request" ||
		!strings.Contains(e.Message, s.Origin+proxytest.KeysPath) {
		t.Errorf("error: %+v", e)
	}
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", proxytest.KeysPath, "GET, HEAD, POST"}, {"GET", proxytest.KeysPath + "/revoke", "POST"}, {"GET", proxytest.KeysPath + "/0123456789ab", "DELETE"},
	} {
		if a := b.WantStatus(b.Fetch(c.method, c.path, ""), 405); a.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q", c.method, c.path, a.Header.Get("Allow"))
		}
	}
	for _, path := range []string{proxytest.KeysPath + "/", proxytest.KeysPath + "/x", proxytest.KeysPath + "/0123456789AB", proxytest.KeysPath + "/0123456789ab/x", "/spotify/keysx"} {
		b.WantStatus(b.Fetch("GET", path, ""), 404)
	}
	b.WantStatus(b.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {"x"}}), 404)
}

// What was entered is kept, and the page says what is wrong with it.
func TestAccessKeyForm(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	for _, c := range []struct {
		form  url.Values
		field string
		says  string
	}{
		{proxytest.KeyForm(""), "name", "Give the key a name"},
		{proxytest.KeyForm("   "), "name", "Give the key a name"},
		{proxytest.KeyForm(strings.Repeat("x", 61)), "name", "at most 60"},
		{proxytest.KeyForm("a\nb"), "name", "Give the key a name"},
		{proxytest.KeyForm("a\u202eb"), "name", "Give the key a name"},
		{proxytest.KeyForm("a\u061cb"), "name", "Give the key a name"},
		{proxytest.KeyForm("\u3164"), "name", "Give the key a name"},
		{proxytest.KeyForm("a\xff"), "name", "Give the key a name"},
		{proxytest.KeyForm("a", "life", "200d"), "life", "Choose one of the times"},
		{proxytest.KeyForm("a", "life", ""), "life", "Choose one of the times"},
		{proxytest.KeyForm("a", "access", "more"), "access", "Choose what the key may do"},
		{proxytest.KeyForm("a", "access", "read", "rules", "GET /v1/me"), "access", "You listed requests, but chose something else"},
		{proxytest.KeyForm("a", "access", "all", "rules", "GET /v1/me"), "access", "You listed requests, but chose something else"},
		{proxytest.KeyForm("a", "access", "rules"), "rules", "List what the key may do"},
		{proxytest.KeyForm("a", "access", "rules", "rules", "GET /me"), "rules", "Line 1: the path is not the Web API&#39;s"},
		{proxytest.KeyForm("a", "access", "rules", "rules", "GET /v1/me\nFETCH /v1/me"), "rules", "Line 2: a word is neither a method of the Web API nor a path"},
		{proxytest.KeyForm("a", "access", "rules", "rules", "GET"), "rules", "names no path"},
		{proxytest.KeyForm("a", "access", "rules", "rules", "GET /v1/"+strings.Repeat("x", 900)), "rules", "too long"},
		{url.Values{}, "name", "Give the key a name"},
	} {
		a := b.WantStatus(b.SendForm(proxytest.KeysPath, c.form), http.StatusBadRequest)
		if !strings.Contains(a.Text, c.says) || !strings.Contains(a.Text, `role="alert"`) {
			t.Errorf("%v: the page does not say %q: %s", c.form, c.says, a.Text)
		}
		if c.field != "access" && !strings.Contains(a.Text, `aria-invalid="true"`) {
			t.Errorf("%v: the page marks no field", c.form)
		}
	}
	form := proxytest.KeyForm(`<script>"x"`, "access", "rules", "rules", "GET <b>", "life", "7d")
	a := b.WantStatus(b.SendForm(proxytest.KeysPath, form), http.StatusBadRequest)
	for _, want := range []string{`value="&lt;script&gt;&#34;x&#34;"`, "GET &lt;b&gt;</textarea>", `value="7d" selected`, `value="rules" checked`} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("the form has lost %q: %s", want, a.Text)
		}
	}
	if german := b.SendForm(proxytest.KeysPath, form, proxytest.Header("Accept-Language", "de")); !strings.Contains(german.Text, "Der Schlüssel wurde nicht angelegt.") || !strings.Contains(german.Text, `<html lang="de">`) {
		t.Errorf("in German: %s", german.Text)
	}
	b.WantStatus(b.SendForm(proxytest.KeysPath, proxytest.KeyForm("a", "rules", strings.Repeat("x", 20<<10))), http.StatusBadRequest)
	if kinds := recordKinds(s); kinds["key"]+kinds["index"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	// Names are people's own.
	b.CreateKey(proxytest.KeyForm("Große Schlüssel 鍵 🗝"))
	if keys := b.Keys(); keys[0].Name != "Große Schlüssel 鍵 🗝" {
		t.Errorf("the name is %q", keys[0].Name)
	}
}

// O55, L18: what waits in the browser for a key to be created stays small, and there is
// one at a time.
func TestPendingKeyIsBounded(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	rules := strings.TrimSpace(strings.Repeat("GET /v1/me/a\n", 69))
	form := proxytest.KeyForm(strings.Repeat("鍵", 60), "access", "rules", "rules", rules)
	for range 5 {
		b.WantStatus(b.SendForm(proxytest.KeysPath, form), http.StatusFound)
	}
	pending, size := 0, 0
	for name, value := range b.Cookies() {
		if strings.HasPrefix(name, "spotify_login_") && name != "spotify_login_done" {
			pending++
			size = max(size, len(name)+len(value))
		}
	}
	if pending != 1 || size > 2500 {
		t.Errorf("%d logins are pending, with a cookie of %d bytes", pending, size)
	}
	p := s.Program(b.CreateKey(form))
	p.WantStatus(p.Me(), 403)
}

// L18: rules full of what JSON or HTML would escape fit as well, or are refused before
// the person goes to Spotify for nothing.
func TestPendingKeyWithOddRules(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	b.CreateKey(proxytest.KeyForm("odd", "access", "rules", "rules", "/v1/"+strings.Repeat("<", 890)))
	a := b.SendForm(proxytest.KeysPath, proxytest.KeyForm("odder", "access", "rules", "rules", "/v1/"+strings.Repeat(`"`, 890)))
	if b.WantStatus(a, http.StatusBadRequest); len(a.Cookies()) > 0 {
		t.Errorf("cookies %q", a.Header["Set-Cookie"])
	}
}

// What the browser kept is checked as if it came again.
func TestPendingKeyIsNotTrusted(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys {\nlifetime 10d\n}"})
	b := s.NewBrowser()
	b.Login("mira")
	account := b.Session().Account.ID
	// forge replaces the details of the pending login in the cookies.
	forge := func(details string) proxytest.Edit {
		var all []string
		for name, value := range b.Cookies() {
			if parts := strings.Split(value, "."); strings.HasPrefix(name, "spotify_login_") && len(parts) == 5 {
				parts[4] = base64.RawURLEncoding.EncodeToString([]byte(details))
				value = strings.Join(parts, ".")
			}
			all = append(all, name+"="+value)
		}
		return func(r *http.Request) { r.Header.Set("Cookie", strings.Join(all, "; ")) }
	}
	b.Client.Jar = nil
	withJar := func(f func()) { b.Client.Jar = b.Jar; f(); b.Client.Jar = nil }
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
		withJar(func() { callback = b.AskForKey("", proxytest.KeyForm("a")) })
		b.WantStatus(b.ComeBack(callback, forge(c.details)), c.status)
	}
	if kinds := recordKinds(s); kinds["key"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	for _, life := range []string{"99999999999", "9223372036854775807", "864001"} {
		var callback string
		withJar(func() { callback = b.AskForKey("", proxytest.KeyForm("a")) })
		b.WantStatus(b.ComeBack(callback, forge(`{"u":"`+account+`","n":"x","e":`+life+`}`)), 200)
	}
	b.Client.Jar = b.Jar
	for _, k := range b.Keys() {
		if d := k.ExpiresAt.Sub(k.CreatedAt); d <= 0 || d.Hours() > 240 {
			t.Errorf("a key for %s", d)
		}
	}
}

// With a strict cookie, which does not come along on the way back from Spotify,
// keys can be created all the same.
func TestAccessKeyWithStrictCookie(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys\nsession {\nsame_site strict\n}"})
	b := s.NewBrowser()
	b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "mira")), http.StatusOK)
	callback := b.AskForKey("", proxytest.KeyForm("a"))
	cookies := b.Cookies()
	var sent []string
	for name, value := range cookies {
		if name != "spotify_session" {
			sent = append(sent, name+"="+value)
		}
	}
	b.Client.Jar = nil
	a := b.WantStatus(b.ComeBack(callback, proxytest.Header("Cookie", strings.Join(sent, "; "))), 200)
	p := s.Program(proxytest.ShownKey.FindStringSubmatch(a.Text)[1])
	p.WantStatus(p.Me(), 200)
	// With a lax one, there not being one means that somebody logged out.
	s.Auth = "access_keys"
	s.Load("")
	b.Client.Jar = b.Jar
	b.Session() // the connection of before the reload is gone
	callback = b.AskForKey("", proxytest.KeyForm("b"))
	sent = slices.DeleteFunc(strings.Split(cookieHeader(b.Cookies()), "; "), func(c string) bool { return strings.HasPrefix(c, "spotify_session=") })
	b.Client.Jar = nil
	wantNoKey(b, b.ComeBack(callback, proxytest.Header("Cookie", strings.Join(sent, "; "))), 403, "wrong_account")
}

func cookieHeader(cookies map[string]string) string {
	var all []string
	for name, value := range cookies {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

// A key does not live longer than its owner meant it to: the form offers 30 days
// first, or all there is if that is less.
func TestUsualLifeOfAKey(t *testing.T) {
	for lifetime, want := range map[string]string{"180d": "30d", "31d": "30d", "30d": "max", "1h": "max"} {
		s := proxytest.Start(t, proxytest.Options{Auth: "access_keys {\nlifetime " + lifetime + "\n}"})
		b := s.NewBrowser()
		b.Login("")
		if page := b.WantStatus(b.Navigate(proxytest.KeysPath), http.StatusOK).Text; !strings.Contains(page, `value="`+want+`" selected`) || strings.Count(page, " selected>") != 1 {
			t.Errorf("lifetime %s: not %s is offered first: %s", lifetime, want, page)
		}
	}
}
