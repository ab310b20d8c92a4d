package tokenstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// cookieLength is the length of 32 bytes in base64url without padding.
const cookieLength = 43

// keyLabel keeps the hash that names a record apart from any other use of the
// id. It and the id have a fixed length, so the namespace that follows them
// needs no delimiter. Changing it ends every session.
const keyLabel = "caddy-spotify session key v1\x00"

// ErrMalformedID says that a string is not what SessionID.Cookie makes.
var ErrMalformedID = errors.New("malformed session id")

// strictEncoding refuses trailing bits that are not zero, so that one id has
// one spelling only.
var strictEncoding = base64.RawURLEncoding.Strict()

// SessionID is the secret that a browser's cookie holds: 256 random bits. The
// record's key and the key that opens it both derive from it, and neither
// leads back to it. It never prints, logs or marshals as itself: only Cookie
// reveals it. The zero value is a valid id that nobody is ever given.
type SessionID [32]byte

// NewSessionID returns a new id from the system's secure random generator.
func NewSessionID() SessionID {
	var id SessionID
	rand.Read(id[:]) // never fails: the program ends rather than going on without randomness
	return id
}

// ParseSessionID reads what Cookie made: exactly 43 characters of canonical
// base64url without padding (RFC 4648 §5). Anything else is ErrMalformedID.
// It does not allocate.
func ParseSessionID(s string) (SessionID, error) {
	if len(s) != cookieLength {
		return SessionID{}, ErrMalformedID
	}
	var src [cookieLength]byte
	copy(src[:], s)
	var id SessionID
	// The decoder skips line breaks; then it yields fewer than 32 bytes.
	if n, err := strictEncoding.Decode(id[:], src[:]); err != nil || n != len(id) {
		return SessionID{}, ErrMalformedID
	}
	return id, nil
}

// Cookie returns the id as it stands in the cookie: 43 characters of base64url.
func (id SessionID) Cookie() string {
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Digest returns the SHA-256 hash that names the session within a namespace,
// which is the client id: the same id names another session there. It is safe
// to keep and to compare in the clear. It does not allocate for namespaces of
// up to 128 bytes.
func (id SessionID) Digest(namespace string) [sha256.Size]byte {
	var room [len(keyLabel) + len(id) + 128]byte
	b := append(room[:0], keyLabel...)
	b = append(b, id[:]...)
	b = append(b, namespace...)
	return sha256.Sum256(b)
}

// Key returns Digest as 64 lower-case hexadecimal digits: the key of the
// session's record in a Store.
func (id SessionID) Key(namespace string) string {
	sum := id.Digest(namespace)
	return hex.EncodeToString(sum[:])
}

const redacted = "redacted"

// Format implements fmt.Formatter and hides the id whatever the verb.
func (SessionID) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, which encoding/json and with it
// zap use, and hides the id.
func (SessionID) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer and hides the id.
func (SessionID) LogValue() slog.Value { return slog.StringValue(redacted) }
