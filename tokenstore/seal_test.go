package tokenstore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func seal(t testing.TB, id tokenstore.SessionID, namespace string, plaintext []byte) []byte {
	t.Helper()
	sealed, err := tokenstore.Seal(id, namespace, plaintext)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	id := tokenstore.NewSessionID()
	for _, plaintext := range [][]byte{nil, {}, {0}, []byte("a token"), bytes.Repeat([]byte("x"), 64<<10)} {
		before := bytes.Clone(plaintext)
		sealed := seal(t, id, "client", plaintext)
		kept := bytes.Clone(sealed)
		got, err := tokenstore.Open(id, "client", sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: Open: %d bytes, %v", len(plaintext), len(got), err)
		}
		if !bytes.Equal(plaintext, before) || !bytes.Equal(sealed, kept) {
			t.Errorf("%d bytes: an argument was written to", len(plaintext))
		}
	}
}

// S24: what is sealed shows nothing of what it holds, not even whether that is
// the same as before.
func TestSealHides(t *testing.T) {
	id := tokenstore.NewSessionID()
	plaintext := []byte("BQDsecretAccessToken")
	one, two := seal(t, id, "client", plaintext), seal(t, id, "client", plaintext)
	if bytes.Equal(one[1:13], two[1:13]) {
		t.Error("a nonce was used twice")
	}
	if bytes.Equal(one[13:], two[13:]) {
		t.Error("the same payload is sealed alike")
	}
	for _, sealed := range [][]byte{one, two} {
		if bytes.Contains(sealed, plaintext[:8]) || bytes.Contains(sealed, id[:8]) {
			t.Error("the sealed payload shows a secret")
		}
	}
}

// S24 S26 O54: only the same id in the same namespace opens it. What the store
// knows of the session does not.
func TestOpenNeedsTheID(t *testing.T) {
	id := tokenstore.NewSessionID()
	sealed := seal(t, id, "client", []byte("secret"))
	oneBit := id
	oneBit[31] ^= 1
	digest := tokenstore.SessionID(id.Digest("client"))
	for name, attempt := range map[string]struct {
		id        tokenstore.SessionID
		namespace string
	}{
		"another id":        {tokenstore.NewSessionID(), "client"},
		"one bit off":       {oneBit, "client"},
		"no id":             {tokenstore.SessionID{}, "client"},
		"the key as id":     {digest, "client"},
		"another namespace": {id, "other"},
		"no namespace":      {id, ""},
		"longer namespace":  {id, "client2"},
	} {
		if got, err := tokenstore.Open(attempt.id, attempt.namespace, sealed); !errors.Is(err, tokenstore.ErrUnsealable) || got != nil {
			t.Errorf("%s: %q, %v, want ErrUnsealable", name, got, err)
		}
	}
}

// S25: whatever is wrong with it, it is refused whole.
func TestOpenRefusesDamage(t *testing.T) {
	id := tokenstore.NewSessionID()
	sealed := seal(t, id, "client", []byte("secret"))
	refused := func(what string, i int, damaged []byte) {
		t.Helper()
		if got, err := tokenstore.Open(id, "client", damaged); !errors.Is(err, tokenstore.ErrUnsealable) || got != nil {
			t.Errorf("%s %d: %q, %v, want ErrUnsealable", what, i, got, err)
		}
	}
	for i := range sealed {
		refused("cut at", i, sealed[:i])
		refused("missing byte", i, slices.Delete(bytes.Clone(sealed), i, i+1))
		for bit := range 8 {
			damaged := bytes.Clone(sealed)
			damaged[i] ^= 1 << bit
			refused("flipped bit", i*8+bit, damaged)
		}
	}
	refused("appended", 0, append(bytes.Clone(sealed), 0))
	refused("nil", 0, nil)
	refused("in the clear", 0, []byte(`{"access_token":"x"}`))
	refused("doubled", 0, append(bytes.Clone(sealed), sealed...))
}

// Sessions that the first version sealed open in every later one.
func TestSealIsStable(t *testing.T) {
	var id tokenstore.SessionID
	for i := range id {
		id[i] = byte(i)
	}
	sealed, err := hex.DecodeString("015621b4d578c98e80404216517d2b5d29701ab25fbc3af988d25f482105b964a6" +
		"f8a7edaf49eaa10f61798479aafe3f3439ffeeb6b870cb048868484447aa1feffe")
	if err != nil {
		t.Fatal(err)
	}
	const want = "a session sealed by the first version"
	if got, err := tokenstore.Open(id, "client", sealed); err != nil || string(got) != want {
		t.Errorf("Open: %q, %v, want %q", got, err, want)
	}
}
