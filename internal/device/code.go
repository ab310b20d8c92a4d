package device

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// letters are those of user codes: no vowels, so that there are no words, and none that
// looks like a digit (RFC 8628 §6.1).
const letters = "BCDFGHJKLMNPQRSTVWXZ"

// codeLength is how many letters a user code has: 20^8 are 2.56e10 codes, or 34.5 bits.
const codeLength = 8

// newUserCode returns a user code, of letters only.
func newUserCode() string {
	code := make([]byte, codeLength)
	for i := range code {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err) // never fails
		}
		code[i] = letters[n.Int64()]
	}
	return string(code)
}

// parseUserCode reads a code as a person may type it, in any case and with dashes, dots and
// spaces anywhere.
func parseUserCode(typed string) (code string, ok bool) {
	if len(typed) > 64 {
		return "", false
	}
	var b strings.Builder
	for _, r := range strings.ToUpper(typed) {
		switch {
		case strings.ContainsRune(letters, r):
			b.WriteRune(r)
		case strings.ContainsRune(" -._\t\u00a0\u2010\u2011\u2012\u2013\u2014", r):
		default:
			return "", false
		}
	}
	return b.String(), b.Len() == codeLength
}

// shown is a user code as people see it.
func shown(code string) string { return code[:codeLength/2] + "-" + code[codeLength/2:] }

// deviceCode is what a device asks with: a secret that nobody else has, and the ID of the
// record, which the user code leads to as well.
type deviceCode struct {
	seed   [32]byte
	record tokenstore.SessionID
}

// errBadDeviceCode says that a string is no device code of ours.
var errBadDeviceCode = errors.New("malformed device code")

func newDeviceCode(record tokenstore.SessionID) deviceCode {
	c := deviceCode{record: record}
	_, _ = rand.Read(c.seed[:]) // never fails
	return c
}

// String reveals the code: 86 characters of base64url.
func (c deviceCode) String() string {
	return base64.RawURLEncoding.EncodeToString(append(c.seed[:], c.record[:]...))
}

func parseDeviceCode(s string) (c deviceCode, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(c.seed)+len(c.record) {
		return c, errBadDeviceCode
	}
	copy(c.seed[:], b)
	copy(c.record[:], b[len(c.seed):])
	return c, nil
}

// What a device is given is sealed to it by HPKE (RFC 9180), so neither the store nor the
// instance where the person confirms needs to know its code, and what is kept until the
// device asks opens for nobody else.
var (
	kem  = hpke.DHKEM(ecdh.X25519())
	kdf  = hpke.HKDFSHA256()
	aead = hpke.AES256GCM()
)

const sealInfo = "caddy-spotify device login v1\x00"

// keyPair returns the device's key pair, which derives from its code.
func (c deviceCode) keyPair() (hpke.PrivateKey, error) { return kem.DeriveKeyPair(c.seed[:]) }

// sealTo seals what a device is given to its public key. The record is that of its login.
func sealTo(public []byte, record string, plaintext []byte) ([]byte, error) {
	key, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, kdf, aead, []byte(sealInfo+record), plaintext)
}

// open opens what sealTo made.
func (c deviceCode) open(record string, sealed []byte) ([]byte, error) {
	key, err := c.keyPair()
	if err != nil {
		return nil, err
	}
	return hpke.Open(key, kdf, aead, []byte(sealInfo+record), sealed)
}
