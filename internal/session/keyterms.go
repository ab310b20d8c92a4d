package session

import (
	"sync/atomic"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

const (
	// keyUseEvery is how often it is noted, in seconds, that a key was used.
	keyUseEvery = 3600
	// maxGrace is the longest grace of an access key.
	maxGrace = 30 * 24 * time.Hour
)

// KeyTerms are what an access key is good for. They are sealed along with its
// token, and what is sealed does not change but by a renewal.
type KeyTerms struct {
	Name      string        `json:"name"`
	ExpiresAt int64         `json:"expires_at"` // in Unix seconds
	Allow     []webapi.Rule `json:"allow,omitempty"`
	// Seal is the mark of the secret under which its owner's list of keys was
	// sealed when the key was created. Under another one the key would be in no
	// list, so nobody could revoke it, and it counts no longer.
	Seal uint64 `json:"seal"`
	// Life is for how long its owner chose it to be good, in seconds. A renewal is for
	// as long. It is 0 if the key cannot be renewed, as those of earlier versions.
	Life int64 `json:"life,omitempty"`
	// Generation is the renewal that the token comes from, and 0 before the first.
	Generation int64 `json:"generation,omitempty"`
	// Device says that the key was made for a device, at the page where its code is entered.
	Device bool `json:"device,omitempty"`

	listing atomic.Pointer[listing] // nil until it was found in its owner's list
}

// Grace returns for how long the record of an access key is kept after the key has
// expired, so that the key can be renewed: 30 days, but not longer than its life.
func (t *KeyTerms) Grace() time.Duration { return KeyGrace(time.Duration(t.Life) * time.Second) }

// KeyGrace is KeyTerms.Grace for a key that was to be good for life.
func KeyGrace(life time.Duration) time.Duration { return min(life, maxGrace) }

// renewedBy returns the terms with which an access key goes on after a renewal.
func (t *KeyTerms) renewedBy(r *Renewal) *KeyTerms {
	next := t.until(r.ExpiresAt)
	next.Generation = r.Generation
	return next
}

// until returns the terms with another end.
func (t *KeyTerms) until(expiresAt int64) *KeyTerms {
	return &KeyTerms{Name: t.Name, ExpiresAt: expiresAt, Allow: t.Allow, Seal: t.Seal, Life: t.Life, Generation: t.Generation, Device: t.Device}
}
