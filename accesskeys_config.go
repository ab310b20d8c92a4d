package caddyspotify

import (
	"cmp"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/account"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
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
	// ends every key. The lists of people's sessions are sealed under it as well, if it
	// is given.
	Key string `json:"key,omitempty"`

	key givenKey // Key, once it is resolved
}

const (
	defaultMaxKeys = 20
	mostKeys       = 100
	// longestKey is less than the six months after which Spotify ends a grant.
	longestKey = 180 * 24 * time.Hour
)

// check fills in defaults and refuses what cannot work. Sessions last for the
// time given.
func (c *AccessKeysConfig) check(sess time.Duration) error {
	if err := positive("access_keys lifetime", &c.Lifetime, min(sess, longestKey), time.Minute); err != nil {
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
		if err := rule.Check(); err != nil {
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

func (h *Handler) newAccessKeys(ctx caddy.Context) *accesskeys.Keys {
	c := h.AccessKeys
	return accesskeys.New(accesskeys.Options{
		Site:     h.site,
		Flow:     h.login,
		Lifetime: time.Duration(c.Lifetime),
		Max:      c.Max,
		Allow:    rulesOf(c.Allow),
		Secret:   secret.New(c.key.secret, ctx.Storage(), "access_keys", "create all access keys again"),
	})
}

// newAccounts makes what people see of their accounts. Their lists of sessions are sealed
// under a key that instances have in common, if one is given.
func (h *Handler) newAccounts(ctx caddy.Context) {
	var given string
	if h.AccessKeys != nil {
		given = h.AccessKeys.key.secret
	}
	if h.Events != nil {
		given = cmp.Or(given, h.Events.key.secret)
	}
	accounts, leave := account.New(account.Options{
		Site: h.site, Flow: h.login, Keys: h.keys, Share: h.share,
		Secret: secret.New(given, ctx.Storage(), "account", "reload the configuration"),
	})
	h.account = accounts
	h.release = append(h.release, leave)
}
