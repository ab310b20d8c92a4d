package tokenstore

import "errors"

// keyLength is the length of a SHA-256 hash in hexadecimal.
const keyLength = 64

// refLength is how much of a key stands in a log line.
const refLength = 12

// ErrMalformedKey says that a key is not of the form that SessionID.Key makes.
// Every Store refuses such keys in every method: a key becomes a file name or a
// part of one, and must not lead anywhere else.
var ErrMalformedKey = errors.New("malformed session key")

// CheckKey returns ErrMalformedKey unless key is 64 lower-case hexadecimal digits.
func CheckKey(key string) error {
	if len(key) != keyLength {
		return ErrMalformedKey
	}
	for i := range len(key) {
		if c := key[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ErrMalformedKey
		}
	}
	return nil
}

// Ref returns the first 12 digits of a key: a reference to a session that tells
// it from others in logs and to the operator, and is of no use to anyone else.
func Ref(key string) string {
	return key[:min(len(key), refLength)]
}
