package caddyspotify

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// AccessKeysConfig lets people who are logged in create access keys for their
// programs, at `<prefix>/keys`. A program sends its key as `Authorization: Bearer
// <key>` with its requests to `<prefix>/v1/`, where a token would stand, and the
// proxy puts a token in its place. So whatever can be told another base URL than
// Spotify's works as it is: curl, spotipy, the SDKs, a Terraform provider.
//
// A key is like a session of its own: it has its own grant of Spotify's, which is
// why creating one leads over Spotify, and ends when it expires or is revoked,
// not when its owner logs out. It opens the Web API and nothing else, as far as
// `allow`, the `allow` below and what was chosen for it permit.
//
// On a request with a key no cookie counts.
type AccessKeysConfig struct {
	// The longest that a key may last. Default: as long as a session may; at
	// most 180 days, since Spotify ends what a key stands for six months after
	// it was created.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// How many keys an account may have at once, up to 100. Default: 20.
	Max int `json:"max,omitempty"`

	// The most that any key may do, written like the `allow` of the site, which
	// holds as well. Default: everything.
	Allow []AllowRule `json:"allow,omitempty"`

	// The secret under which the lists of people's keys are sealed, of 32
	// characters or more. May be a placeholder such as `{env.SPOTIFY_KEYS_KEY}`.
	// Default: one that is made once and kept in Caddy's storage. Instances that
	// share sessions but not Caddy's storage must be given the same. Another one
	// ends every key.
	Key string `json:"key,omitempty"`

	key givenKey // Key, once it is resolved
}

const (
	defaultMaxKeys = 20
	mostKeys       = 100
	// longestKey is less than the six months after which Spotify ends a grant.
	longestKey = 180 * 24 * time.Hour
	// keyUseEvery is how often it is noted, in seconds, that a key was used.
	keyUseEvery = 3600
)

// check fills in defaults and refuses what cannot work. Sessions last for the
// time given.
func (c *AccessKeysConfig) check(session time.Duration) error {
	if err := positive("access_keys lifetime", &c.Lifetime, min(session, longestKey), time.Minute); err != nil {
		return err
	}
	if time.Duration(c.Lifetime) > longestKey {
		return fmt.Errorf("access_keys lifetime %s is longer than Spotify's grants last: give at most 180d", time.Duration(c.Lifetime))
	}
	if c.Max == 0 {
		c.Max = defaultMaxKeys
	}
	if c.Max < 1 || c.Max > mostKeys {
		return fmt.Errorf("access_keys max %d is out of range: give 1 to %d keys", c.Max, mostKeys)
	}
	for _, rule := range rulesOf(c.Allow) {
		if err := rule.check(); err != nil {
			return fmt.Errorf("access_keys %w", err)
		}
	}
	return c.key.check("access_keys key")
}

// replacePlaceholders resolves those that the options may hold.
func (c *AccessKeysConfig) replacePlaceholders(repl *caddy.Replacer) {
	if c != nil {
		c.key.take(repl, &c.Key)
	}
}

func (h *Handler) newAccessKeys(ctx caddy.Context) *accessKeys {
	c := h.AccessKeys
	return newKeys(keysOptions{
		Site:     h.site,
		Flow:     h.login,
		Lifetime: time.Duration(c.Lifetime),
		Max:      c.Max,
		Allow:    rulesOf(c.Allow),
		Secret:   newStored(c.key.secret, ctx.Storage(), "access_keys", "create all access keys again"),
	})
}

// accessKeys are the access keys of a site. It is safe for concurrent use.
type accessKeys struct {
	site     *site
	flow     *loginFlow
	purpose  *loginPurpose
	lifetime time.Duration
	max      int
	allow    []rule
	key      *storedKey
	mark     atomic.Uint64 // what seal returns; 0 until it is known
}

// keysOptions are what New makes access keys of.
type keysOptions struct {
	Site     *site
	Flow     *loginFlow
	Lifetime time.Duration // the longest of a key
	Max      int           // of one account
	Allow    []rule        // the most that any key may do; none is everything
	Secret   *storedKey    // under which the lists of keys are sealed
}

// newKeys returns the access keys of a site, and registers the login that creates
// one.
func newKeys(o keysOptions) *accessKeys {
	k := &accessKeys{site: o.Site, flow: o.Flow, lifetime: o.Lifetime, max: o.Max, allow: o.Allow, key: o.Secret}
	k.purpose = &loginPurpose{
		name:      "key",
		retryURL:  k.path(),
		exclusive: true,
		finish:    k.finishKey,
		cancelled: func(p *problem) {
			p.message = "You did not give this app access to your Spotify account once more, so no access key was created."
			p.wording = wordingKeyCancelled
		},
	}
	o.Flow.register(k.purpose)
	return k
}

func (k *accessKeys) path() string { return k.site.prefix + "/keys" }
func (k *accessKeys) url() string  { return k.site.origin + k.path() }

// keyTerms are what an access key is good for. They are sealed along with its
// token, and do not change.
type keyTerms struct {
	Name      string `json:"name"`
	ExpiresAt int64  `json:"expires_at"` // in Unix seconds
	Allow     []rule `json:"allow,omitempty"`
	// Seal is the mark of the secret under which its owner's list of keys was
	// sealed when the key was created. Under another one the key would be in no
	// list, so nobody could revoke it, and it counts no longer.
	Seal uint64 `json:"seal"`
}

// keyNamespace is where the ids of access keys mean something. Client IDs have
// no such character in them.
func keyNamespace(clientID string) string { return clientID + "\x00access key" }

// Labels keep what derives from the secret apart.
const (
	keyIndexLabel = "caddy-spotify key index v1\x00"
	keySealLabel  = "caddy-spotify key seal v1\x00"
)

// indexID is the id of the record that lists an account's keys.
func (k *accessKeys) indexID(ctx context.Context, account string) (tokenstore.SessionID, error) {
	secret, err := k.key.load(ctx)
	if err != nil {
		return tokenstore.SessionID{}, err
	}
	return deriveID(secret, keyIndexLabel, k.site.clientID, account)
}

// seal is the mark of the secret, which does not lead back to it.
func (k *accessKeys) seal(ctx context.Context) (uint64, error) {
	if mark := k.mark.Load(); mark != 0 {
		return mark, nil
	}
	secret, err := k.key.load(ctx)
	if err != nil {
		return 0, err
	}
	b, err := hkdf.Key(sha256.New, secret, nil, keySealLabel, 8)
	if err != nil {
		return 0, fmt.Errorf("marking a key: %w", err)
	}
	mark := max(1, binary.BigEndian.Uint64(b))
	k.mark.Store(mark)
	return mark, nil
}

// permits refuses what a key is not for. The path has passed plainAPIPath; what
// the site allows is another matter.
func (k *accessKeys) permits(s *session, out *http.Request) *problem {
	return k.permitsPath(s, out.Method, out.URL.Path)
}

func (k *accessKeys) permitsPath(s *session, method, path string) *problem {
	if allowed(k.allow, method, path) && allowed(s.terms.Allow, method, path) {
		return nil
	}
	return &problem{
		status: http.StatusForbidden, reason: reason.NotAllowed, forCode: true,
		message: "This access key is not for this part of the Web API. Create one that is.",
	}
}

// invalidKey says that there is no such key, or no longer (RFC 6750 §3.1).
func (k *accessKeys) invalidKey() *problem {
	return &problem{
		status: http.StatusUnauthorized, reason: reason.InvalidAccessKey, forCode: true,
		message:   "This access key is unknown, expired or revoked. Create another at " + k.url() + ".",
		challenge: `Bearer realm="Spotify Web API", error="invalid_token"`,
	}
}

// ended is invalidKey for one whose access Spotify has ended.
func (k *accessKeys) ended(err error) *problem {
	p := k.invalidKey()
	p.message = "Spotify has ended the access of this key. Create another at " + k.url() + "."
	p.err = err
	return p
}

// warnOfSeal tells the operator why a key that is there does not count.
func (k *accessKeys) warnOfSeal(s *session) {
	if suppressed, ok := k.site.faults().admit("access key seal"); ok {
		k.site.logger.Warn("an access key was created under another secret and does not count: give all instances the same access_keys key",
			zap.String("session", s.ref()), zap.String("account", s.account.ID), suppressed)
	}
}
