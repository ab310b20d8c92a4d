package caddyspotify

import (
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// serveToken hands the access token to the site's own page, for the Web
// Playback SDK, which needs it there. It is what the proxy otherwise never
// does, so it is off unless the site's owner turns it on, and only for
// sessions that were granted the scope that the SDK needs.
//
// https://developer.spotify.com/documentation/web-playback-sdk
func (h *Handler) serveToken(w http.ResponseWriter, r *http.Request) error {
	s := h.site
	if p := s.checkTransport(r); p != nil {
		return h.site.fail(w, r, p)
	}
	if p := s.checkOrigin(r); p != nil {
		return h.site.fail(w, r, p)
	}
	sess, err := h.site.sessionOf(r)
	if errors.Is(err, errNoSession) {
		return h.site.fail(w, r, loginRequired(s.loginURL(), reason.LoginRequired))
	}
	if err != nil {
		return h.site.fail(w, r, storeProblem(err, ""))
	}
	token, err := accessToken(r.Context(), &exchange{auth: &sess.auth, session: sess, policy: s})
	if p := asProblem(err); p != nil {
		return h.site.fail(w, r, p)
	}
	if err != nil {
		return err
	}
	if !token.HasScope(pkce.ScopeStreaming) {
		return h.site.fail(w, r, &problem{
			status: http.StatusForbidden, reason: reason.InsufficientScope,
			message:  "The token is for the Web Playback SDK, and this session was not granted the scope streaming.",
			loginURL: h.login.loginURLForScopes([]string{pkce.ScopeStreaming}),
		})
	}
	s.sessions.touch(sess)
	identify(r, sess)
	s.logger.Info("token exposed", zap.String("session", sess.ref()), zap.String("account", sess.account.ID))
	setJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}{token.AccessToken(), "Bearer", int64(max(0, token.Expiry().Sub(s.clock.Now())).Seconds())})
}
