package keys_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O53: keys outlive a reload of the config and a restart, and are listed as before.
func TestAccessKeyOutlivesCaddy(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a", "access", "read")))
	for _, again := range []func(){func() { s.Load("") }, s.Restart, func() { s.Load("") }} {
		again()
		p.WantStatus(p.Me(), 200)
		p.WantStatus(p.Do("PUT", "/spotify/v1/me/player/pause", ""), 403)
		if keys := b.Keys(); len(keys) != 1 || keys[0].Name != "a" {
			t.Errorf("listed: %+v", keys)
		}
	}
	// Turned off, they are nothing. Turned on again, they are back.
	s.Auth = ""
	s.Load("")
	if e := p.WantStatus(p.Me(), 401).APIError(t); e.Reason != "login_required" {
		t.Errorf("error: %+v", e)
	}
	s.Auth = "access_keys"
	s.Load("")
	p.WantStatus(p.Me(), 200)
	// What the config allows all keys counts for those there are.
	s.Auth = "access_keys {\nallow GET /v1/search\n}"
	s.Load("")
	p.WantStatus(p.Me(), 403)
}

// A key does not count where its owner could not find it.
func TestAccessKeyUnderAnotherSecret(t *testing.T) {
	const one, two = "access_keys {\nkey 00000000000000000000000000000001\n}", "access_keys {\nkey 00000000000000000000000000000002\n}"
	s := proxytest.Start(t, proxytest.Options{Auth: one})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	p.WantStatus(p.Me(), 200)
	s.Auth = two
	s.Load("")
	wantInvalid(p, p.Me())
	if n := len(b.Keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}
	if !strings.Contains(s.Log.String(), "set the same access_keys key on all instances") {
		t.Error("the log does not say why the key does not count")
	}
	s.Auth = one
	s.Restart()
	p.WantStatus(p.Me(), 200)

	// The secret that is made once is not the records' to know.
	s.Auth = "access_keys"
	s.Load("")
	q := s.Program(b.CreateKey(proxytest.KeyForm("b")))
	q.WantStatus(q.Me(), 200)
	if err := os.Remove(filepath.Join(s.Storage, "spotify/access_keys/key")); err != nil {
		t.Fatal(err)
	}
	q.WantStatus(q.Me(), 200)
	s.Restart()
	wantInvalid(q, q.Me())
}

// R35: what Spotify has ended is over, and in no list.
func TestAccessKeyWhoseGrantEnds(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	q := s.Program(b.CreateKey(proxytest.KeyForm("b")))
	p.WantStatus(p.Me(), 200)
	s.Sim.RevokeUser("mira")
	s.Sim.ExpireAccessTokens()
	wantInvalid(p, p.Me())
	wantInvalid(p, p.Me())
	wantInvalid(q, q.Me())
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 401)
	b.Login("mira")
	if n := len(b.Keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}
	if kinds := recordKinds(s); kinds["key"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
	b.CreateKey(proxytest.KeyForm("c"))
}

// Each key has a grant of its own: refresh tokens that are renewed at every use
// do not put the session and its keys at odds.
func TestAccessKeysAndRotation(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys", Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.NewBrowser()
	b.Login("")
	p, q := s.Program(b.CreateKey(proxytest.KeyForm("a"))), s.Program(b.CreateKey(proxytest.KeyForm("b")))
	for range 3 {
		s.Sim.ExpireAccessTokens()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
		p.WantStatus(p.Me(), 200)
		q.WantStatus(q.Me(), 200)
	}
}

// O51: a key that is in memory goes on while the store is away; another is told
// to come back.
func TestAccessKeysWithoutStore(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	p.WantStatus(p.Me(), 200)
	sessions := filepath.Join(s.Storage, "spotify/sessions")
	if err := os.Rename(sessions, sessions+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sessions, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.WantStatus(p.Me(), 200)
	stranger := s.Program("spk_" + strings.Repeat("A", 43))
	if e := stranger.WantStatus(stranger.Me(), 503).APIError(t); e.Reason != "store_unavailable" || strings.Contains(e.Message, "logged out") {
		t.Errorf("error: %+v", e)
	}
	b.WantStatus(b.Fetch("GET", proxytest.KeysPath, ""), 503)
	wantNoKey(b, b.SendForm(proxytest.KeysPath, proxytest.KeyForm("b")), 503, "store_unavailable")
	b.WantStatus(b.Fetch("DELETE", proxytest.KeysPath+"/0123456789ab", ""), 503)
	if err := os.Remove(sessions); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(sessions+"-moved", sessions); err != nil {
		t.Fatal(err)
	}
	if n := len(b.Keys()); n != 1 {
		t.Errorf("%d keys are listed", n)
	}
	p.WantStatus(p.Me(), 200)
}

// O52: the operator sees keys as keys, and ends them like sessions. What lists an
// account's keys is neither. Events tell of a key's life.
func TestOperatorsAccessKeys(t *testing.T) {
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	options, events := proxytest.RecordEvents(t, t.Name())
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr + "\n" + options, Auth: "access_keys", Site: "log_append kind {spotify.session.kind}\nlog_append ref {spotify.session.ref}\nrespond home"})
	b := s.NewBrowser()
	b.Login("mira")
	login := proxytest.NextEvent(t, events, "spotify.login", "scopes")
	key := b.CreateKey(proxytest.KeyForm("a"))
	created := proxytest.NextEvent(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	if created["account"] != login["account"] || created["session"] == login["session"] || created["kind"] != "key" {
		t.Errorf("created: %v", created)
	}
	var list struct {
		Sessions []struct{ Session, Kind, Account, Site string }
		Total    int
	}
	a.Call("GET", "/spotify/sessions", 200, &list)
	kinds := make(map[string]string)
	for _, l := range list.Sessions {
		kinds[l.Session] = l.Kind
	}
	if list.Total != 2 || len(kinds) != 2 || kinds[created["session"].(string)] != "key" || kinds[login["session"].(string)] != "" {
		t.Errorf("listed: %+v", list)
	}
	for ref := range references(s) {
		if kinds[ref] == "" && ref != login["session"] && ref != created["session"] {
			a.Call("DELETE", "/spotify/sessions/"+ref, 404, nil)
			a.Call("POST", "/spotify/sessions/"+ref+"/refresh", 404, nil)
		}
	}
	p := s.Program(key)
	p.WantStatus(p.Me(), 200)
	if logs := s.Log.String(); !strings.Contains(logs, `"kind":"key"`) || !strings.Contains(logs, `"ref":"`+created["session"].(string)+`"`) {
		t.Error("the access log does not name the key")
	}
	a.Call("POST", "/spotify/sessions/"+created["session"].(string)+"/refresh", 200, nil)
	if refreshed := proxytest.NextEvent(t, events, "spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated", "kind"); refreshed["session"] != created["session"] {
		t.Errorf("refreshed: %v", refreshed)
	}
	a.Call("DELETE", "/spotify/sessions/"+created["session"].(string), 200, nil)
	if ended := proxytest.NextEvent(t, events, "spotify.session_ended", "reason", "kind"); ended["reason"] != "administrator" || ended["session"] != created["session"] {
		t.Errorf("ended: %v", ended)
	}
	wantInvalid(p, p.Me())
	if n := len(b.Keys()); n != 0 {
		t.Errorf("%d keys are listed", n)
	}

	q := s.Program(b.CreateKey(proxytest.KeyForm("b")))
	created = proxytest.NextEvent(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	b.WantStatus(b.SendForm(proxytest.KeysPath+"/revoke", map[string][]string{"key": {created["session"].(string)}}), http.StatusSeeOther)
	if revoked := proxytest.NextEvent(t, events, "spotify.key_revoked", "kind"); revoked["session"] != created["session"] {
		t.Errorf("revoked: %v", revoked)
	}
	wantInvalid(q, q.Me())

	r := s.Program(b.CreateKey(proxytest.KeyForm("c")))
	proxytest.NextEvent(t, events, "spotify.key_created", "scopes", "expires_at", "kind")
	var ended struct{ Ended []string }
	a.Call("DELETE", "/spotify/accounts/"+login["account"].(string)+"/sessions", 200, &ended)
	if len(ended.Ended) != 2 {
		t.Errorf("ended: %+v", ended)
	}
	wantInvalid(r, r.Me())
	if kinds := recordKinds(s); len(kinds) != 0 {
		t.Errorf("stored: %v", kinds)
	}
	if all, err := json.Marshal(a.Said.String()); err != nil || strings.Contains(string(all), key[4:]) {
		t.Errorf("the admin API tells the key: %v", err)
	}
}

// What leaves for Spotify is checked, not just what came in: handlers in between
// may have made something else of it.
func TestAccessKeyRewrittenInBetween(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a", "access", "rules", "rules", "GET /v1/me")))
	all := s.Program(b.CreateKey(proxytest.KeyForm("b")))
	loadRewriting(s, "access_keys")
	s.Sim.ForgetRequests()
	if e := p.WantStatus(p.Me(), 403).APIError(t); e.Reason != "not_allowed" {
		t.Errorf("error: %+v", e)
	}
	if n := len(s.Sim.RequestsTo("/v1/")); n > 0 {
		t.Errorf("Spotify was asked %d times for what the key is not for", n)
	}
	all.WantStatus(all.Me(), 200)
}

// S29: a key counts for as long as its owner finds it in the list. One that was
// revoked does not come back with its record out of a backup, nor does one stay
// whose list is gone, for an instance that has the key in memory and for another.
func TestAccessKeyPutBack(t *testing.T) {
	for name, restart := range map[string]bool{"in memory": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			clock := fakeclock.New(time.Now())
			clock.Install(t)
			s := proxytest.Start(t, proxytest.Options{Auth: "access_keys", Sim: spotifytest.Options{Now: clock.Now}})
			b := s.NewBrowser()
			b.Login("")
			p, q := s.Program(b.CreateKey(proxytest.KeyForm("a"))), s.Program(b.CreateKey(proxytest.KeyForm("b")))
			stored := func(kind string) map[string]string {
				files := s.StoredFiles()
				for path, content := range files {
					if !strings.Contains(content, `"kind":"`+kind+`"`) {
						delete(files, path)
					}
				}
				return files
			}
			later := func() {
				if restart {
					s.Restart()
				} else {
					clock.Advance(20 * time.Second)
				}
			}
			p.WantStatus(p.Me(), 200)
			q.WantStatus(q.Me(), 200)
			backup := stored("key")
			for _, k := range b.Keys() {
				if k.Name == "a" {
					b.WantStatus(b.Fetch("DELETE", proxytest.KeysPath+"/"+k.Key, ""), 204)
				}
			}
			wantInvalid(p, p.Me())
			for path, content := range backup {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			later()
			wantInvalid(p, p.Me())
			q.WantStatus(q.Me(), 200)
			for path := range stored("key_index") {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			later()
			wantInvalid(q, q.Me())
			if n := len(b.Keys()); n != 0 {
				t.Errorf("%d keys are listed", n)
			}
			if !strings.Contains(s.Log.String(), "access key is not in its owner's list") {
				t.Error("the log does not say why the keys do not count")
			}
			p = s.Program(b.CreateKey(proxytest.KeyForm("c")))
			p.WantStatus(p.Me(), 200)
		})
	}
}
