package caddyspotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// serveConnect begins the login that connects the shared account. Spotify asks
// the owner each time, so that no page can have it connected behind their back.
func (s *share) serveConnect(w http.ResponseWriter, r *http.Request) error {
	if there, ok := s.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	return s.flow.start(w, r, loginOptions{
		returnTo:   s.path(),
		scopes:     s.scopes,
		showDialog: true,
		purpose:    s.purpose,
	})
}

// finishConnect makes the account that has just logged in the one that is shown,
// if it is listed. The visitor is logged in nowhere by it. The error is a problem
// wherever something can be said to the visitor.
func (s *share) finishConnect(ctx context.Context, token *pkce.Token) (*session, error) {
	who, err := s.flow.lookUpProfile(ctx, token)
	if p := asProblem(err); p != nil {
		return nil, p
	}
	if err != nil {
		p := shareUnavailable(err)
		p.message = "Spotify did not say whose account this is, so nothing was connected. Try again in a moment."
		return nil, p
	}
	owner, ok := s.ownerOf(who)
	if !ok {
		return nil, &problem{
			status: http.StatusForbidden, reason: reason.NotOwner,
			message: "This is not the account that this site shows, so nothing was connected. " +
				"Only its owner can do that.",
			err: fmt.Errorf("account %s is not listed under share owner", printable(who.account().ID)),
		}
	}
	key, err := s.key.load(ctx)
	if err != nil {
		return nil, storeProblem(err, "")
	}
	id, err := s.id(key, owner)
	if err != nil {
		return nil, err
	}
	sess, err := s.site.sessions.replaceWith(ctx, id, token, who.account())
	if err != nil {
		return nil, storeProblem(err, "")
	}
	s.note(connectionThere)
	s.forget()
	return sess, nil
}

// connect ends a login that was begun by serveConnect.
func (s *share) connect(ctx context.Context, w http.ResponseWriter, r *http.Request, result loginResult) error {
	token := result.token
	sess, err := s.finishConnect(ctx, token)
	if err != nil {
		p := asProblem(err)
		if p == nil {
			p = shareUnavailable(err)
		}
		p.loginURL = s.connectPath()
		return s.flow.loginFailed(w, r, p)
	}
	s.site.metrics.login(loginSucceeded)
	s.site.logger.Info("the shared account was connected",
		zap.String("session", sess.ref()),
		zap.String("account", sess.account.ID),
		zap.Strings("scopes", token.Scopes()))
	return redirect(w, s.path(), http.StatusSeeOther)
}

// shareStatus is what GET share answers.
type shareStatus struct {
	Connected  bool     `json:"connected"`
	Allow      []string `json:"allow"`
	ConnectURL string   `json:"connect_url"`
}

// serveStatus says what is shared and whether the account is connected.
func (s *share) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if p := s.site.checkTransport(r); p != nil {
		return s.site.fail(w, r, p)
	}
	_, err := s.session(r.Context())
	if err != nil && !errors.Is(err, errNoSession) {
		return s.site.fail(w, r, storeProblem(err, ""))
	}
	connected := err == nil
	if wantsPage(r) {
		page := pageData{
			Kind: pageNote, Title: "The account is connected", Home: "/",
			Message: "This site shows what its owner has chosen to share.",
			Next:    s.connectPath(), Action: "Connect anew",
		}
		if !connected {
			page.Title, page.Action = "No account is connected", "Connect with Spotify"
			page.Message = "The owner of this site has to log in with Spotify to share what they have chosen."
		}
		return s.site.pages.page(w, r, http.StatusOK, page)
	}
	status := shareStatus{Connected: connected, ConnectURL: s.connectPath()}
	for _, raw := range s.listed {
		status.Allow = append(status.Allow, s.site.prefix+raw)
	}
	setJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(status)
}

// health is what GET health says of the shared account.
func (s *share) health(ctx context.Context) string {
	if s == nil {
		return ""
	}
	_, err := s.session(ctx)
	switch {
	case err == nil:
		return "connected"
	case errors.Is(err, errNoSession):
		return "not_connected"
	}
	return "unknown"
}
