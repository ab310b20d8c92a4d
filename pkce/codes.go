package pkce

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// The bounds of RFC 7636 §4.1 for a code verifier, and the length that
// GenerateCodes makes.
const (
	MinVerifierLength     = 43
	MaxVerifierLength     = 128
	DefaultVerifierLength = 100
)

// ErrVerifier says that a code verifier breaks the rules of RFC 7636 §4.1.
var ErrVerifier = errors.New("code verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~")

// Codes is a code verifier and its challenge (RFC 7636 §4). The verifier is a
// secret until it is exchanged; printing Codes does not show it. The zero value
// is not usable.
type Codes struct {
	// Verifier goes to Exchange.
	Verifier string
	// Challenge goes to the LoginRequest. It is the S256 transformation of the verifier.
	Challenge string
}

// GenerateCodes returns new codes whose verifier has 100 characters.
func GenerateCodes() Codes {
	return generate(DefaultVerifierLength)
}

// GenerateCodesLength returns new codes whose verifier has exactly n
// characters. It returns ErrVerifier unless n is between 43 and 128.
func GenerateCodesLength(n int) (Codes, error) {
	if n < MinVerifierLength || n > MaxVerifierLength {
		return Codes{}, fmt.Errorf("%w: asked for %d", ErrVerifier, n)
	}
	return generate(n), nil
}

// CodesFromVerifier returns the codes of a verifier of one's own. It returns
// ErrVerifier if the verifier breaks RFC 7636 §4.1. A verifier must come from a
// cryptographic random source with at least 256 bits.
func CodesFromVerifier(verifier string) (Codes, error) {
	if len(verifier) < MinVerifierLength || len(verifier) > MaxVerifierLength {
		return Codes{}, fmt.Errorf("%w: it has %d", ErrVerifier, len(verifier))
	}
	for i := range len(verifier) {
		if !unreserved(verifier[i]) {
			return Codes{}, fmt.Errorf("%w: the character at %d is none of them", ErrVerifier, i)
		}
	}
	return codesOf(verifier), nil
}

func generate(n int) Codes {
	// Six random bits make one character of base64url, so any prefix of the
	// encoding is as random as its length allows.
	random := make([]byte, (n*6+7)/8)
	_, _ = rand.Read(random) // never fails
	return codesOf(base64.RawURLEncoding.EncodeToString(random)[:n])
}

func codesOf(verifier string) Codes {
	sum := sha256.Sum256([]byte(verifier))
	return Codes{Verifier: verifier, Challenge: base64.RawURLEncoding.EncodeToString(sum[:])}
}

func unreserved(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// String shows the challenge only.
func (c Codes) String() string { return "pkce.Codes(challenge " + c.Challenge + ")" }

// Format shows the challenge only, whatever the verb.
func (c Codes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue shows the challenge only.
func (c Codes) LogValue() slog.Value { return slog.StringValue(c.String()) }
