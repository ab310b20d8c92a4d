package device

import (
	"bytes"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// E04: however a person types a code, it is the one that the device shows, and what is none
// is not looked up.
func TestParseUserCode(t *testing.T) {
	for typed, want := range map[string]string{
		"WDJB-MJHT":            "WDJBMJHT",
		"wdjbmjht":             "WDJBMJHT",
		" WDJB MJHT\t":         "WDJBMJHT",
		"w.d.j.b_m-j-h-t":      "WDJBMJHT",
		"WDJB\u2013MJHT":       "WDJBMJHT", // a dash that a keyboard made of two hyphens
		"WDJB\u00a0\u2014MJHT": "WDJBMJHT",
	} {
		if got, ok := parseUserCode(typed); !ok || got != want {
			t.Errorf("%q: %q, %v", typed, got, ok)
		}
	}
	for _, typed := range []string{"", "-", "WDJB-MJH", "WDJB-MJHTT", "ADJB-MJHT", "WDJB-MJH1", "WDJB/MJHT", "WDJB-MJHT\n", "ẄDJB-MJHT", strings.Repeat("-", 60) + "WDJBMJHT"} {
		if got, ok := parseUserCode(typed); ok {
			t.Errorf("%q is taken for %q", typed, got)
		}
	}
	seen := make(map[rune]int)
	for range 2000 {
		code := newUserCode()
		if got, ok := parseUserCode(shown(code)); !ok || got != code {
			t.Fatalf("%q: %q, %v", code, got, ok)
		}
		for _, r := range code {
			seen[r]++
		}
	}
	// 16,000 letters: 800 of each, give or take 28.
	for _, r := range letters {
		if n := seen[r]; n < 600 || n > 1000 {
			t.Errorf("%c was drawn %d times of 16000", r, n)
		}
	}
}

// E04: what a device is given opens for its code and for that login alone.
func TestGivenOpensForTheDevice(t *testing.T) {
	mine, other := newDeviceCode(tokenstore.NewSessionID()), newDeviceCode(tokenstore.NewSessionID())
	pair, err := mine.keyPair()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealTo(pair.PublicKey().Bytes(), "record", []byte("spk_secret"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("spk_")) {
		t.Error("it shows what is in it")
	}
	again, err := parseDeviceCode(mine.String())
	if err != nil || again != mine {
		t.Fatalf("parsed: %v", err)
	}
	if plain, err := again.open("record", sealed); err != nil || string(plain) != "spk_secret" {
		t.Errorf("opened: %q, %v", plain, err)
	}
	if _, err := mine.open("another record", sealed); err == nil {
		t.Error("it opens as another login's")
	}
	if _, err := other.open("record", sealed); err == nil {
		t.Error("it opens for another device")
	}
	for _, s := range []string{"", mine.String()[:85], mine.String() + "A", strings.ToUpper(mine.String()) + "=", "spk_" + mine.String()} {
		if _, err := parseDeviceCode(s); err == nil {
			t.Errorf("%q is taken for a device code", s)
		}
	}
}
