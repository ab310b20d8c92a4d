package session

import (
	"sync/atomic"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// keyUseEvery is how often it is noted, in seconds, that a key was used.
const keyUseEvery = 3600

// KeyTerms are what an access key is good for. They are sealed along with its
// token, and what is sealed does not change.
type KeyTerms struct {
	Name      string        `json:"name"`
	ExpiresAt int64         `json:"expires_at"` // in Unix seconds
	Allow     []webapi.Rule `json:"allow,omitempty"`
	// Seal is the mark of the secret under which its owner's list of keys was
	// sealed when the key was created. Under another one the key would be in no
	// list, so nobody could revoke it, and it counts no longer.
	Seal uint64 `json:"seal"`

	listing atomic.Pointer[listing] // nil until it was found in its owner's list
}
