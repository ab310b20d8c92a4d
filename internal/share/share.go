// Package share shows one account's data to visitors who are not logged in.
package share

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// target is a path of the Web API and a query, each in one spelling only.
type target struct{ Path, query string }

func (t *target) key() cache.Key { return cache.Key{Path: t.Path, Query: t.query} }

func (t target) String() string {
	if t.query == "" {
		return t.Path
	}
	return t.Path + "?" + t.query
}

// ParseTarget reads a path of the Web API with a query, as share allow lists them.
// The error says what to write.
func ParseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.IsAbs() || u.Host != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, webapi.Root):
		return target{}, fmt.Errorf("share allow %q is not a path of the Web API: write it like /v1/me/player/currently-playing", raw)
	case strings.Contains(u.Path, "*"):
		return target{}, fmt.Errorf("share allow %q has a *: write each path out, so that visitors cannot have Spotify asked for more", raw)
	case !webapi.PlainPath(u):
		return target{}, fmt.Errorf("share allow %q is not a plain path: write it without \"..\", double slashes, backslashes or encoded slashes", raw)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, fmt.Errorf("share allow %q: the query cannot be read: %s", raw, problem.QueryHint)
	}
	return target{u.Path, query.Encode()}, nil
}

// Share is the account that a site shows to everybody. It is safe for
// concurrent use.
type Share struct {
	site    *site.Site
	flow    *login.Flow
	purpose *login.Purpose
	listed  []string // what is shared, as it was written
	owners  []string
	scopes  []string
	fresh   time.Duration
	stale   time.Duration
	origins []string
	key     *secret.Stored
	gets    map[target]*target
	kept    *cache.Cache

	connection atomic.Int32 // what was last known of it
}

// What is known of the connection to the owner's account.
const (
	connectionUnknown int32 = iota
	connectionThere
	connectionMissing
)

// Options are what New makes a share of.
type Options struct {
	Site    *site.Site
	Flow    *login.Flow
	Owners  []string       // the accounts that may be shown, the first connected one counts
	Allow   []string       // what is shown, as ParseTarget reads it
	Scopes  []string       // that connecting asks for
	Fresh   time.Duration  // how long a response is shown until Spotify is asked again
	Stale   time.Duration  // and for how long after that while there is no newer one
	Origins []string       // other origins that may read it, or "*"
	Secret  *secret.Stored // under which the owners' sessions are sealed
}

// New returns the shared account of a site, and registers the login that
// connects it.
func New(o Options) (*Share, error) {
	sh := &Share{
		site: o.Site, flow: o.Flow, owners: o.Owners, listed: o.Allow, scopes: o.Scopes,
		fresh: o.Fresh, stale: o.Stale, origins: o.Origins, key: o.Secret,
		gets: make(map[target]*target, len(o.Allow)),
		kept: cache.New(cache.NewAccounts(), cache.Options{Size: int64(len(o.Allow)) * maxShared, Variant: "share", Clock: o.Site.Clock}),
	}
	for _, raw := range o.Allow {
		t, err := ParseTarget(raw)
		if err != nil {
			return nil, err
		}
		sh.gets[t] = &t
	}
	sh.purpose = &login.Purpose{Name: "share", RetryURL: sh.connectPath(), Finish: sh.connect}
	o.Flow.Register(sh.purpose)
	return sh, nil
}

// MostRequests is how many requests for so many paths may be sent in a day by one
// instance, if somebody looks all the time and each response is shown for fresh.
func MostRequests(paths int, fresh time.Duration) int {
	return int(time.Duration(paths) * 24 * time.Hour / fresh)
}

// allowed returns what is shared under a path and query of the Web API, or nil.
func (s *Share) allowed(path, rawQuery string) *target {
	t := target{Path: path}
	if rawQuery != "" {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return nil
		}
		t.query = query.Encode()
	}
	return s.gets[t]
}

// Permits refuses a request, as it is about to leave for Spotify, that is none of
// those that are shared.
func (s *Share) Permits(_ *session.Session, out *http.Request) *problem.Problem {
	if out.Method == http.MethodGet && s.allowed(out.URL.Path, out.URL.RawQuery) != nil {
		return nil
	}
	return problem.Misconfigured("The request that leaves for the Web API is not one of those that share allows: do not rewrite it in between.")
}

// Ended says what it means that Spotify has ended the owner's grant: fetcher takes
// it for a reason to look for another session.
func (s *Share) Ended(err error) *problem.Problem { return s.site.Ended(err) }

// shareLabel keeps the ids of owners' sessions apart from any other use of the key.
const shareLabel = "caddy-spotify share v1\x00"

// id is the id of one owner's session. It derives from the key, and the session is
// refreshed and ended like any other, but it is of a kind that no cookie opens.
func (s *Share) id(key []byte, owner string) (tokenstore.SessionID, error) {
	return secret.DeriveID(key, shareLabel, s.site.ClientID, s.site.Origin, s.site.Prefix, owner)
}

// session returns the owner's session. It returns ErrNone if no owner is
// connected, and another error if that cannot be told just now.
func (s *Share) session(ctx context.Context) (*session.Session, error) {
	key, err := s.key.Load(ctx)
	if err != nil {
		return nil, err
	}
	for _, owner := range s.owners {
		id, err := s.id(key, owner)
		if err != nil {
			return nil, err
		}
		sess, err := s.site.Sessions.GetShared(ctx, id)
		if err == nil {
			s.note(connectionThere)
			return sess, nil
		}
		if !errors.Is(err, session.ErrNone) {
			return nil, err
		}
	}
	s.note(connectionMissing)
	return nil, session.ErrNone
}

// note tells the operator when the connection comes or goes.
func (s *Share) note(state int32) {
	if s.connection.Swap(state) == state {
		return
	}
	if state == connectionThere {
		s.site.Logger.Info("shared account is available")
		return
	}
	s.site.Logger.Warn("shared account is not connected; its owner must log in at the connect URL",
		zap.String("connect", s.connectURL()), zap.Strings("owner", s.owners))
}

func (s *Share) path() string { return s.site.Prefix + "/share" }

func (s *Share) connectPath() string { return s.path() + "/connect" }

func (s *Share) connectURL() string { return s.site.Origin + s.connectPath() }

// ownerOf returns the owner that a profile is, as the config names it.
func (s *Share) ownerOf(p login.Profile) (string, bool) {
	for _, owner := range s.owners {
		if owner == p.AccountID || owner == p.ID {
			return owner, true
		}
	}
	return "", false
}
