package caddyspotify

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// exchange is what spotify_auth hands to the spotify transport about one
// request. It travels in the request's context under a private key, so no
// placeholder, template, matcher or foreign handler can reach the
// Authenticator in it.
type exchange struct {
	auth    *pkce.Authenticator
	site    *site
	session *session
	// header is what the client sent. reverse_proxy works on a copy.
	header http.Header
}

// sessionRef is the session's reference for logs. It is not the session id.
func (ex *exchange) sessionRef() string {
	if ex.session == nil {
		return ""
	}
	return ex.session.ref()
}

// reauthorizeByHeader says until when the user has to consent anew, once that
// is near.
const reauthorizeByHeader = "Spotify-Proxy-Reauthorize-By"

// remindToReauthorize sets the header on answers to a session whose refresh
// token is about to reach the age at which Spotify ends it.
func (ex *exchange) remindToReauthorize(h http.Header) {
	if ex.session == nil || !ex.session.reauthorizeDue(ex.site.clock.Now(), ex.site.reauthorizeNotice) {
		return
	}
	h.Set(reauthorizeByHeader, ex.session.reauthorizeBy().Format(time.RFC3339))
}

type exchangeCtxKey struct{}

func withExchange(ctx context.Context, ex *exchange) context.Context {
	return context.WithValue(ctx, exchangeCtxKey{}, ex)
}

// exchangeFrom returns what spotify_auth left in ctx, and false for a request
// that did not come through it or that has no session.
func exchangeFrom(ctx context.Context) (*exchange, bool) {
	ex, ok := ctx.Value(exchangeCtxKey{}).(*exchange)
	return ex, ok
}
