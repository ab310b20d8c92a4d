package push

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Paths of the Web API that say what is played, and the scopes that they take.
const (
	playerPath   = "/v1/me/player"
	playingPath  = "/v1/me/player/currently-playing"
	playerScope  = "user-read-playback-state"
	playingScope = "user-read-currently-playing"
)

// notConnected is the reason of a stream of a shared account that is not connected.
const notConnected = string(reason.ShareNotConnected)

// listener is who listens to a stream.
type listener struct {
	account string
	owner   string // what the bound on streams is for
	grant   string
	view    player.View
	source  *source

	// Of those that are no visitors of share:
	session  *session.Session
	policy   upstream.Policy
	lists    session.KeyLists
	sessions *session.Manager
}

// current returns the session as it is by now. The error is what the hub understands.
func (l *listener) current(ctx context.Context) (*session.Session, error) {
	s, err := l.sessions.Current(ctx, l.session, l.lists)
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, session.ErrReplaced):
		return nil, &player.EndedError{Reason: "replaced", Return: true}
	case errors.Is(err, session.ErrNone) && l.lists != nil:
		return nil, &player.EndedError{Reason: string(reason.InvalidAccessKey)}
	case errors.Is(err, session.ErrNone):
		return nil, &player.EndedError{Reason: string(reason.LoginRequired)}
	}
	return nil, &player.TemporaryError{Reason: string(reason.StoreUnavailable), Err: err}
}

// asKey returns the listener that a request with an access key is, and nil if it has
// none.
func (p *Push) asKey(r *http.Request, now int64) (*listener, *problem.Problem) {
	if p.keys == nil {
		return nil, nil
	}
	var refused *problem.Problem
	for _, path := range []string{playerPath, playingPath} {
		// What the key's rules say is about the Web API.
		asked := *r
		u := *r.URL
		u.Path = p.site.Prefix + path
		asked.URL = &u
		s, found, why := p.keys.Authenticate(&asked, now)
		switch {
		case !found:
			return nil, nil
		case why == nil:
			return p.listener(s, p.keys, p.keys, path)
		case refused == nil || why.Reason != reason.NotAllowed:
			refused = why
		}
	}
	return nil, refused
}

// asVisitor returns the listener that a request with a session's cookie is.
func (p *Push) asVisitor(r *http.Request, now int64) (*listener, *problem.Problem) {
	s, err := p.site.SessionAt(r, now)
	switch {
	case errors.Is(err, session.ErrNone):
		return nil, problem.LoginRequired(p.site.LoginURL(), reason.LoginRequired)
	case err != nil:
		return nil, storeUnavailable(err)
	}
	return p.listener(s, p.site, nil, playerPath)
}

// listener returns what a session may hear of, by its scopes and the rules: what GET
// least says, and no more than that.
func (p *Push) listener(s *session.Session, policy upstream.Policy, lists session.KeyLists, least string) (*listener, *problem.Problem) {
	l := &listener{
		account: s.Account.ID, owner: s.Key(), grant: s.Key(), view: player.View{Episodes: true},
		session: s, policy: policy, lists: lists, sessions: p.site.Sessions,
	}
	granted := func(scope string) bool {
		token := s.Auth.Current()
		return token != nil && token.HasScope(scope)
	}
	may := func(path string) bool { return webapi.Allowed(p.site.Allow, http.MethodGet, path) }
	switch {
	case least == playerPath && may(playerPath) && granted(playerScope):
		l.view.Whole = true
		return l, nil
	case !may(playingPath) && !may(playerPath):
		return nil, problem.NotAllowed()
	case may(playingPath) && (granted(playingScope) || granted(playerScope)):
		return l, nil
	}
	missing := &problem.Problem{
		Status: http.StatusForbidden, Reason: reason.InsufficientScope, ForCode: true,
		Message: "Listening to the player takes the scope user-read-playback-state or user-read-currently-playing, and neither was granted.",
	}
	return nil, missing
}

// scopesFor are the scopes of which one is missing, the more useful first.
func (p *Push) scopesFor() []string {
	scopes := []string{playerScope, playingScope}
	return slices.DeleteFunc(scopes, func(scope string) bool {
		return scope == playingScope && webapi.Allowed(p.site.Allow, http.MethodGet, playerPath)
	})
}

// refuse responds to a request that gets no stream. An EventSource does not see why: to
// one that lacks a session it is said in a stream.
func (p *Push) refuse(w http.ResponseWriter, r *http.Request, why *problem.Problem) error {
	switch {
	case why.Reason == reason.InsufficientScope:
		missing := p.scopesFor()
		w.Header().Set(upstream.MissingScopeHeader, strings.Join(missing, " "))
		if login := p.site.Upstream.LoginFor(missing[:1]); login != "" {
			w.Header().Set(upstream.LoginURLHeader, login)
		}
	case why.Reason == reason.LoginRequired && strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return p.sayLoginRequired(w, r)
	}
	return p.site.Fail(w, r, why)
}

func storeUnavailable(err error) *problem.Problem { return problem.StoreUnavailable(err, "") }

func errNotShared() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusNotFound, Reason: reason.NotFound,
		Message: "This site does not share what its owner listens to.",
	}
}
