package caddyspotify_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O53: keys outlive a reload of the config and a restart, and are listed as before.
func TestAccessKeyOutlivesCaddy(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a", "access", "read")))
	for _, again := range []func(){func() { s.load("") }, s.restart, func() { s.load("") }} {
		again()
		p.wantStatus(p.me(), 200)
		p.wantStatus(p.do("PUT", "/spotify/v1/me/player/pause", ""), 403)
		if keys := b.keys(); len(keys) != 1 || keys[0].Name != "a" {
			t.Errorf("listed: %+v", keys)
		}
	}
	// Turned off, they are nothing. Turned on again, they are back.
	s.options = ""
	s.load("")
	if e := p.wantStatus(p.me(), 401).apiError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	s.options = "access_keys"
	s.load("")
	p.wantStatus(p.me(), 200)
	// What the config allows all keys counts for those there are.
	s.options = "access_keys {\nallow GET /v1/search\n}"
	s.load("")
	p.wantStatus(p.me(), 403)
}

// A key does not count where its owner could not find it.
func TestAccessKeyUnderAnotherSecret(t *testing.T) {
	const one, two = "access_keys {\nkey 00000000000000000000000000000001\n}", "access_keys {\nkey 00000000000000000000000000000002\n}"
	s := start(t, startOptions{auth: one})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a")))
	p.wantStatus(p.me(), 200)
	s.options = two
	s.load("")
	p.wantInvalid(p.me())
	if n := len(b.keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}
	if !strings.Contains(s.logs.String(), "give all instances the same access_keys key") {
		t.Error("the log does not say why the key does not count")
	}
	s.options = one
	s.restart()
	p.wantStatus(p.me(), 200)

	// The secret that is made once is not the records' to know.
	s.options = "access_keys"
	s.load("")
	q := s.program(b.createKey(keyForm("b")))
	q.wantStatus(q.me(), 200)
	if err := os.Remove(filepath.Join(s.storage, "spotify/access_keys/key")); err != nil {
		t.Fatal(err)
	}
	q.wantStatus(q.me(), 200)
	s.restart()
	q.wantInvalid(q.me())
}

// R35: what Spotify has ended is over, and in no list.
func TestAccessKeyWhoseGrantEnds(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("mira")
	p := s.program(b.createKey(keyForm("a")))
	q := s.program(b.createKey(keyForm("b")))
	p.wantStatus(p.me(), 200)
	s.sim.RevokeUser("mira")
	s.sim.ExpireAccessTokens()
	p.wantInvalid(p.me())
	p.wantInvalid(p.me())
	q.wantInvalid(q.me())
	b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 401)
	b.login("mira")
	if n := len(b.keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}
	if kinds := s.records(); kinds["key"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	b.createKey(keyForm("c"))
}

// Each key has a grant of its own: refresh tokens that are renewed at every use
// do not put the session and its keys at odds.
func TestAccessKeysAndRotation(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys", sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.newBrowser()
	b.login("")
	p, q := s.program(b.createKey(keyForm("a"))), s.program(b.createKey(keyForm("b")))
	for range 3 {
		s.sim.ExpireAccessTokens()
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), 200)
		p.wantStatus(p.me(), 200)
		q.wantStatus(q.me(), 200)
	}
}

// O51: a key that is in memory goes on while the store is away; another is told
// to come back.
func TestAccessKeysWithoutStore(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a")))
	p.wantStatus(p.me(), 200)
	sessions := filepath.Join(s.storage, "spotify/sessions")
	if err := os.Rename(sessions, sessions+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sessions, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantStatus(p.me(), 200)
	stranger := s.program("spk_" + strings.Repeat("A", 43))
	if e := stranger.wantStatus(stranger.me(), 503).apiError(t); e.Reason != "store_unavailable" || strings.Contains(e.Message, "logged out") {
		t.Errorf("error: %+v", e)
	}
	b.wantStatus(b.fetch("GET", keysPath, ""), 503)
	b.wantNoKey(b.sendForm(keysPath, keyForm("b")), 503, "store_unavailable")
	b.wantStatus(b.fetch("DELETE", keysPath+"/0123456789ab", ""), 503)
	if err := os.Remove(sessions); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(sessions+"-moved", sessions); err != nil {
		t.Fatal(err)
	}
	if n := len(b.keys()); n != 1 {
		t.Errorf("%d keys are listed", n)
	}
	p.wantStatus(p.me(), 200)
}

// O52: the operator sees keys as keys, and ends them like sessions. What lists an
// account's keys is neither. Events tell of a key's life.
func TestOperatorsAccessKeys(t *testing.T) {
	a := &administrator{t: t, addr: freeport.Address(t)}
	options, events := record(t, t.Name())
	s := start(t, startOptions{global: "admin " + a.addr + "\n" + options, auth: "access_keys", site: "log_append kind {spotify.session.kind}\nlog_append ref {spotify.session.ref}\nrespond home"})
	b := s.newBrowser()
	b.login("mira")
	login := next(t, events, "spotify.login", "scopes")
	key := b.createKey(keyForm("a"))
	created := next(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	if created["account"] != login["account"] || created["session"] == login["session"] || created["kind"] != "key" {
		t.Errorf("created: %v", created)
	}
	var list struct {
		Sessions []struct{ Session, Kind, Account, Site string }
		Total    int
	}
	a.call("GET", "/spotify/sessions", 200, &list)
	kinds := make(map[string]string)
	for _, l := range list.Sessions {
		kinds[l.Session] = l.Kind
	}
	if list.Total != 2 || len(kinds) != 2 || kinds[created["session"].(string)] != "key" || kinds[login["session"].(string)] != "" {
		t.Errorf("listed: %+v", list)
	}
	for ref := range s.refs() {
		if kinds[ref] == "" && ref != login["session"] && ref != created["session"] {
			a.call("DELETE", "/spotify/sessions/"+ref, 404, nil)
			a.call("POST", "/spotify/sessions/"+ref+"/refresh", 404, nil)
		}
	}
	p := s.program(key)
	p.wantStatus(p.me(), 200)
	if logs := s.logs.String(); !strings.Contains(logs, `"kind":"key"`) || !strings.Contains(logs, `"ref":"`+created["session"].(string)+`"`) {
		t.Error("the access log does not name the key")
	}
	a.call("POST", "/spotify/sessions/"+created["session"].(string)+"/refresh", 200, nil)
	if refreshed := next(t, events, "spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated", "kind"); refreshed["session"] != created["session"] {
		t.Errorf("refreshed: %v", refreshed)
	}
	a.call("DELETE", "/spotify/sessions/"+created["session"].(string), 200, nil)
	if ended := next(t, events, "spotify.session_ended", "reason", "kind"); ended["reason"] != "administrator" || ended["session"] != created["session"] {
		t.Errorf("ended: %v", ended)
	}
	p.wantInvalid(p.me())
	if n := len(b.keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}

	q := s.program(b.createKey(keyForm("b")))
	created = next(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	b.wantStatus(b.sendForm(keysPath+"/revoke", map[string][]string{"key": {created["session"].(string)}}), http.StatusSeeOther)
	if revoked := next(t, events, "spotify.key_revoked", "kind"); revoked["session"] != created["session"] {
		t.Errorf("revoked: %v", revoked)
	}
	q.wantInvalid(q.me())

	r := s.program(b.createKey(keyForm("c")))
	next(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	var ended struct{ Ended []string }
	a.call("DELETE", "/spotify/accounts/"+login["account"].(string)+"/sessions", 200, &ended)
	if len(ended.Ended) != 2 {
		t.Errorf("ended: %+v", ended)
	}
	r.wantInvalid(r.me())
	if kinds := s.records(); len(kinds) != 0 {
		t.Errorf("stored: %v", kinds)
	}
	if all, err := json.Marshal(a.said.String()); err != nil || strings.Contains(string(all), key[4:]) {
		t.Errorf("the admin API tells the key: %v", err)
	}
}

// What leaves for Spotify is checked, not just what came in: handlers in between
// may have made something else of it.
func TestAccessKeyRewrittenInBetween(t *testing.T) {
	s := start(t, startOptions{auth: "access_keys"})
	b := s.newBrowser()
	b.login("")
	p := s.program(b.createKey(keyForm("a", "access", "rules", "rules", "GET /v1/me")))
	all := s.program(b.createKey(keyForm("b")))
	s.loadRewriting("access_keys")
	s.sim.ForgetRequests()
	if e := p.wantStatus(p.me(), 403).apiError(t); e.Reason != "not_allowed" {
		t.Errorf("error: %+v", e)
	}
	if n := len(s.sim.RequestsTo("/v1/")); n > 0 {
		t.Errorf("Spotify was asked %d times for what the key is not for", n)
	}
	all.wantStatus(all.me(), 200)
}
