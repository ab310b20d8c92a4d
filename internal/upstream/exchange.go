package upstream

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Exchange is what spotify_auth hands to the spotify transport about one
// request. It is the request's context, under a private key, so no
// placeholder, template, matcher or foreign handler can reach the
// Authenticator in it.
//
// It has room for the request that has this context and for the call that the
// transport makes of it, so that all of them take one allocation.
type Exchange struct {
	context.Context
	Auth    *pkce.Authenticator
	Site    *Site
	Session *session.Session
	Policy  Policy
	// Header is what the client sent. reverse_proxy works on a copy.
	Header http.Header
	// KeptElsewhere says that the response is kept by whoever asks, for a time of its
	// own. So none that is kept here will do, and this one is not kept here.
	KeptElsewhere bool
	// Fresh asks for no response that is kept, whatever the site's header_up makes of a
	// Cache-Control. This one may be kept.
	Fresh bool
	// OwnToken says that it sent a token, its own or an access key.
	OwnToken bool
	Now      int64 // when the request came, in Unix seconds
	Request  http.Request
	call     call
	called   bool // call is taken
	fault    atomic.Uint32
}

// Value implements context.Context.
func (ex *Exchange) Value(key any) any {
	if key == (exchangeCtxKey{}) {
		return ex
	}
	return ex.Context.Value(key)
}

// newCall returns room for a call. A second one, when reverse_proxy tries
// again, gets its own.
func (ex *Exchange) newCall() *call {
	if ex.called {
		return new(call)
	}
	ex.called = true
	return &ex.call
}

// sessionRef is the session's reference for logs. It is not the session id.
func (ex *Exchange) sessionRef() string {
	if ex.Session == nil {
		return ""
	}
	return ex.Session.Ref()
}

// reauthorizeByHeader says until when the user has to consent again, once that
// is near.
const reauthorizeByHeader = "Spotify-Proxy-Reauthorize-By"

// remindToReauthorize sets the header on answers to a session that is about to
// end, or whose refresh token is about to reach the age at which Spotify ends it.
func (ex *Exchange) remindToReauthorize(h http.Header) {
	if ex.Session == nil || !ex.Session.ReauthorizeDue(time.Unix(ex.Now, 0), ex.Site.ReauthorizeNotice) {
		return
	}
	h.Set(reauthorizeByHeader, ex.Session.ReauthorizeBy().Format(time.RFC3339))
}

type exchangeCtxKey struct{}

// FromContext returns what spotify_auth left in ctx, and false for a request
// that did not come through it or that has no session.
func FromContext(ctx context.Context) (*Exchange, bool) {
	ex, ok := ctx.Value(exchangeCtxKey{}).(*Exchange)
	return ex, ok
}
