package caddyspotify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// ShareConfig shows some of one account's data to every visitor who is not
// logged in: what its owner is listening to, for example.
//
// The owner connects the account at `GET <prefix>/share/connect`, once, and
// again when Spotify wants consent anew. That login is apart from the owner's
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

	// How long an answer is shown until Spotify is asked again. Default: 10s.
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
	// Another key means connecting anew.
	Key string `json:"key,omitempty"`

	key givenKey // Key, once it is resolved
}

const (
	defaultShareCache = 10 * time.Second
	defaultShareStale = time.Hour
	// maxShared bounds the GETs that are shared and so, with maxSharedBody, the
	// memory for their answers.
	maxShared = 64
)

// check fills in defaults and refuses what cannot work. The rules are the site's.
func (c *ShareConfig) check(rules []rule) error {
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
		target, err := parseShared(raw)
		if err != nil {
			return err
		}
		if _, twice := seen[target.String()]; twice {
			return fmt.Errorf("share allow %q is given twice: remove one", raw)
		}
		seen[target.String()] = struct{}{}
		if !allowed(rules, http.MethodGet, target.path) {
			return fmt.Errorf("share allow %q is not among what allow lets pass: add it there, too", raw)
		}
	}
	for _, origin := range c.CORS {
		if err := checkCORSOrigin(origin, len(c.CORS)); err != nil {
			return err
		}
	}
	if err := c.key.check("share key"); err != nil {
		return err
	}
	if err := positive("share cache", &c.Cache, defaultShareCache, time.Second); err != nil {
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

func (h *Handler) newSharedAccount(ctx caddy.Context) (*share, error) {
	c := h.Share
	scopes := c.Scopes
	if scopes == nil {
		scopes = h.Scopes
	}
	return newShare(shareOptions{
		Site:    h.site,
		Flow:    h.login,
		Owners:  c.Owner,
		Allow:   c.Allow,
		Scopes:  scopes,
		Fresh:   time.Duration(c.Cache),
		Stale:   time.Duration(c.Stale),
		Origins: c.CORS,
		Secret:  newStored(c.key.secret, ctx.Storage(), "share", "connect the account again"),
	})
}

// sharedTarget is a path of the Web API and a query, each in one spelling only.
type sharedTarget struct{ path, query string }

func (t sharedTarget) String() string {
	if t.query == "" {
		return t.path
	}
	return t.path + "?" + t.query
}

func parseShared(raw string) (sharedTarget, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.IsAbs() || u.Host != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, apiRoot):
		return sharedTarget{}, fmt.Errorf("share allow %q is not a path of the Web API: write it like /v1/me/player/currently-playing", raw)
	case strings.Contains(u.Path, "*"):
		return sharedTarget{}, fmt.Errorf("share allow %q has a *: write each path out, so that visitors cannot have Spotify asked for more", raw)
	case !plainAPIPath(u):
		return sharedTarget{}, fmt.Errorf("share allow %q is not a plain path: write it without \"..\", double slashes, backslashes or encoded slashes", raw)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return sharedTarget{}, fmt.Errorf("share allow %q: the query cannot be read: %s", raw, queryHint)
	}
	return sharedTarget{u.Path, query.Encode()}, nil
}

func checkCORSOrigin(origin string, of int) error {
	if origin == "*" {
		if of > 1 {
			return errors.New("share cors: * covers all origins: give it alone")
		}
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != origin {
		return fmt.Errorf("share cors %q is not an origin: write it like https://www.example.com, in lower case and without a path, or *", origin)
	}
	return nil
}

// share is the account that a site shows to everybody. It is safe for
// concurrent use.
type share struct {
	site    *site
	flow    *loginFlow
	purpose *loginPurpose
	listed  []string // what is shared, as it was written
	owners  []string
	scopes  []string
	fresh   time.Duration
	stale   time.Duration
	origins []string
	key     *storedKey
	gets    map[sharedTarget]*sharedGet

	connection atomic.Int32 // what was last known of it
}

// What is known of the connection to the owner's account.
const (
	connectionUnknown int32 = iota
	connectionThere
	connectionMissing
)

// shareOptions are what New makes a share of.
type shareOptions struct {
	Site    *site
	Flow    *loginFlow
	Owners  []string      // the accounts that may be shown, the first connected one counts
	Allow   []string      // what is shown, as parseShared reads it
	Scopes  []string      // that connecting asks for
	Fresh   time.Duration // how long a response is shown until Spotify is asked again
	Stale   time.Duration // and for how long after that while there is no newer one
	Origins []string      // other origins that may read it, or "*"
	Secret  *storedKey    // under which the owners' sessions are sealed
}

// newShare returns the shared account of a site, and registers the login that
// connects it.
func newShare(o shareOptions) (*share, error) {
	sh := &share{
		site: o.Site, flow: o.Flow, owners: o.Owners, listed: o.Allow, scopes: o.Scopes,
		fresh: o.Fresh, stale: o.Stale, origins: o.Origins, key: o.Secret,
		gets: make(map[sharedTarget]*sharedGet, len(o.Allow)),
	}
	for _, raw := range o.Allow {
		target, err := parseShared(raw)
		if err != nil {
			return nil, err
		}
		sh.gets[target] = &sharedGet{target: target}
	}
	sh.purpose = &loginPurpose{name: "share", retryURL: sh.connectPath(), finish: sh.connect}
	o.Flow.register(sh.purpose)
	return sh, nil
}

// allowed returns what is shared under a path and query of the Web API, or nil.
func (s *share) allowed(path, rawQuery string) *sharedGet {
	target := sharedTarget{path: path}
	if rawQuery != "" {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return nil
		}
		target.query = query.Encode()
	}
	return s.gets[target]
}

// permits refuses a request, as it is about to leave for Spotify, that is none of
// those that are shared.
func (s *share) permits(_ *session, out *http.Request) *problem {
	if out.Method == http.MethodGet && s.allowed(out.URL.Path, out.URL.RawQuery) != nil {
		return nil
	}
	return misconfigured("The request that leaves for the Web API is not one of those that share allows: do not rewrite it in between.")
}

// ended says what it means that Spotify has ended the owner's grant: fetcher takes
// it for a reason to look for another session.
func (s *share) ended(err error) *problem { return s.site.ended(err) }

// shareLabel keeps the ids of owners' sessions apart from any other use of the key.
const shareLabel = "caddy-spotify share v1\x00"

// id is the id of one owner's session. It derives from the key, so the session
// is found, refreshed and ended like any other, but no browser holds its cookie.
func (s *share) id(key []byte, owner string) (tokenstore.SessionID, error) {
	return deriveID(key, shareLabel, s.site.clientID, s.site.origin, s.site.prefix, owner)
}

// session returns the owner's session. It returns errNoSession if no owner is
// connected, and another error if that cannot be told just now.
func (s *share) session(ctx context.Context) (*session, error) {
	key, err := s.key.load(ctx)
	if err != nil {
		return nil, err
	}
	for _, owner := range s.owners {
		id, err := s.id(key, owner)
		if err != nil {
			return nil, err
		}
		sess, err := s.site.sessions.get(ctx, id.Cookie())
		if errors.Is(err, errNoSession) {
			// One that was replaced through another instance is found at the
			// second look.
			sess, err = s.site.sessions.get(ctx, id.Cookie())
		}
		if err == nil {
			s.note(connectionThere)
			return sess, nil
		}
		if !errors.Is(err, errNoSession) {
			return nil, err
		}
	}
	s.note(connectionMissing)
	return nil, errNoSession
}

// note tells the operator when the connection comes or goes.
func (s *share) note(state int32) {
	if s.connection.Swap(state) == state {
		return
	}
	if state == connectionThere {
		s.site.logger.Info("the shared account is connected")
		return
	}
	s.site.logger.Warn("the shared account is not connected: its owner has to visit the address and log in",
		zap.String("connect", s.connectURL()), zap.Strings("owner", s.owners))
}

func (s *share) path() string        { return s.site.prefix + "/share" }
func (s *share) connectPath() string { return s.path() + "/connect" }
func (s *share) connectURL() string  { return s.site.origin + s.connectPath() }

// ownerOf returns the owner that a profile is, as the config names it.
func (s *share) ownerOf(p profile) (string, bool) {
	for _, owner := range s.owners {
		if owner == p.AccountID || owner == p.ID {
			return owner, true
		}
	}
	return "", false
}
