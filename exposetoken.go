package caddyspotify

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// exposeEvery is how often one session may ask for its token. The Web
	// Playback SDK asks once an hour.
	exposeEvery = time.Second
	exposeBurst = 5
	// exposeKnown bounds the sessions whose asking is counted.
	exposeKnown = 4096
)

// exposure counts how often sessions asked for their token.
type exposure struct {
	clock pkce.Clock
	mu    sync.Mutex                          // of reading and writing seen as one
	seen  *lru.Cache[[32]byte, time.Duration] // when the burst is used up, by the monotonic clock
}

func newExposure(c pkce.Clock) *exposure {
	seen, _ := lru.New[[32]byte, time.Duration](exposeKnown) // fails only for a size below one
	return &exposure{clock: c, seen: seen}
}

// allow reports whether a session may have its token now, and if not, in how long.
func (e *exposure) allow(session [32]byte) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.clock.Monotonic()
	at, _ := e.seen.Get(session)
	next := max(at, now) + exposeEvery
	if wait := next - now - exposeBurst*exposeEvery; wait > 0 {
		return wait, false
	}
	e.seen.Add(session, next)
	return 0, true
}

// serveToken hands the access token to the site's own page, for the Web
// Playback SDK, which needs it there. It is what the proxy otherwise never
// does, so it is off unless the site's owner turns it on, and only for
// sessions that were granted the scope that the SDK needs.
//
// https://developer.spotify.com/documentation/web-playback-sdk
func (h *Handler) serveToken(w http.ResponseWriter, r *http.Request) error {
	s := h.site
	if p := s.checkTransport(r); p != nil {
		return h.fail(w, r, p)
	}
	if p := s.checkOrigin(r); p != nil {
		return h.fail(w, r, p)
	}
	sess, err := h.sessionOf(r)
	if errors.Is(err, errNoSession) {
		return h.fail(w, r, loginRequired(s, reasonLoginRequired))
	}
	if err != nil {
		return h.fail(w, r, storeProblem(err, ""))
	}
	if wait, ok := s.exposed.allow(sess.digest); !ok {
		return h.fail(w, r, &problem{
			status: http.StatusTooManyRequests, reason: reasonRateLimited, retryAfter: wait,
			message: "The token was asked for too often. Keep it until it expires.",
		})
	}
	token, err := accessToken(r.Context(), &exchange{auth: &sess.auth, site: s, session: sess})
	if p := asProblem(err); p != nil {
		return h.fail(w, r, p)
	}
	if err != nil {
		return err
	}
	if !token.HasScope(pkce.ScopeStreaming) {
		return h.fail(w, r, &problem{
			status: http.StatusForbidden, reason: reasonInsufficientScope,
			message:  "The token is for the Web Playback SDK, and this session was not granted the scope streaming.",
			loginURL: s.loginURLForScope(pkce.ScopeStreaming),
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
