package upstream

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/links"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/quota"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Policy is what those whose requests are sent to the Web API may do there: the
// site's visitors, the holders of access keys, and everybody as far as the shared
// account goes. It is safe for concurrent use.
type Policy interface {
	// Permits refuses a request as it is about to leave, or returns nil.
	Permits(s *session.Session, out *http.Request) *problem.Problem
	// Ended says what it means to the client that Spotify has ended the grant.
	Ended(err error) *problem.Problem
}

// Site is a site as its requests for the Web API know it. It does not
// change after it is made.
type Site struct {
	Allow []webapi.Rule
	Links *links.Rewriter
	Gate  *ratelimit.Gate
	// Forms is what is known of the forms that the app may use; nil if none is to be
	// translated.
	Forms *Forms
	// Cache has identical GETs sent once and keeps responses. nil does neither.
	Cache *cache.Cache
	// Quota counts what is sent, and may limit it. nil counts nothing.
	Quota   *quota.Use
	Metrics *telemetry.Site
	Faults  *telemetry.LogLimiter
	// Audience is told when Spotify limits the app's requests.
	Audience *telemetry.Observers
	Logger   *zap.Logger
	// ReauthorizeNotice is how long before its end a consent is called due.
	ReauthorizeNotice time.Duration
	// Keys says that the same path has another answer for an access key.
	Keys bool
	// Commanded is told of an account whose player a request has changed. It may be nil.
	Commanded func(account string)
	// LoginFor returns the URL of a login that grants scopes, or "" if none does.
	LoginFor func(scopes []string) string
}
