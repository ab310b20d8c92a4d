package accesskeys

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// A renewed grant is sealed with HPKE (RFC 9180) in base mode to a public key that derives
// from the access key, so that it can be stored without the access key, and opened only
// with it: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//
// HPKE in base mode does not say who sealed. That only this site did follows from where
// the sealed grant is kept: in the list of keys, which is itself sealed under an ID that
// derives from the site's secret.

const (
	// renewalKeyLabel keeps the renewal's private key apart from the key of the record in
	// the store and from the one that seals it, which derive from the access key as well.
	renewalKeyLabel = "caddy-spotify key renewal v1\x00"
	// renewalInfoLabel begins what a sealed grant is bound to.
	renewalInfoLabel = "caddy-spotify renewed grant v1"
	ikmSize          = 32
)

func renewalKEM() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

// renewalKey derives the private key that opens the renewed grants of an access key.
func renewalKey(id tokenstore.SessionID, clientID string) (hpke.PrivateKey, error) {
	ikm, err := hkdf.Key(sha256.New, id[:], nil, renewalKeyLabel+clientID, ikmSize)
	if err != nil {
		return nil, fmt.Errorf("deriving the renewal key: %w", err)
	}
	private, err := renewalKEM().DeriveKeyPair(ikm)
	if err != nil {
		return nil, fmt.Errorf("deriving the renewal key: %w", err)
	}
	return private, nil
}

// renewalPublicKey returns the public key to which grants for an access key are sealed.
// It says nothing of the access key.
func renewalPublicKey(id tokenstore.SessionID, clientID string) ([]byte, error) {
	private, err := renewalKey(id, clientID)
	if err != nil {
		return nil, err
	}
	return private.PublicKey().Bytes(), nil
}

// grantContext is what a sealed grant is bound to. It opens for nothing else.
type grantContext struct {
	site, clientID, account string
	key                     string // of the access key's record
	generation              int64
}

// info encodes the context without ambiguity.
func (c grantContext) info() []byte {
	var b []byte
	for _, part := range []string{renewalInfoLabel, c.site, c.clientID, c.account, c.key} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part))) //nolint:gosec // a few hundred bytes
		b = append(b, part...)
	}
	return binary.BigEndian.AppendUint64(b, uint64(c.generation)) //nolint:gosec // any value has an encoding
}

// renewedGrant is what is sealed.
type renewedGrant struct {
	Token        pkce.TokenFields `json:"token"`
	Account      string           `json:"account"`
	AuthorizedAt int64            `json:"authorized_at"` // in Unix seconds
	ExpiresAt    int64            `json:"expires_at"`    // in Unix seconds
}

// sealGrant seals a grant to a public key that renewalPublicKey returned.
func sealGrant(public []byte, c grantContext, grant renewedGrant) ([]byte, error) {
	to, err := renewalKEM().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("reading the renewal key: %w", err)
	}
	plain, err := json.Marshal(grant)
	if err != nil {
		return nil, fmt.Errorf("encoding the renewed grant: %w", err)
	}
	sealed, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), c.info(), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the renewed grant: %w", err)
	}
	return sealed, nil
}

// errBadGrant says that a sealed grant is not for the access key: it was sealed for
// another one, site, account or generation, or it is damaged.
var errBadGrant = errors.New("the renewed grant cannot be opened")

// openGrant opens what sealGrant made, with the access key.
func openGrant(id tokenstore.SessionID, c grantContext, sealed []byte) (*session.Renewal, error) {
	private, err := renewalKey(id, c.clientID)
	if err != nil {
		return nil, err
	}
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), c.info(), sealed)
	if err != nil {
		return nil, errBadGrant
	}
	var grant renewedGrant
	if err := json.Unmarshal(plain, &grant); err != nil {
		return nil, errBadGrant
	}
	if grant.Account != c.account {
		return nil, fmt.Errorf("%w: it is another account's", errBadGrant)
	}
	return &session.Renewal{
		Generation: c.generation, Token: pkce.NewToken(grant.Token), AuthorizedAt: grant.AuthorizedAt, ExpiresAt: grant.ExpiresAt,
	}, nil
}
