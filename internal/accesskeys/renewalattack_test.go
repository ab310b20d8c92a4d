package accesskeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// E01: what lies in the list of keys, and in the whole store, opens no renewed grant,
// even for someone who has the site's secret.
func TestStolenIndexOpensNothing(t *testing.T) {
	k, fake := newKeysRig(t)
	s, other := k.newRenewableKey(t), tokenstore.NewSessionID()
	if _, err := k.renew(t.Context(), first("new", fake.Now()), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	entry := k.entry(t)
	plain, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"new-0", "new-access", "old-0", s.ID.Cookie()} {
		if bytes.Contains(plain, []byte(secret)) || bytes.Contains(entry.Waiting.Sealed, []byte(secret)) {
			t.Errorf("the list shows %q", secret)
		}
	}
	at := k.grantContext("account", entry.Key, entry.Waiting.Generation)
	if _, err := openGrant(s.ID, at, entry.Waiting.Sealed); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]tokenstore.SessionID{"the public key": tokenstore.SessionID(entry.Public), "another access key": other, "the record's key": s.ID.Digest("client")} {
		if _, err := openGrant(id, at, entry.Waiting.Sealed); !errors.Is(err, errBadGrant) {
			t.Errorf("%s opens it: %v", name, err)
		}
	}
	for name, change := range map[string]func(*grantContext){
		"another site":       func(c *grantContext) { c.site = "https://other.example.com/spotify" },
		"another client ID":  func(c *grantContext) { c.clientID = "other" },
		"another account":    func(c *grantContext) { c.account = "other" },
		"another key":        func(c *grantContext) { c.key = other.Key("client") },
		"another generation": func(c *grantContext) { c.generation++ },
		"a moved boundary":   func(c *grantContext) { c.clientID, c.account = "clientaccoun", "t" },
	} {
		c := at
		change(&c)
		if _, err := openGrant(s.ID, c, entry.Waiting.Sealed); !errors.Is(err, errBadGrant) {
			t.Errorf("%s opens it: %v", name, err)
		}
	}
}

// E01: a grant that an attacker puts into the store is not taken, whatever the attacker has
// but the site's secret; with that, one sealed for another key or account is not.
func TestPlantedRenewalIsRefused(t *testing.T) {
	type rig struct {
		k     *Keys
		s     *session.Session
		entry indexedKey
	}
	// plant puts a changed list where the account's is, sealed by the site.
	plant := func(t *testing.T, r rig, change func(*indexedKey)) {
		t.Helper()
		if err := r.k.lists.Change(t.Context(), "account", func(index *keyIndex) error {
			change(&index.Keys[0])
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	sealed := func(t *testing.T, r rig, account, key string, generation int64, token *pkce.Token) *waitingRenewal {
		t.Helper()
		grant, err := sealGrant(r.entry.Public, r.k.grantContext(account, key, generation), renewedGrant{
			Token: token.Fields(), Account: account, AuthorizedAt: r.k.site.Clock.Now().Unix(), ExpiresAt: r.k.site.Clock.Now().Add(life).Unix(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return &waitingRenewal{Generation: generation, Sealed: grant}
	}
	for name, c := range map[string]struct {
		attack func(t *testing.T, r rig)
		gone   bool // the list does not open any more, so that no key in it counts
	}{
		"without the secret": {gone: true, attack: func(t *testing.T, r rig) {
			r.entry.Waiting = sealed(t, r, "account", r.entry.Key, 1, first("new", r.k.site.Clock.Now()))
			plain, err := json.Marshal(keyIndex{Keys: []indexedKey{r.entry}})
			if err != nil {
				t.Fatal(err)
			}
			forged, err := tokenstore.Seal(tokenstore.NewSessionID(), r.k.lists.Namespace, plain)
			if err != nil {
				t.Fatal(err)
			}
			list, err := r.k.ListOf(t.Context(), "account")
			if err != nil {
				t.Fatal(err)
			}
			rec, err := r.k.site.Store.Load(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			rec.Sealed = forged
			if err := r.k.site.Store.Update(t.Context(), list, rec); err != nil {
				t.Fatal(err)
			}
		}},
		"for another key": {attack: func(t *testing.T, r rig) {
			plant(t, r, func(i *indexedKey) {
				i.Waiting = sealed(t, r, "account", tokenstore.NewSessionID().Key("client"), 1, first("new", r.k.site.Clock.Now()))
			})
		}},
		"of another account": {attack: func(t *testing.T, r rig) {
			plant(t, r, func(i *indexedKey) { i.Waiting = sealed(t, r, "other", i.Key, 1, first("new", r.k.site.Clock.Now())) })
		}},
		"with another generation": {attack: func(t *testing.T, r rig) {
			plant(t, r, func(i *indexedKey) {
				i.Waiting = sealed(t, r, "account", i.Key, 1, first("new", r.k.site.Clock.Now()))
				i.Waiting.Generation = 2
			})
		}},
		"with more scopes": {attack: func(t *testing.T, r rig) {
			plant(t, r, func(i *indexedKey) {
				f := first("new", r.k.site.Clock.Now()).Fields()
				f.Scope += " playlist-read-private"
				i.Waiting = sealed(t, r, "account", i.Key, 1, pkce.NewToken(f))
			})
		}},
		"of bytes": {attack: func(t *testing.T, r rig) {
			plant(t, r, func(i *indexedKey) { i.Waiting = &waitingRenewal{Generation: 1, Sealed: make([]byte, 100)} })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := newKeysRig(t)
			s := k.newRenewableKey(t)
			r := rig{k, s, k.entry(t)}
			c.attack(t, r)
			if c.gone {
				if k.counts(t, s) {
					t.Error("the key counts")
				}
				return
			}
			if got := k.grantOf(t, s.ID); got != "old" {
				t.Errorf("the key uses the %s grant", got)
			}
		})
	}
	t.Run("once more", func(t *testing.T) {
		k, fake := newKeysRig(t)
		s := k.newRenewableKey(t)
		renewed, err := k.renew(t.Context(), first("new", fake.Now()), "account", s.Ref())
		if err != nil {
			t.Fatal(err)
		}
		k.grantOf(t, s.ID)
		again, err := k.renew(t.Context(), first("third", fake.Now().Add(time.Minute)), "account", s.Ref())
		if err != nil || again.Waiting.Generation <= renewed.Waiting.Generation {
			t.Fatal(again.Waiting, err)
		}
		k.grantOf(t, s.ID)
		plant(t, rig{k, s, k.entry(t)}, func(i *indexedKey) { i.Generation, i.Waiting = 0, renewed.Waiting })
		if got := k.grantOf(t, s.ID); got != "third" {
			t.Errorf("the key uses the %s grant", got)
		}
	})
}
