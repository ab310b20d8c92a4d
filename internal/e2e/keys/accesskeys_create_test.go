package keys_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// wantNoKey fails unless a way to a key ended on a page that says why, and there
// is none.
func wantNoKey(b *proxytest.Browser, a proxytest.Response, status int, reason string, says ...string) {
	b.T.Helper()
	b.WantStatus(a, status)
	if got := a.Header.Get("Spotify-Proxy-Reason"); got != reason {
		b.T.Errorf("reason %q, want %q", got, reason)
	}
	for _, text := range append(says, "<main>") {
		if !strings.Contains(a.Text, text) {
			b.T.Errorf("the page does not say %q: %s", text, a.Text)
		}
	}
	if strings.Contains(a.Text, "spk_") {
		b.T.Error("the page shows a key")
	}
}

// records returns how many files of each kind there are in the store.
func recordKinds(s *proxytest.Proxy) map[string]int {
	kinds := make(map[string]int)
	for path, content := range s.StoredSessions() {
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
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("mira")
	callback := b.AskForKey("jonas", proxytest.KeyForm("a", "show_dialog", "true"))
	a := b.ComeBack(callback)
	wantNoKey(b, a, http.StatusForbidden, "wrong_account", "No access key was created", proxytest.KeysPath+"?show_dialog=true")
	// The way back has Spotify ask, so that the account can be switched.
	if page := b.Navigate(proxytest.KeysPath + "?show_dialog=true"); !strings.Contains(page.Text, `name="show_dialog" value="true"`) {
		t.Errorf("the form does not have Spotify ask: %s", page.Text)
	}
	if kinds := recordKinds(s); !maps.Equal(kinds, map[string]int{"session": 1}) {
		t.Errorf("stored: %v", kinds)
	}
	if info := b.Session(); info.Account.DisplayName == "" || len(b.Keys()) != 0 {
		t.Errorf("session: %+v", info)
	}
	b.WantStatus(b.ComeBack(b.AskForKey("mira", proxytest.KeyForm("b", "show_dialog", "true"))), http.StatusOK)
}

func TestAccessKeyNotCreated(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	mira := func() *proxytest.Browser { b := s.NewBrowser(); b.Login("mira"); return b }
	ask := proxytest.KeyForm("a", "show_dialog", "true")

	b := mira()
	a := b.WantStatus(b.SendForm(proxytest.KeysPath, ask), http.StatusFound)
	a = b.ComeBack(spotifytest.Decline(t, b.Client, a.Header.Get("Location")))
	wantNoKey(b, a, http.StatusForbidden, "login_cancelled", "No access key was created", `href="/spotify/keys"`)

	b = mira()
	callback := b.AskForKey("mira", ask)
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), 204)
	wantNoKey(b, b.ComeBack(callback), http.StatusForbidden, "wrong_account", "You have logged out here")

	b = mira()
	callback = b.AskForKey("mira", ask)
	b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login?show_dialog=true", "jonas")), http.StatusSeeOther)
	wantNoKey(b, b.ComeBack(callback, proxytest.Header("Accept-Language", "de")), http.StatusForbidden, "wrong_account", "Es wurde kein Zugriffsschlüssel angelegt")

	b = mira()
	callback = b.AskForKey("mira", ask)
	in := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: spotifytest.ServerError})
	wantNoKey(b, b.ComeBack(callback), http.StatusBadGateway, "upstream_unavailable", `href="/spotify/keys"`)
	in.Clear()
	callback = b.AskForKey("mira", ask)
	in = s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.TokenServerError, Times: 1})
	wantNoKey(b, b.ComeBack(callback), http.StatusServiceUnavailable, "upstream_unavailable", `href="/spotify/keys"`)
	in.Clear()

	// L02: in another browser the same address is worth nothing.
	callback = b.AskForKey("mira", ask)
	thief := mira()
	wantNoKey(thief, thief.ComeBack(callback), http.StatusBadRequest, "login_expired")
	if kinds := recordKinds(s); kinds["key"]+kinds["index"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	b.WantStatus(b.ComeBack(callback), http.StatusOK)
	if kinds := recordKinds(s); kinds["key"] != 1 || kinds["index"] != 1 {
		t.Errorf("stored: %v", kinds)
	}
}

func TestAccessKeyLimit(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys {\nmax 3\n}"})
	b, other, jonas := s.NewBrowser(), s.NewBrowser(), s.NewBrowser()
	b.Login("mira")
	other.Login("mira")
	jonas.Login("jonas")
	var keys []string
	for i := range 2 {
		keys = append(keys, b.CreateKey(proxytest.KeyForm(fmt.Sprint(i))))
	}
	// Two are on their way to the last place.
	first, second := b.AskForKey("", proxytest.KeyForm("first")), other.AskForKey("", proxytest.KeyForm("second"))
	b.WantStatus(b.ComeBack(first), http.StatusOK)
	wantNoKey(other, other.ComeBack(second), http.StatusConflict, "too_many_keys", "Revoke one")
	wantNoKey(b, b.SendForm(proxytest.KeysPath, proxytest.KeyForm("a")), http.StatusConflict, "too_many_keys", `href="/spotify/keys"`)
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Contains(page, `id="create"`) || !strings.Contains(page, `id="full"`) {
		t.Errorf("the page: %s", page)
	}
	jonas.CreateKey(proxytest.KeyForm("another account's"))
	for _, k := range b.Keys() {
		if k.Name == "0" {
			b.WantStatus(b.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {k.Key}}), http.StatusSeeOther)
		}
	}
	p := s.Program(keys[0])
	wantInvalid(p, p.Me())
	b.CreateKey(proxytest.KeyForm("again"))
}

// However many are created at once, each is listed.
func TestAccessKeysCreatedAtOnce(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	const n = 4
	callbacks, browsers := make([]string, n), make([]*proxytest.Browser, n)
	for i := range n {
		browsers[i] = s.NewBrowser()
		browsers[i].Login("mira")
		callbacks[i] = browsers[i].AskForKey("", proxytest.KeyForm(fmt.Sprint(i)))
	}
	var wg sync.WaitGroup
	for i, b := range browsers {
		wg.Go(func() {
			if a := b.ComeBack(callbacks[i]); a.StatusCode != http.StatusOK {
				t.Errorf("key %d: %d %s", i, a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	if keys := browsers[0].Keys(); len(keys) != n {
		t.Errorf("listed: %+v", keys)
	}
}

// Others can neither see nor revoke a key.
func TestAccessKeysOfStrangers(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	mira, jonas := s.NewBrowser(), s.NewBrowser()
	mira.Login("mira")
	jonas.Login("jonas")
	p := s.Program(mira.CreateKey(proxytest.KeyForm("mira's")))
	ref := mira.Keys()[0].Key
	jonas.CreateKey(proxytest.KeyForm("jonas's"))
	if keys := jonas.Keys(); len(keys) != 1 || keys[0].Name != "jonas's" {
		t.Errorf("jonas sees %+v", keys)
	}
	if page := jonas.Navigate(proxytest.KeysPath).Text; strings.Contains(page, "mira") || strings.Contains(page, ref) {
		t.Errorf("jonas sees %s", page)
	}
	jonas.WantStatus(jonas.Fetch("DELETE", proxytest.KeysPath+"/"+ref, ""), 404)
	jonas.WantStatus(jonas.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {ref}}), 303)
	p.WantStatus(p.Me(), 200)
	// Nor can a session's own reference be used to end it so.
	own := jonas.Keys()[0].Key
	for ref := range references(s) {
		jonas.WantStatus(jonas.Fetch("DELETE", proxytest.KeysPath+"/"+ref, ""), map[bool]int{true: 204, false: 404}[ref == own])
	}
	p.WantStatus(p.Me(), 200)
	mira.WantStatus(mira.Fetch("GET", "/spotify/v1/me", ""), 200)
}

// refs returns the references of all records.
func references(s *proxytest.Proxy) map[string]bool {
	refs := make(map[string]bool)
	for path := range s.StoredSessions() {
		if _, name, ok := strings.Cut(path, "/sessions/"); ok && len(name) > 64 {
			refs[name[3:15]] = true
		}
	}
	return refs
}

// P45, P46: no page but the site's own creates, lists or revokes a key.
func TestAccessKeysCrossSite(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys\nallow_origin http://127.0.0.1:9"})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	ref := b.Keys()[0].Key
	for name, edits := range map[string][]proxytest.Edit{
		"another site":         {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://evil.example")},
		"a sibling":            {proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Origin", "https://sibling.example")},
		"an opaque origin":     {proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "null")},
		"an old browser":       {proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Origin", "https://evil.example")},
		"an old one's sandbox": {proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Sec-Fetch-Mode", ""), proxytest.Header("Origin", "null")},
		"an allowed origin":    {proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Origin", "http://127.0.0.1:9")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range []proxytest.Response{
				b.SendForm(proxytest.KeysPath, proxytest.KeyForm("x"), edits...),
				b.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {ref}}, edits...),
				b.Fetch("DELETE", proxytest.KeysPath+"/"+ref, "", edits...),
				b.Fetch("GET", proxytest.KeysPath, "", append(edits, proxytest.Header("Sec-Fetch-Mode", "cors"))...),
			} {
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
					t.Errorf("%s %s: %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.Text)
				}
				if cors := a.Header.Get("Access-Control-Allow-Origin"); cors != "" {
					t.Errorf("%s %s may be read by %s", a.Request.Method, a.Request.URL.Path, cors)
				}
			}
			if a := b.Do("OPTIONS", proxytest.KeysPath, "", append(edits, proxytest.Header("Access-Control-Request-Method", "DELETE"))...); a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the preflight: %v", a.Header)
			}
		})
	}
	if n := len(b.Keys()); n != 1 {
		t.Errorf("there are %d keys", n)
	}
	p.WantStatus(p.Me(), 200)
	// Anybody may link to the page. It is shown to the person alone.
	a := b.WantStatus(b.Navigate(proxytest.KeysPath, proxytest.Header("Sec-Fetch-Site", "cross-site")), 200)
	if a.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the page may be framed: %v", a.Header)
	}
}
