package upstream_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const translatedHeader = "Spotify-Proxy-Translated"

// inDevelopmentMode is a proxy for an app in development mode that may do all that the
// tests do.
func inDevelopmentMode(t *testing.T, auth string) *proxytest.Proxy {
	t.Helper()
	return proxytest.Start(t, proxytest.Options{
		Sim:  spotifytest.Options{Mode: spotifytest.Development},
		Auth: "optional_scopes user-library-read user-library-modify user-follow-read user-follow-modify playlist-modify-public\n" + auth,
	})
}

// withAllScopes logs in with the optional scopes, too.
func withAllScopes(s *proxytest.Proxy) *proxytest.Browser {
	b := s.NewBrowser()
	b.WantStatus(b.ComeBack(spotifytest.Approve(s.T, b.Client, s.Origin+
		"/spotify/login?scope=user-library-read+user-library-modify+user-follow-read+user-follow-modify+playlist-modify-public", "mira")), http.StatusSeeOther)
	return b
}

// member returns what is at a path of names in a JSON object, or nil.
func member(t *testing.T, text string, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	for _, name := range path {
		if list, ok := v.([]any); ok {
			if len(list) == 0 {
				return nil
			}
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// sent counts the requests for the Web API so far that begin with a path.
func sent(s *proxytest.Proxy, path string) int { return len(s.Sim.RequestsTo(path)) }

// A client of the old forms reads and changes playlists and the library of an app in
// development mode, and each request is one request, after the first.
//
// T02, T03, T04
func TestOldFormsInDevelopmentMode(t *testing.T) {
	s := inDevelopmentMode(t, "")
	b := withAllScopes(s)
	track, _ := member(t, b.Fetch("GET", "/spotify/v1/me/top/tracks?limit=1", "").Text, "items", "id").(string)
	do := func(method, target, body string, status int, operation string) proxytest.Response {
		t.Helper()
		a := b.WantStatus(b.Fetch(method, "/spotify"+target, body, proxytest.Header("Content-Type", "application/json")), status)
		if got := a.Header.Get(translatedHeader); got != operation {
			t.Errorf("%s %s: %s is %q, want %q", method, target, translatedHeader, got, operation)
		}
		return a
	}

	// Whose playlist it is must be the caller.
	made := do("POST", "/v1/users/mira/playlists", `{"name":"Old","public":false}`, http.StatusCreated, "POST /me/playlists")
	id, _ := member(t, made.Text, "id").(string)
	if member(t, made.Text, "tracks") == nil {
		t.Errorf("a new playlist has no tracks: %s", made.Text)
	}
	do("POST", "/v1/users/jonas/playlists", `{"name":"Old"}`, http.StatusForbidden, "")
	do("POST", "/v1/playlists/"+id+"/tracks", `{"uris":["spotify:track:`+track+`"]}`, http.StatusCreated, "POST /playlists/{playlist_id}/items")
	page := do("GET", "/v1/playlists/"+id+"/tracks?limit=1", "", http.StatusOK, "GET /playlists/{playlist_id}/items")
	if got := member(t, page.Text, "items", "track", "id"); got != track {
		t.Errorf("the playlist has %v: %s", got, page.Text)
	}
	if href, _ := member(t, page.Text, "href").(string); !strings.HasPrefix(href, s.Origin+"/spotify/v1/playlists/"+id+"/tracks") {
		t.Errorf("the page is at %s", href)
	}
	if page.Header.Get("Deprecation") == "" {
		t.Error("the old form is not called deprecated")
	}
	do("DELETE", "/v1/playlists/"+id+"/tracks", `{"tracks":[{"uri":"spotify:track:`+track+`"}]}`, http.StatusOK, "DELETE /playlists/{playlist_id}/items")

	do("PUT", "/v1/me/tracks", `{"ids":["`+track+`"]}`, http.StatusOK, "PUT /me/library")
	has := do("GET", "/v1/me/tracks/contains?ids="+track, "", http.StatusOK, "GET /me/library/contains")
	do("DELETE", "/v1/me/tracks?ids="+track, "", http.StatusOK, "DELETE /me/library")
	hasNot := do("GET", "/v1/me/tracks/contains?ids="+track, "", http.StatusOK, "GET /me/library/contains")
	if strings.TrimSpace(has.Text) != "[true]" || strings.TrimSpace(hasNot.Text) != "[false]" {
		t.Errorf("saved: %s, removed: %s", has.Text, hasNot.Text)
	}
	do("GET", "/v1/search?q=radio&type=track&limit=50", "", http.StatusOK, "GET /search")

	// The pages of a long list follow each other in the old form, one request each.
	before := sent(s, "/v1/")
	next := "/spotify/v1/users/mira/playlists?limit=5"
	pages := 0
	for ; next != ""; pages++ {
		if !strings.HasPrefix(strings.TrimPrefix(next, s.Origin), "/spotify/v1/users/mira/playlists") {
			t.Fatalf("the next page is at %s", next)
		}
		a := b.WantStatus(b.Fetch("GET", next, ""), http.StatusOK)
		if member(t, a.Text, "items", "tracks", "total") == nil {
			t.Errorf("playlists without tracks: %.300s", a.Text)
		}
		next, _ = member(t, a.Text, "next").(string)
	}
	if got := sent(s, "/v1/") - before; pages < 2 || got != pages+1 {
		t.Errorf("%d pages were %d requests", pages, got)
	}

	// What was learned outlives a reload.
	s.Load("# again")
	before = sent(s, "/v1/")
	do("GET", "/v1/me/tracks/contains?ids="+track, "", http.StatusOK, "GET /me/library/contains")
	if got := sent(s, "/v1/") - before; got != 1 {
		t.Errorf("after a reload it is %d requests", got)
	}
	if odd := s.Sim.Violations(); len(odd) > 0 {
		t.Errorf("the simulator was sent what it must not be: %v", odd)
	}
}

// A client of the new forms gets the same bytes with translation and without, while
// another visitor's uses the old forms. A client that has used them gets tracks.
//
// T01, T03
func TestNewFormsAreLeftAlone(t *testing.T) {
	s := inDevelopmentMode(t, "")
	old, current := withAllScopes(s), withAllScopes(s)
	id, _ := member(t, current.Fetch("GET", "/spotify/v1/me/playlists?limit=1", "").Text, "items", "id").(string)
	targets := []string{
		"/v1/me", "/v1/me/playlists", "/v1/playlists/" + id, "/v1/playlists/" + id + "?fields=items(total)", "/v1/playlists/" + id + "/items?limit=3",
		"/v1/search?q=radio&type=track,playlist&limit=5", "/v1/me/tracks?limit=3", "/v1/me/library/contains?uris=spotify:playlist:" + id,
	}
	fetch := func(b *proxytest.Browser) map[string]string {
		all := make(map[string]string)
		for _, target := range targets {
			a := b.WantStatus(b.Fetch("GET", "/spotify"+target, ""), http.StatusOK)
			if b == current && a.Header.Get(translatedHeader) != "" {
				t.Errorf("%s is said to be translated", target)
			}
			all[target] = a.Text
		}
		return all
	}
	playlist := "/v1/playlists/" + id
	if member(t, fetch(old)[playlist], "tracks") != nil {
		t.Error("a playlist has tracks before anybody has used an old form")
	}
	old.WantStatus(old.Fetch("GET", "/spotify/v1/playlists/"+id+"/tracks", ""), http.StatusOK)
	on, of := fetch(current), fetch(old)
	// A client library sends a token of its own. It gets tracks until it sends a new form.
	library, token := withAllScopes(s), proxytest.Header("Authorization", "Bearer its-own")
	for _, want := range []bool{true, false} {
		if a := library.Fetch("GET", "/spotify"+playlist, "", token); (member(t, a.Text, "tracks") != nil) != want {
			t.Errorf("for a client library tracks is there: %v; %s", !want, a.Text)
		}
		library.WantStatus(library.Fetch("GET", "/spotify/v1/playlists/"+id+"/items", "", token), http.StatusOK)
	}
	s.Auth += "\ntranslate off"
	s.Load("")
	off := fetch(current)
	for _, target := range targets {
		if on[target] != off[target] {
			t.Errorf("%s: %s\nwith translation, and without\n%s", target, on[target], off[target])
		}
	}
	if member(t, of[playlist], "tracks", "items", "track") == nil || member(t, of["/v1/me/playlists"], "items", "tracks") == nil {
		t.Errorf("the client of the old forms gets no tracks: %s", of[playlist])
	}
	if a := old.WantStatus(old.Fetch("GET", "/spotify/v1/playlists/"+id+"/tracks", ""), http.StatusForbidden); a.Header.Get(translatedHeader) != "" {
		t.Errorf("with translation off: %v", a.Header)
	}
	s.Auth = strings.ReplaceAll(s.Auth, "translate off", "translate playlists")
	s.Load("")
	fresh := withAllScopes(s)
	if a := fresh.Fetch("GET", "/spotify"+playlist, ""); member(t, a.Text, "tracks") == nil || a.Header.Get(translatedHeader) == "" {
		t.Errorf("with translate playlists: %s", a.Text)
	}
}

// An access key whose rules have the old form alone gets no more by it, and one whose
// scopes do not reach is told which it lacks.
//
// T03
func TestTranslationKeepsToRulesAndScopes(t *testing.T) {
	s := inDevelopmentMode(t, "access_keys")
	b := withAllScopes(s)
	track, _ := member(t, b.Fetch("GET", "/spotify/v1/me/top/tracks?limit=1", "").Text, "items", "id").(string)
	narrow := s.Program(b.CreateKey(proxytest.KeyForm("narrow", "access", "rules", "rules", "PUT /v1/me/tracks")))
	wide := s.Program(b.CreateKey(proxytest.KeyForm("wide", "access", "rules", "rules", "PUT /v1/me/tracks\nPUT /v1/me/library")))
	save := "/spotify/v1/me/tracks?ids=" + track
	for range 2 {
		a := narrow.WantStatus(narrow.Do("PUT", save, ""), http.StatusForbidden)
		if a.Header.Get(translatedHeader) != "" || sent(s, "/v1/me/library") != 0 {
			t.Errorf("%v after %d requests for the library", a.Header, sent(s, "/v1/me/library"))
		}
	}
	if a := wide.WantStatus(wide.Do("PUT", save, ""), http.StatusOK); a.Header.Get(translatedHeader) != "PUT /me/library" {
		t.Errorf("%v", a.Header)
	}
	before := sent(s, "/v1/me/library")
	narrow.WantStatus(narrow.Do("PUT", save, ""), http.StatusForbidden)

	poor := s.NewBrowser()
	poor.Login("jonas")
	a := poor.WantStatus(poor.Fetch("PUT", save, ""), http.StatusForbidden)
	if a.Header.Get("Spotify-Proxy-Reason") != "insufficient_scope" || a.Header.Get("Spotify-Proxy-Missing-Scope") != "user-library-modify" {
		t.Errorf("without the scope: %v", a.Header)
	}
	if got := sent(s, "/v1/me/library") - before; got != 0 {
		t.Errorf("%d requests were sent that may not be", got)
	}
}

// An app in extended mode has the old forms, and gets what Spotify says to them.
//
// T01
func TestExtendedModeIsLeftAlone(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Mode: spotifytest.Extended}})
	b := s.NewBrowser()
	b.Login("mira")
	id, _ := member(t, b.Fetch("GET", "/spotify/v1/me/playlists?limit=1", "").Text, "items", "id").(string)
	targets := []string{"/v1/me/playlists", "/v1/playlists/" + id, "/v1/playlists/" + id + "/tracks", "/v1/users/mira/playlists", "/v1/search?q=radio&type=track&limit=20"}
	text := make(map[string]string)
	for _, target := range targets {
		a := b.WantStatus(b.Fetch("GET", "/spotify"+target, ""), http.StatusOK)
		if a.Header.Get(translatedHeader) != "" {
			t.Errorf("%s is said to be translated", target)
		}
		text[target] = a.Text
	}
	s.Auth += "\ntranslate off"
	s.Load("")
	for _, target := range targets {
		if got := b.Fetch("GET", "/spotify"+target, "").Text; got != text[target] {
			t.Errorf("%s: %s, and without translation %s", target, text[target], got)
		}
	}
}
