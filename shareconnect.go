package caddyspotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// serveConnect begins the login that connects the shared account. Spotify asks
// the owner each time, so that no page can have it connected behind their back.
func (h *Handler) serveConnect(w http.ResponseWriter, r *http.Request) error {
	if there, ok := h.site.loopbackDetour(r); ok {
		return redirect(w, there, http.StatusFound)
	}
	return h.startLogin(w, r, loginOptions{
		returnTo:   h.share.path(),
		scopes:     h.share.scopes,
		showDialog: true,
		purpose:    purposeShare,
	})
}

// finishConnect makes the account that has just logged in the one that is shown,
// if it is listed. The visitor is logged in nowhere by it. The error is a problem
// wherever something can be said to the visitor.
func (s *share) finishConnect(ctx context.Context, token *pkce.Token) (*session, error) {
	who, err := s.site.lookUpProfile(ctx, token)
	if p := asProblem(err); p != nil {
		return nil, p
	}
	if err != nil {
		p := shareUnavailable(err)
		p.message = "Spotify did not say whose account this is, so nothing was connected. Try again in a moment."
		return nil, p
	}
	owner, ok := s.listed(who)
	if !ok {
		return nil, &problem{
			status: http.StatusForbidden, reason: reasonNotOwner,
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
func (h *Handler) connect(ctx context.Context, w http.ResponseWriter, r *http.Request, token *pkce.Token) error {
	if h.share == nil {
		// The config has changed since.
		return h.loginFailed(w, r, h.site.loginExpired())
	}
	sess, err := h.share.finishConnect(ctx, token)
	if err != nil {
		p := asProblem(err)
		if p == nil {
			p = shareUnavailable(err)
		}
		p.loginURL = h.share.connectPath()
		return h.loginFailed(w, r, p)
	}
	h.site.metrics.login(loginSucceeded)
	h.site.logger.Info("the shared account was connected",
		zap.String("session", sess.ref()),
		zap.String("account", sess.account.ID),
		zap.Strings("scopes", token.Scopes()))
	return redirect(w, h.share.path(), http.StatusSeeOther)
}

// shareStatus is what GET share answers.
type shareStatus struct {
	Connected  bool     `json:"connected"`
	Allow      []string `json:"allow"`
	ConnectURL string   `json:"connect_url"`
}

// serveShare says what is shared and whether the account is connected.
func (h *Handler) serveShare(w http.ResponseWriter, r *http.Request) error {
	s := h.share
	if p := h.site.checkTransport(r); p != nil {
		return h.fail(w, r, p)
	}
	_, err := s.session(r.Context())
	if err != nil && !errors.Is(err, errNoSession) {
		return h.fail(w, r, storeProblem(err, ""))
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
		return h.site.renderPage(w, r, http.StatusOK, page)
	}
	status := shareStatus{Connected: connected, ConnectURL: s.connectPath()}
	for _, raw := range h.Share.Allow {
		status.Allow = append(status.Allow, h.site.prefix+raw)
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

// againURL is where a login that failed is tried again.
func (h *Handler) againURL(p pendingLogin) string {
	switch p.purpose {
	case purposeShare:
		return h.site.prefix + "/share/connect"
	case purposeKey:
		return h.site.prefix + "/keys"
	}
	return h.site.loginURLFor(p.returnTo)
}
