package caddyspotify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/share"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// ShareConfig shows some of one account's data to every visitor who is not
// logged in: what its owner is listening to, for example.
//
// The owner connects the account at `GET <prefix>/share/connect`, once, and
// again when Spotify wants consent again. That login is apart from the owner's
// own session in the browser and needs none. Nobody but the accounts listed
// can become the one that is shown, whoever logs in there.
//
// Only the GETs listed are answered, path and query compared as a whole, so a
// visitor can neither see more nor have Spotify asked more often: an answer is
// kept for `cache`, and however many visitors ask, Spotify is asked once in that
// time. Nothing that a visitor sends reaches Spotify.
type ShareConfig struct {
	// The accounts that may be shown, by the user ID or the `account_id` that
	// Spotify's `/v1/me` tells. Required. Of several that are connected, the
	// first one listed is shown.
	Owner []string `json:"owner,omitempty"`

	// What is shown: paths of the Web API such as
	// `/v1/me/player/currently-playing` or `/v1/me/top/tracks?limit=5`.
	// Required, at most 64. A request with any other query is not answered.
	Allow []string `json:"allow,omitempty"`

	// The scopes that connecting asks for. Default: those of every login.
	Scopes []string `json:"scopes,omitempty"`

	// How long an answer is shown until Spotify is asked again; it is asked only
	// while visitors ask. Default: 90s for each path of `allow`, so 90s for one and
	// 4m30s for each of three. Then a page that somebody always looks at costs 960
	// requests a day and instance, however many paths it shows: apps in development
	// mode have been refused more after some 1,100 (as of November 2026). What could
	// cost over 1,000 is warned of when the config loads.
	Cache caddy.Duration `json:"cache,omitempty"`

	// How long the last answer goes on being shown, marked by the header
	// `Spotify-Proxy-Stale: 1`, while there is no newer one because Spotify is
	// out of reach or the account is no longer connected. Default: 1h.
	Stale caddy.Duration `json:"stale,omitempty"`

	// The other origins whose pages may read what is shown, or `*` for all.
	// Default: none.
	CORS []string `json:"cors,omitempty"`

	// The secret under which the owner's session is sealed, of 32 characters or
	// more. May be a placeholder such as `{env.SPOTIFY_SHARE_KEY}`. Default: one
	// that is made once and kept in Caddy's storage. Give one if the sessions
	// are kept there as well and a copy of that storage must be of no use.
	// Another key means connecting again.
	Key string `json:"key,omitempty"`

	key givenKey // Key, once it is resolved
}

const (
	defaultSharePace  = 90 * time.Second // of all paths together
	defaultShareStale = time.Hour
	// maxShared bounds the GETs that are shared and so, with the bound of one response,
	// the memory for them.
	maxShared = 64
	// dailyShare is how many requests a day share may spend before it is warned of.
	dailyShare = 1000
)

// check fills in defaults and refuses what cannot work. The rules are the site's.
func (c *ShareConfig) check(rules []webapi.Rule) error {
	if len(c.Owner) == 0 {
		return errors.New("share owner is missing: give the account's user ID, which Spotify's account page and /v1/me show")
	}
	for i, name := range c.Owner {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("share owner %q is not a user ID (if it is a variable, set it): copy it from Spotify's account page", name)
		}
		if slices.Contains(c.Owner[:i], name) {
			return fmt.Errorf("share owner %q is given twice: remove one", name)
		}
	}
	if len(c.Allow) == 0 {
		return errors.New("share allow is missing: list what to show, for example /v1/me/player/currently-playing")
	}
	if len(c.Allow) > maxShared {
		return fmt.Errorf("share allow lists %d paths: list at most %d", len(c.Allow), maxShared)
	}
	seen := make(map[string]struct{})
	for _, raw := range c.Allow {
		target, err := share.ParseTarget(raw)
		if err != nil {
			return err
		}
		if _, twice := seen[target.String()]; twice {
			return fmt.Errorf("share allow %q is given twice: remove one", raw)
		}
		seen[target.String()] = struct{}{}
		if !webapi.Allowed(rules, http.MethodGet, target.Path) {
			return fmt.Errorf("share allow %q is not among what allow lets pass: add it there, too", raw)
		}
	}
	for _, origin := range c.CORS {
		if err := share.CheckOrigin(origin, len(c.CORS)); err != nil {
			return err
		}
	}
	if err := c.key.check("share key"); err != nil {
		return err
	}
	if err := positive("share cache", &c.Cache, time.Duration(len(c.Allow))*defaultSharePace, time.Second); err != nil {
		return err
	}
	return positive("share stale", &c.Stale, defaultShareStale, time.Second)
}

// replacePlaceholders resolves those that the options may hold.
func (c *ShareConfig) replacePlaceholders(repl *caddy.Replacer) {
	if c == nil {
		return
	}
	c.key.take(repl, &c.Key)
	for _, list := range []*[]string{&c.Owner, &c.Scopes} {
		if *list == nil {
			continue
		}
		values := make([]string, 0, len(*list))
		for _, v := range *list {
			values = append(values, strings.Fields(repl.ReplaceAll(v, ""))...)
		}
		*list = values
	}
}

func (h *Handler) newSharedAccount(ctx caddy.Context) (*share.Share, error) {
	c := h.Share
	if most := share.MostRequests(len(c.Allow), time.Duration(c.Cache)); most > dailyShare {
		ctx.Logger().Warn("share may spend a day's quota of an app in development mode; raise share cache or list fewer paths",
			zap.Int("requests_per_day", most), zap.Int("paths", len(c.Allow)), zap.Duration("cache", time.Duration(c.Cache)))
	}
	scopes := c.Scopes
	if scopes == nil {
		scopes = h.Scopes
	}
	sh, err := share.New(share.Options{
		Site:    h.site,
		Flow:    h.login,
		Owners:  c.Owner,
		Allow:   c.Allow,
		Scopes:  scopes,
		Fresh:   time.Duration(c.Cache),
		Stale:   time.Duration(c.Stale),
		Origins: c.CORS,
		Secret:  secret.New(c.key.secret, ctx.Storage(), "share", "connect the account again"),
	})
	if err != nil {
		return nil, err
	}
	h.release = append(h.release, sh.Close)
	return sh, nil
}

func (h *Handler) unmarshalShare(d *caddyfile.Dispenser) error {
	c := new(ShareConfig)
	h.Share = c
	return block(d, "share", setters{
		"owner":  func() error { return someArgs(d, "share owner", &c.Owner) },
		"allow":  func() error { return someArgs(d, "share allow", &c.Allow) },
		"scopes": func() error { return someArgs(d, "share scopes", &c.Scopes) },
		"cors":   func() error { return someArgs(d, "share cors", &c.CORS) },
		"cache":  func() error { return duration(d, "share cache", &c.Cache) },
		"stale":  func() error { return duration(d, "share stale", &c.Stale) },
		"key":    func() error { return oneArg(d, "share key", &c.Key) },
	})
}
