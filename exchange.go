package caddyspotify

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// exchange is what spotify_auth hands to the spotify transport about one
// request. It is the request's context, under a private key, so no
// placeholder, template, matcher or foreign handler can reach the
// Authenticator in it.
//
// It has room for the request that has this context and for the call that the
// transport makes of it, so that all of them take one allocation.
type exchange struct {
	context.Context
	auth    *pkce.Authenticator
	site    *upstreamSite
	session *session
	policy  policy
	// header is what the client sent. reverse_proxy works on a copy.
	header  http.Header
	now     int64 // when the request came, in Unix seconds
	request http.Request
	call    call
	called  bool // call is taken
}

// Value implements context.Context.
func (ex *exchange) Value(key any) any {
	if key == (exchangeCtxKey{}) {
		return ex
	}
	return ex.Context.Value(key)
}

// newCall returns room for a call. A second one, when reverse_proxy tries
// again, gets its own.
func (ex *exchange) newCall() *call {
	if ex.called {
		return new(call)
	}
	ex.called = true
	return &ex.call
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

// remindToReauthorize sets the header on answers to a session that is about to
// end, or whose refresh token is about to reach the age at which Spotify ends it.
func (ex *exchange) remindToReauthorize(h http.Header) {
	if ex.session == nil || !ex.session.reauthorizeDue(time.Unix(ex.now, 0), ex.site.reauthorizeNotice) {
		return
	}
	h.Set(reauthorizeByHeader, ex.session.reauthorizeBy().Format(time.RFC3339))
}

type exchangeCtxKey struct{}

// exchangeFrom returns what spotify_auth left in ctx, and false for a request
// that did not come through it or that has no session.
func exchangeFrom(ctx context.Context) (*exchange, bool) {
	ex, ok := ctx.Value(exchangeCtxKey{}).(*exchange)
	return ex, ok
}
