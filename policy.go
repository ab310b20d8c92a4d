package caddyspotify

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/links"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// policy is what those whose requests are sent to the Web API may do there: the
// site's visitors, the holders of access keys, and everybody as far as the shared
// account goes. It is safe for concurrent use.
type policy interface {
	// permits refuses a request as it is about to leave, or returns nil.
	permits(s *session, out *http.Request) *problem
	// ended says what it means to the client that Spotify has ended the grant.
	ended(err error) *problem
}

// upstreamSite is a site as its requests for the Web API know it. It does not
// change after it is made.
type upstreamSite struct {
	allow   []rule
	links   *links.Rewriter
	gate    *ratelimit.Gate
	metrics *siteMetrics
	faults  *faultLog
	// audience is told when Spotify limits the app's requests.
	audience *audience
	logger   *zap.Logger
	// reauthorizeNotice is how long before its end a consent is called due.
	reauthorizeNotice time.Duration
	// keys says that the same path has another answer for an access key.
	keys bool
	// loginFor returns the URL of a login that grants scopes, or "" if none does.
	loginFor func(scopes []string) string
}
