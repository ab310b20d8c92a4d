package pkce_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// L01: the example of RFC 7636 appendix B.
func TestCodesOfRFC7636(t *testing.T) {
	codes, err := pkce.CodesFromVerifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if err != nil {
		t.Fatal(err)
	}
	if want := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; codes.Challenge != want {
		t.Errorf("the challenge is %s, want %s", codes.Challenge, want)
	}
}

// L01: every length that RFC 7636 §4.1 allows is made exactly, of unreserved
// characters, and there are no two alike.
func TestGenerateCodesLength(t *testing.T) {
	seen := make(map[string]bool)
	for n := 43; n <= 128; n++ {
		codes, err := pkce.GenerateCodesLength(n)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		checkCodes(t, codes, n)
		if seen[codes.Verifier[:43]] {
			t.Errorf("%d: the verifier came up before", n)
		}
		seen[codes.Verifier[:43]] = true
	}
	for _, n := range []int{-1, 0, 42, 129, 1 << 30} {
		if codes, err := pkce.GenerateCodesLength(n); !errors.Is(err, pkce.ErrVerifier) || codes != (pkce.Codes{}) {
			t.Errorf("%d: got %v, %v; want ErrVerifier", n, codes, err)
		}
	}
}

// L01
func TestGenerateCodes(t *testing.T) {
	checkCodes(t, pkce.GenerateCodes(), 100)
}

func checkCodes(t *testing.T, codes pkce.Codes, n int) {
	t.Helper()
	if len(codes.Verifier) != n {
		t.Errorf("the verifier has %d characters, want %d", len(codes.Verifier), n)
	}
	if strings.Trim(codes.Verifier, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
		t.Errorf("the verifier of %d characters has some that are reserved", n)
	}
	sum := sha256.Sum256([]byte(codes.Verifier))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); codes.Challenge != want {
		t.Errorf("the challenge is %s, want %s", codes.Challenge, want)
	}
}

// L01: 43 characters of base64url carry the 256 bits that were drawn; each of
// them comes up, so none of the bits is fixed.
func TestVerifierIsRandomThroughout(t *testing.T) {
	first, err := pkce.GenerateCodesLength(43)
	if err != nil {
		t.Fatal(err)
	}
	varies := make([]bool, 43)
	for range 200 {
		next, err := pkce.GenerateCodesLength(43)
		if err != nil {
			t.Fatal(err)
		}
		for i := range varies {
			varies[i] = varies[i] || next.Verifier[i] != first.Verifier[i]
		}
	}
	for i, v := range varies {
		if !v {
			t.Errorf("character %d is always the same", i)
		}
	}
}

// L01
func TestCodesFromVerifier(t *testing.T) {
	fill := strings.Repeat("a", 42)
	for verifier, ok := range map[string]bool{
		fill + "a":                    true,
		strings.Repeat("~._-", 32):    true,
		strings.Repeat("Az09", 32):    true,
		fill:                          false,
		strings.Repeat("a", 129):      false,
		"":                            false,
		fill + " ":                    false,
		fill + "+":                    false,
		fill + "/":                    false,
		fill + "=":                    false,
		fill + "%":                    false,
		fill + "\n":                   false,
		fill + "\x00":                 false,
		fill + "é":                    false,
		strings.Repeat("a", 43) + "ſ": false,
	} {
		codes, err := pkce.CodesFromVerifier(verifier)
		switch {
		case ok && (err != nil || codes.Verifier != verifier || len(codes.Challenge) != 43):
			t.Errorf("%q: %v, %v", verifier, codes, err)
		case !ok && (!errors.Is(err, pkce.ErrVerifier) || codes != (pkce.Codes{})):
			t.Errorf("%q was accepted", verifier)
		case !ok && len(verifier) > 0 && strings.Contains(err.Error(), verifier):
			t.Errorf("the error shows the verifier: %v", err)
		}
	}
}

func TestCodesAreNotPrinted(t *testing.T) {
	codes := pkce.GenerateCodes()
	login := pkce.LoginRequest{Codes: codes}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "codes", codes, "pointer", &codes)
	texts := []string{log.String(), codes.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, codes), fmt.Sprintf(verb, &codes), fmt.Sprintf(verb, login))
	}
	for _, text := range texts {
		if strings.Contains(text, codes.Verifier) || strings.Contains(text, fmt.Sprintf("%x", codes.Verifier)) {
			t.Errorf("the verifier shows: %s", text)
		}
	}
	if !strings.Contains(codes.String(), codes.Challenge) {
		t.Errorf("the challenge does not show: %v", codes)
	}
}
