package share

import (
	"context"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/session"
)

// Paths of the Web API that say what is played.
const (
	playerPath  = "/v1/me/player"
	playingPath = "/v1/me/player/currently-playing"
)

// Player is what of the owner's player is shared.
type Player struct {
	// Path and Query are of the GET that says it, as share allow has it.
	Path, Query string
	// Whole reports whether the device is part of it, and Episodes whether the episodes
	// of shows are.
	Whole, Episodes bool
}

// Player returns what of the owner's player is shared, if anything is: of several GETs,
// what says most.
func (s *Share) Player() (p Player, ok bool) {
	if s == nil {
		return Player{}, false
	}
	rank := func(p Player) (n int) {
		if p.Whole {
			n += 2
		}
		if p.Episodes {
			n++
		}
		return n
	}
	for target := range s.gets {
		if target.Path != playerPath && target.Path != playingPath {
			continue
		}
		found := Player{
			Path: target.Path, Query: target.query,
			Whole: target.Path == playerPath, Episodes: strings.Contains(target.query, "episode"),
		}
		if !ok || rank(found) > rank(p) {
			p, ok = found, true
		}
	}
	return p, ok
}

// Owner returns the owner's session. It returns session.ErrNone if no owner is
// connected, and another error if that cannot be told just now.
func (s *Share) Owner(ctx context.Context) (*session.Session, error) { return s.session(ctx) }

// OpenTo has browsers let pages of other origins read a response, as share cors says.
func (s *Share) OpenTo(h http.Header, r *http.Request) { s.openTo(h, r) }

// Shows reports whether an account is connected to be shown to everybody.
func (s *Share) Shows(ctx context.Context, acct *session.Account) bool {
	for _, owner := range s.owners {
		if owner != acct.ID && owner != acct.UserID {
			continue
		}
		if key, err := s.key.Load(ctx); err == nil {
			if id, err := s.id(key, owner); err == nil {
				_, err = s.site.Sessions.GetShared(ctx, id)
				return err == nil
			}
		}
	}
	return false
}

// Forget drops what is kept of what was shown, after its owner has left. Other instances
// drop it once it is out of date.
func (s *Share) Forget() { s.kept.Accounts().End(everybody) }
