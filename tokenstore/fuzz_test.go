package tokenstore_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// S25: whatever lies in the store is opened to what was sealed or refused. The
// input is either taken as it is, or applied to a genuine record as a change.
func FuzzOpen(f *testing.F) {
	id := tokenstore.SessionID{1, 2, 3}
	const namespace = "0123456789abcdef0123456789abcdef"
	plaintext := []byte(`{"access_token":"a","refresh_token":"b"}`)
	genuine := seal(f, id, namespace, plaintext)
	f.Add([]byte(nil), 0, byte(0))
	f.Add([]byte{1}, 5, byte(0x80))
	f.Add(bytes.Repeat([]byte{1}, 13), len(genuine)-1, byte(1))
	f.Add(plaintext, 0, byte(3))
	f.Add(bytes.Repeat([]byte{1}, 29), 13, byte(0))
	f.Fuzz(func(t *testing.T, sealed []byte, at int, change byte) {
		if got, err := tokenstore.Open(id, namespace, sealed); !errors.Is(err, tokenstore.ErrUnsealable) || got != nil {
			t.Errorf("forged: %q, %v", got, err)
		}
		if at < 0 || at >= len(genuine) {
			return
		}
		damaged := bytes.Clone(genuine)
		damaged[at] ^= change
		switch got, err := tokenstore.Open(id, namespace, damaged); {
		case change == 0 && (err != nil || !bytes.Equal(got, plaintext)):
			t.Errorf("untouched: %q, %v", got, err)
		case change != 0 && (!errors.Is(err, tokenstore.ErrUnsealable) || got != nil):
			t.Errorf("changed at %d: %q, %v", at, got, err)
		}
	})
}

// One id has one spelling, and nothing else is taken for one.
func FuzzParseSessionID(f *testing.F) {
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Add("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-8")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := tokenstore.ParseSessionID(s)
		if err != nil {
			if !errors.Is(err, tokenstore.ErrMalformedID) || id != (tokenstore.SessionID{}) {
				t.Errorf("%q: %v, and not ErrMalformedID without an id", s, err)
			}
			return
		}
		if id.Cookie() != s {
			t.Errorf("%q is a second spelling of %q", s, id.Cookie())
		}
		if err := tokenstore.CheckKey(id.Key(s)); err != nil {
			t.Errorf("%q: its key: %v", s, err)
		}
	})
}
