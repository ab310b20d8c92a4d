package share

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// ServeConnect begins the login that connects the shared account. Spotify asks
// the owner each time, so that no page can have it connected behind their back.
func (s *Share) ServeConnect(w http.ResponseWriter, r *http.Request) error {
	if there, ok := s.flow.Detour(w, r); ok {
		return problem.Redirect(w, there, http.StatusFound)
	}
	return s.flow.Start(w, r, login.Options{
		ReturnTo:   s.path(),
		Scopes:     s.scopes,
		ShowDialog: true,
		Purpose:    s.purpose,
	})
}

// finishConnect makes the account that has just logged in the one that is shown,
// if it is listed. The visitor is logged in nowhere by it. The error is a problem
// wherever something can be said to the visitor.
func (s *Share) finishConnect(ctx context.Context, token *pkce.Token) (*session.Session, error) {
	who, p := s.flow.LookUpProfile(ctx, token)
	if p != nil {
		return nil, p
	}
	owner, ok := s.ownerOf(who)
	if !ok {
		return nil, &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.NotOwner,
			Message: "This is not the account that this site shows, so nothing was connected. " +
				"Only its owner can do that.",
			Err: fmt.Errorf("account %s is not listed under share owner", problem.Quote(who.Account().ID)),
		}
	}
	key, err := s.key.Load(ctx)
	if err != nil {
		return nil, problem.StoreUnavailable(err, "")
	}
	id, err := s.id(key, owner)
	if err != nil {
		return nil, err
	}
	sess, err := s.site.Sessions.ReplaceShared(ctx, id, token, who.Account())
	if err != nil {
		return nil, problem.StoreUnavailable(err, "")
	}
	s.note(connectionThere)
	s.forget()
	return sess, nil
}

// connect ends a login that was begun by ServeConnect.
func (s *Share) connect(ctx context.Context, w http.ResponseWriter, r *http.Request, result login.Result) error {
	token := result.Token
	sess, err := s.finishConnect(ctx, token)
	if err != nil {
		p := problem.As(err)
		if p == nil {
			p = shareUnavailable(err)
		}
		p.LoginURL = s.connectPath()
		return s.flow.LoginFailed(w, r, p)
	}
	s.site.Metrics.Login(telemetry.LoginSucceeded)
	s.site.Logger.Info("shared account connected",
		zap.String("session", sess.Ref()),
		zap.String("account", sess.Account.ID),
		zap.Strings("scopes", token.Scopes()),
		telemetry.ClientIP(r))
	s.site.Observer.Audit(telemetry.AuditShareConnected, sess, zap.Strings("scopes", token.Scopes()), telemetry.ClientIP(r))
	return problem.Redirect(w, s.path(), http.StatusSeeOther)
}

// shareStatus is what GET share answers.
type shareStatus struct {
	Connected  bool     `json:"connected"`
	Allow      []string `json:"allow"`
	ConnectURL string   `json:"connect_url"`
	Due        bool     `json:"reauthorization_due,omitempty"`
}

// ServeStatus says what is shared and whether the account is connected.
func (s *Share) ServeStatus(w http.ResponseWriter, r *http.Request) error {
	if p := s.site.CheckTransport(r); p != nil {
		return s.site.Fail(w, r, p)
	}
	sess, err := s.session(r.Context())
	if err != nil && !errors.Is(err, session.ErrNone) {
		return s.site.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	connected := err == nil
	due := connected && sess.ReauthorizeDue(s.site.Clock.Now(), s.site.Upstream.ReauthorizeNotice)
	if browser.WantsPage(r) {
		page := page.Data{
			Kind: page.KindNote, Title: "The account is connected", Home: "/",
			Message: "This site shows what its owner has chosen to share.",
			Next:    s.connectPath(), Action: "Reconnect", Settled: true,
		}
		if due {
			// Visitors see the page, too. When the owner consented is not their business.
			page.Settled, page.Title = false, "The account has to be connected again soon"
			page.Message = "Spotify ends the connection six months after it was made. Its owner can renew it now."
		}
		if !connected {
			page.Settled = false
			page.Title, page.Action = "No account is connected", "Connect with Spotify"
			page.Message = "The owner of this site has to log in with Spotify to share what they have chosen."
		}
		return s.site.Pages.Page(w, r, http.StatusOK, page)
	}
	status := shareStatus{Connected: connected, ConnectURL: s.connectPath(), Due: due}
	for _, raw := range s.listed {
		status.Allow = append(status.Allow, s.site.Prefix+raw)
	}
	problem.SetJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(status)
}

// Health is what GET health says of the shared account.
func (s *Share) Health(ctx context.Context) string {
	if s == nil {
		return ""
	}
	_, err := s.session(ctx)
	switch {
	case err == nil:
		return "connected"
	case errors.Is(err, session.ErrNone):
		return "not_connected"
	}
	return "unknown"
}
