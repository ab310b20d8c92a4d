package tokenstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

const (
	// sealFormat leads every sealed payload, so that another format can follow
	// this one without ending the sessions sealed under it.
	sealFormat = 1
	// sealLabel keeps the sealing key apart from any other use of the id.
	sealLabel = "caddy-spotify session seal v1\x00"
	// sealKeySize selects AES-256.
	sealKeySize = 32
)

// ErrUnsealable says that a payload cannot be opened: it was sealed under
// another id, namespace or key, it is damaged, or it was never sealed.
// Which of these it is cannot be told. Such a record is no session.
var ErrUnsealable = errors.New("session record cannot be opened")

// Seal encrypts and authenticates plaintext so that only who holds the session
// id can open it, and only as the record of that id in that namespace. The key
// is HKDF-SHA256 (RFC 5869) of the id, the cipher AES-256-GCM with a random
// nonce, and the record's key is the associated data.
//
// It fails only where the system's cryptography is restricted beyond use.
func Seal(id SessionID, namespace string, plaintext []byte) ([]byte, error) {
	aead, err := sealer(id, namespace)
	if err != nil {
		return nil, fmt.Errorf("sealing session: %w", err)
	}
	sealed := make([]byte, 1, 1+aead.Overhead()+len(plaintext))
	sealed[0] = sealFormat
	return aead.Seal(sealed, nil, plaintext, sealedFor(id, namespace)), nil
}

// Open returns what Seal was given. Anything wrong with sealed is ErrUnsealable.
func Open(id SessionID, namespace string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealFormat {
		return nil, ErrUnsealable
	}
	aead, err := sealer(id, namespace)
	if err != nil {
		return nil, fmt.Errorf("opening session: %w", err)
	}
	plaintext, err := aead.Open(nil, nil, sealed[1:], sealedFor(id, namespace))
	if err != nil {
		return nil, ErrUnsealable
	}
	return plaintext, nil
}

// sealer returns the cipher of one session. Each sealing draws a new 96-bit
// nonce, which stands first in the result; a session is sealed some thousand
// times in its life, far from the 2^32 at which nonces might meet.
func sealer(id SessionID, namespace string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, id[:], nil, sealLabel+namespace, sealKeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealedFor is the associated data: the format, and the key of the one record
// that the payload belongs to.
func sealedFor(id SessionID, namespace string) []byte {
	return append([]byte{sealFormat}, id.Key(namespace)...)
}
