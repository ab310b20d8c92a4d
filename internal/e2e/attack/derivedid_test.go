package attack_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// S27: who knows the site's secrets, and so can derive the ids of records that no
// browser was given, has no session by them. Neither does an access key's id make a
// cookie, nor a cookie's a key.
func TestAttackDerivedIDs(t *testing.T) {
	const secret = "00000000000000000000000000000000"
	s := proxytest.Start(t, proxytest.Options{Auth: `expose_token
		access_keys {
			key ` + secret + `
		}
		share {
			owner  mira
			allow  /v1/me/top/tracks?limit=2
			scopes user-top-read
			key    ` + secret + `
		}`})
	b := s.NewBrowser()
	owner := b.Navigate(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/share/connect", "mira"), proxytest.Header("Sec-Fetch-Site", "cross-site"))
	b.WantStatus(owner, http.StatusSeeOther)
	b.Login("mira")
	key := b.CreateKey(proxytest.KeyForm("a"))
	visitor := s.NewBrowser()
	visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	account := b.Session().Account.ID

	derive := func(names ...string) string {
		id, err := hkdf.Key(sha256.New, []byte(secret), nil, strings.Join(names, "\x00"), 32)
		if err != nil {
			t.Fatal(err)
		}
		return tokenstore.SessionID(id).Cookie()
	}
	ids := map[string]string{
		"the shared account's":   derive("caddy-spotify share v1\x00", proxytest.ClientID, s.Origin, "/spotify", "mira"),
		"the list of keys'":      derive("caddy-spotify key index v1\x00", proxytest.ClientID, account),
		"the seal of keys'":      derive("caddy-spotify key seal v1\x00"),
		"a key's":                strings.TrimPrefix(key, "spk_"),
		"the secret, as it were": tokenstore.SessionID([]byte(secret)).Cookie(),
	}
	for whose, id := range ids {
		thief := s.NewBrowser()
		cookie := proxytest.Header("Cookie", "spotify_session="+id)
		if a := thief.Fetch("GET", "/spotify/session", "", cookie); a.StatusCode != 200 || !strings.Contains(a.Text, `"authenticated":false`) {
			t.Errorf("with %s id, session: %d %s", whose, a.StatusCode, a.Text)
		}
		for _, request := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/spotify/v1/me", 401}, {"POST", "/spotify/v1/me/player/next", 401}, {"POST", "/spotify/token", 401}, {"GET", "/spotify/keys", 401},
		} {
			if a := thief.Fetch(request.method, request.path, "", cookie); a.StatusCode != request.status {
				t.Errorf("with %s id, %s %s: %d, want %d", whose, request.method, request.path, a.StatusCode, request.status)
			}
		}
		thief.Fetch("POST", "/spotify/logout", "", cookie)
		if p := s.Program("spk_" + id); whose != "a key's" {
			p.WantStatus(p.Me(), 401)
		}
	}
	p := s.Program("spk_" + b.SessionCookie())
	p.WantStatus(p.Me(), 401)

	// None of that has ended what the ids stand for.
	visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
	p = s.Program(key)
	p.WantStatus(p.Me(), 200)
	if n := len(b.Keys()); n != 1 {
		t.Errorf("%d keys are listed", n)
	}
	s.Restart()
	visitor.WantStatus(visitor.Fetch("GET", "/spotify/v1/me/top/tracks?limit=2", ""), 200)
}
