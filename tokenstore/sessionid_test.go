package tokenstore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// S15: the id has 256 bits, and no two are alike.
func TestNewSessionID(t *testing.T) {
	const n = 10_000
	seen := make(map[tokenstore.SessionID]bool, n)
	var ones [256]int
	for range n {
		id := tokenstore.NewSessionID()
		if seen[id] {
			t.Fatal("the same id twice")
		}
		seen[id] = true
		for i := range ones {
			ones[i] += bits.OnesCount8(id[i/8] >> (i % 8) & 1)
		}
	}
	// Each bit is set in half of them. Ten standard deviations are 500: this
	// fails by chance less often than the machine does.
	for i, count := range ones {
		if count < n/2-500 || count > n/2+500 {
			t.Errorf("bit %d is set in %d of %d ids", i, count, n)
		}
	}
}

// S20: the cookie's value is short, whatever the session holds.
func TestCookieLength(t *testing.T) {
	for range 100 {
		cookie := tokenstore.NewSessionID().Cookie()
		if len(cookie) != 43 {
			t.Fatalf("the cookie's value has %d characters, want 43", len(cookie))
		}
		// RFC 6265 §4.1.1, and nothing that any party might quote or escape.
		if strings.Trim(cookie, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("the cookie's value holds other characters than base64url")
		}
	}
}

func TestParseSessionID(t *testing.T) {
	for range 100 {
		id := tokenstore.NewSessionID()
		got, err := tokenstore.ParseSessionID(id.Cookie())
		if err != nil || got != id {
			t.Fatalf("ParseSessionID of a cookie: equal %t, %v", got == id, err)
		}
	}
}

func TestParseSessionIDRefuses(t *testing.T) {
	valid := strings.Repeat("A", 43)
	if _, err := tokenstore.ParseSessionID(valid); err != nil {
		t.Fatalf("%q: %v", valid, err)
	}
	for name, s := range map[string]string{
		"empty":              "",
		"too short":          valid[1:],
		"too long":           valid + "A",
		"padded":             valid + "=",
		"padded within":      valid[:42] + "=",
		"standard base64 +":  "+" + valid[1:],
		"standard base64 /":  "/" + valid[1:],
		"line feed":          "\n" + valid[1:],
		"line feed at end":   valid[:42] + "\n",
		"line feed besides":  valid + "\n",
		"carriage return":    valid[:20] + "\r" + valid[21:],
		"space":              " " + valid[1:],
		"NUL":                "\x00" + valid[1:],
		"not ASCII":          "é" + valid[2:],
		"quoted":             `"` + valid[2:] + `"`,
		"trailing bits":      valid[:42] + "B",
		"more trailing bits": valid[:42] + "D",
		"hex":                strings.Repeat("0", 64),
		"huge":               strings.Repeat("A", 1<<20),
	} {
		id, err := tokenstore.ParseSessionID(s)
		if !errors.Is(err, tokenstore.ErrMalformedID) || id != (tokenstore.SessionID{}) {
			t.Errorf("%s: %v, want ErrMalformedID and no id", name, err)
		}
		if err != nil && len(s) > 0 && len(s) < 100 && strings.Contains(err.Error(), s) {
			t.Errorf("%s: the error repeats what may be a secret", name)
		}
	}
}

// The hash names sessions on disk: another one would end them all.
func TestKeyIsStable(t *testing.T) {
	var id tokenstore.SessionID
	for i := range id {
		id[i] = byte(i)
	}
	const want = "422d1534922debdffac41ec3759acf2eea99fde695d5dbc59fc5e746b330ffb5"
	if got := id.Key("client"); got != want {
		t.Errorf("Key is %s, want %s", got, want)
	}
	digest := id.Digest("client")
	if got := hex.EncodeToString(digest[:]); got != want {
		t.Errorf("Digest is %s, want %s", got, want)
	}
	if got := tokenstore.Ref(id.Key("client")); got != want[:12] {
		t.Errorf("Ref is %s, want %s", got, want[:12])
	}
}

// O54: the key depends on the id and on the namespace, however long that is.
func TestKeysDiffer(t *testing.T) {
	seen := make(map[string]string)
	ids := []tokenstore.SessionID{{}, {1}, tokenstore.NewSessionID()}
	long := strings.Repeat("x", 1000)
	for i, id := range ids {
		for _, namespace := range []string{"", "a", "b", "ab", long[:127], long[:128], long[:129], long, long + "y"} {
			key := id.Key(namespace)
			if err := tokenstore.CheckKey(key); err != nil {
				t.Errorf("CheckKey of a key: %v", err)
			}
			what := fmt.Sprintf("id %d in a namespace of %d", i, len(namespace))
			if other, ok := seen[key]; ok {
				t.Errorf("%s and %s share a key", what, other)
			}
			seen[key] = what
		}
	}
}

// S24: a key leads to no id: neither as it is nor decoded does it hold one.
func TestKeyIsNotTheID(t *testing.T) {
	id := tokenstore.NewSessionID()
	key := id.Key("client")
	if strings.Contains(key, id.Cookie()) || strings.Contains(key, hex.EncodeToString(id[:8])) {
		t.Error("the key holds the id")
	}
	digest := id.Digest("client")
	if _, err := tokenstore.ParseSessionID(key); err == nil {
		t.Error("the key is taken for a cookie")
	}
	if stolen, err := tokenstore.ParseSessionID(base64.RawURLEncoding.EncodeToString(digest[:])); err != nil || stolen.Key("client") == key {
		t.Error("the digest passes for the id")
	}
}

func TestCheckKey(t *testing.T) {
	key := tokenstore.NewSessionID().Key("client")
	if err := tokenstore.CheckKey(key); err != nil {
		t.Errorf("CheckKey: %v", err)
	}
	for _, bad := range []string{"", key[1:], key + "0", strings.ToUpper("a" + key[1:]), "../" + key[3:], "g" + key[1:], "/" + key[1:], ":" + key[1:], "`" + key[1:]} {
		if err := tokenstore.CheckKey(bad); !errors.Is(err, tokenstore.ErrMalformedKey) {
			t.Errorf("CheckKey(%q): %v, want ErrMalformedKey", bad, err)
		}
	}
}

func TestRefOfShortKeys(t *testing.T) {
	for _, key := range []string{"", "abc"} {
		if got := tokenstore.Ref(key); got != key {
			t.Errorf("Ref(%q) is %q", key, got)
		}
	}
}

// S24: an id does not print, log or marshal as itself, alone or within something.
func TestSessionIDIsRedacted(t *testing.T) {
	id := tokenstore.NewSessionID()
	holder := struct{ ID tokenstore.SessionID }{id}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T|%v"} {
		fmt.Fprintf(&out, verb+"\n", id, id)
		fmt.Fprintf(&out, verb+"\n", &id, &id)
		fmt.Fprintf(&out, verb+"\n", holder, holder)
		fmt.Fprintf(&out, verb+"\n", []tokenstore.SessionID{id}, id)
	}
	fmt.Fprintln(&out, id, errors.New(fmt.Sprint(id)))
	for _, v := range []any{id, &id, holder, map[tokenstore.SessionID]tokenstore.SessionID{id: id}} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(&out), zap.DebugLevel)
	zap.New(core).Info("", zap.Any("id", id), zap.Any("holder", holder), zap.Reflect("id", &id), zap.Any("ids", []tokenstore.SessionID{id}))
	zap.New(core).Sugar().Infow("", "id", id)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("", "id", id, "holder", holder, "pointer", &id)
	}

	printed := out.String()
	if !strings.Contains(printed, "redacted") {
		t.Fatal("nothing was printed")
	}
	decimal := strings.Trim(fmt.Sprint(id[:4]), "[]")
	for what, secret := range map[string]string{
		"cookie": id.Cookie(), "hex": hex.EncodeToString(id[:4]), "HEX": strings.ToUpper(hex.EncodeToString(id[:4])),
		"decimal": decimal, "list": strings.ReplaceAll(decimal, " ", ","), "Go": fmt.Sprintf("0x%x, 0x%x, 0x%x", id[0], id[1], id[2]),
		"raw": string(id[:4]), "base64": base64.StdEncoding.EncodeToString(id[:])[:8],
	} {
		if strings.Contains(printed, secret) {
			t.Errorf("the id was printed: %s", what)
		}
	}
}

// The request path pays for no garbage.
func TestHotPathDoesNotAllocate(t *testing.T) {
	cookie := tokenstore.NewSessionID().Cookie()
	const client = "0123456789abcdef0123456789abcdef"
	var sink [32]byte
	allocs := testing.AllocsPerRun(100, func() {
		id, err := tokenstore.ParseSessionID(cookie)
		if err != nil {
			t.Fatal(err)
		}
		sink = id.Digest(client)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none (digest %x)", allocs, sink[:1])
	}
}
