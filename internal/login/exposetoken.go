package login

import (
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// ServeToken hands the access token to the site's own page, for the Web
// Playback SDK, which needs it there. It is what the proxy otherwise never
// does, so it is off unless the site's owner turns it on, and only for
// sessions that were granted the scope that the SDK needs.
//
// https://developer.spotify.com/documentation/web-playback-sdk
func (f *Flow) ServeToken(w http.ResponseWriter, r *http.Request) error {
	s := f.site
	if p := s.CheckTransport(r); p != nil {
		return s.Fail(w, r, p)
	}
	if p := s.CheckOrigin(r); p != nil {
		return s.Fail(w, r, p)
	}
	sess, err := s.SessionOf(r)
	if errors.Is(err, session.ErrNone) {
		return s.Fail(w, r, problem.LoginRequired(s.LoginURL(), reason.LoginRequired))
	}
	if err != nil {
		return s.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	token, err := upstream.AccessToken(r.Context(), &upstream.Exchange{Auth: &sess.Auth, Session: sess, Policy: s})
	if p := problem.As(err); p != nil {
		return s.Fail(w, r, p)
	}
	if err != nil {
		return err
	}
	if !token.HasScope(pkce.ScopeStreaming) {
		return s.Fail(w, r, &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.InsufficientScope,
			Message:  "The token is for the Web Playback SDK, and this session was not granted the scope streaming.",
			LoginURL: f.LoginURLForScopes([]string{pkce.ScopeStreaming}),
		})
	}
	s.Sessions.Touch(sess)
	site.Identify(r, sess)
	s.Logger.Info("token exposed", zap.String("session", sess.Ref()), zap.String("account", sess.Account.ID), telemetry.ClientIP(r))
	s.Observer.Audit(telemetry.AuditTokenExposed, sess, telemetry.ClientIP(r))
	problem.SetJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}{token.AccessToken(), "Bearer", int64(max(0, token.Expiry().Sub(s.Clock.Now())).Seconds())})
}
