package storetest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var secrecyTests = map[string]func(*testing.T, *suite){
	"Swapped":    testSwapped,
	"Namespaces": testNamespaces,
}

var dumpTests = map[string]func(*testing.T, *suite){
	"Dump": testDump,
}

// seal stores a session as its owner would and returns its key.
func (s *suite) seal(t *testing.T, id tokenstore.SessionID, namespace, secret string) string {
	t.Helper()
	sealed, err := tokenstore.Seal(id, namespace, []byte(secret))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	rec := s.record(time.Hour)
	rec.Sealed = sealed
	k := id.Key(namespace)
	if err := s.a.Create(s.context(t), k, rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return k
}

// S24: what is stored holds no usable session id and no readable token.
func testDump(t *testing.T, s *suite) {
	const secret = `{"access_token":"BQDsecretAccessToken","refresh_token":"AQAsecretRefreshToken"}`
	id := tokenstore.NewSessionID()
	k := s.seal(t, id, "client", secret)
	dump := s.Dump(t)
	if !bytes.Contains(dump, []byte(k)) {
		t.Fatal("the dump lacks the record's key: it shows nothing")
	}
	hidden := map[string][]byte{
		"access token":         []byte("BQDsecretAccessToken"),
		"access token, base64": []byte(base64.StdEncoding.EncodeToString([]byte("BQDsecretAccess"))),
		"refresh token":        []byte("AQAsecretRefreshToken"),
		"id":                   id[:],
		"cookie":               []byte(id.Cookie()),
		"id, hex":              []byte(hex.EncodeToString(id[:])),
		"id, base64":           []byte(base64.StdEncoding.EncodeToString(id[:])),
	}
	for what, secret := range hidden {
		if bytes.Contains(dump, secret) {
			t.Errorf("the dump holds the %s", what)
		}
	}
}

// S26: a record stored under another session's key does not open there.
// S25: it is no session then, and no garbage.
func testSwapped(t *testing.T, s *suite) {
	ctx := s.context(t)
	victim, thief := tokenstore.NewSessionID(), tokenstore.NewSessionID()
	from, to := s.seal(t, victim, "client", "victim"), s.seal(t, thief, "client", "thief")
	rec := load(t, ctx, s.a, to)
	rec.Sealed = load(t, ctx, s.a, from).Sealed
	if err := s.a.Update(ctx, to, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	if plain, err := tokenstore.Open(thief, "client", load(t, ctx, s.b, to).Sealed); !errors.Is(err, tokenstore.ErrUnsealable) {
		t.Errorf("Open of another's record: %q, %v, want ErrUnsealable", plain, err)
	}
	if plain, err := tokenstore.Open(victim, "client", load(t, ctx, s.b, from).Sealed); err != nil || string(plain) != "victim" {
		t.Errorf("Open of the own record: %q, %v", plain, err)
	}
}

// O54: the same id in two sites with two client ids is two sessions.
func testNamespaces(t *testing.T, s *suite) {
	ctx := s.context(t)
	id := tokenstore.NewSessionID()
	one, two := s.seal(t, id, "client one", "one"), s.seal(t, id, "client two", "two")
	if err := s.b.Delete(ctx, one); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	sealed := load(t, ctx, s.a, two).Sealed
	if plain, err := tokenstore.Open(id, "client two", sealed); err != nil || string(plain) != "two" {
		t.Errorf("Open in the own namespace: %q, %v", plain, err)
	}
	if plain, err := tokenstore.Open(id, "client one", sealed); !errors.Is(err, tokenstore.ErrUnsealable) {
		t.Errorf("Open in the other namespace: %q, %v, want ErrUnsealable", plain, err)
	}
}
