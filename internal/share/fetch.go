package share

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// What is kept for all visitors is bounded in bytes: of each path that is shared, a
// response of maxSharedBody with some headers of maxSharedHeader, for which maxShared
// is room. The configuration bounds the paths.
const (
	maxSharedBody   = 1 << 20
	maxSharedHeader = 2 << 10
	maxShared       = maxSharedBody + 64<<10
)

// maxLoggedBody is how much of a refusal is logged, in bytes.
const maxLoggedBody = 256

var errClosing = errors.New("the server is shutting down")

// fetcher returns what asks Spotify through the handlers that follow, as the owner.
func (s *Share) fetcher(next caddyhttp.Handler, server *caddyhttp.Server) fetch {
	asker := site.Asker{Site: s.site, Next: next, Server: server}
	return func(ctx context.Context, t *target) (*cache.Response, *problem.Problem) {
		var before *session.Session
		for {
			sess, err := s.session(ctx)
			switch {
			case errors.Is(err, session.ErrNone) || err == nil && sess == before:
				return nil, s.notConnected()
			case err != nil:
				return nil, s.failedWith(t, &problem.Problem{
					Status: http.StatusServiceUnavailable, Reason: reason.StoreUnavailable, Err: err,
					Message: "The owner's account cannot be reached just now. Try again in a moment.",
				})
			}
			rec, err := asker.Ask(ctx, &site.Question{
				Session: sess, Policy: s, Path: t.Path, Query: t.query, MaxBody: maxSharedBody, KeptElsewhere: true,
			})
			if err == nil && ended(rec) {
				// The owner may have connected again through another instance.
				before = sess
				continue
			}
			return s.judge(t, rec, err)
		}
	}
}

// judge tells an answer that visitors may see from a failure.
func (s *Share) judge(t *target, rec *site.Recorder, err error) (*cache.Response, *problem.Problem) {
	if err != nil {
		p := upstream.Unreachable(err)
		if p == nil {
			p = shareUnavailable(err)
		}
		return nil, s.failedWith(t, p)
	}
	why := reason.Reason(rec.Header().Get(reason.Header))
	switch {
	case why == reason.InsufficientScope:
		return nil, s.failedWith(t, &problem.Problem{
			Status: http.StatusServiceUnavailable, Reason: why,
			Message: "The owner of this site has not allowed it to show this. The scope that it takes has to be added to share scopes, and the account connected again.",
			Err:     fmt.Errorf("the shared account's session lacks the scope %s", rec.Header().Get(upstream.MissingScopeHeader)),
		})
	case rec.Status == http.StatusUnauthorized:
		return nil, s.notConnected()
	case rec.Status == http.StatusTooManyRequests:
		wait, _ := retryafter.Parse(rec.Header().Get("Retry-After"), s.site.Clock.Now())
		return nil, problem.RateLimited(cmp.Or(why, reason.RateLimited), wait)
	case rec.Status >= http.StatusInternalServerError:
		return nil, s.failedWith(t, shareUnavailable(fmt.Errorf("answered with status %d (%s)", rec.Status, why)))
	case rec.Status >= http.StatusBadRequest:
		return nil, s.failedWith(t, refusedBySpotify(rec, why))
	}
	header := make(http.Header)
	for _, name := range []string{"Age", "Content-Type", "Content-Encoding", "Content-Language", "Location", reason.Header} {
		if value := rec.Header().Get(name); value != "" && len(value) <= maxSharedHeader {
			header.Set(name, strings.Clone(value))
		}
	}
	return s.kept.NewResponse(rec.Status, header, bytes.Clone(rec.Body.Bytes()), ""), nil
}

// refusedBySpotify is for what is no data, whatever the status: a 403, but also a 404 or
// 410 for what is withdrawn or gone, and a 400 for a query that Spotify takes no longer.
func refusedBySpotify(rec *site.Recorder, why reason.Reason) *problem.Problem {
	return &problem.Problem{
		Status: rec.Status, Reason: cmp.Or(why, reason.Forbidden), Wording: page.WordingShareRefused,
		Message: "Spotify does not let this site show this just now.",
		Err:     fmt.Errorf("spotify refused the owner's request with status %d: %q", rec.Status, rec.Body.Bytes()[:min(rec.Body.Len(), maxLoggedBody)]),
	}
}

// failedWith logs a failure once for all visitors whom it concerns.
func (s *Share) failedWith(t *target, p *problem.Problem) *problem.Problem {
	if suppressed, ok := s.site.Faults().Admit("share " + string(p.Reason)); ok {
		s.site.Logger.Warn("fetching shared data failed",
			zap.String("path", t.Path), zap.String("reason", string(p.Reason)), zap.Error(p.Err), suppressed)
	}
	p.Err = nil
	return p
}

func shareUnavailable(err error) *problem.Problem {
	return problem.UpstreamUnavailable(http.StatusServiceUnavailable, err)
}

func (s *Share) notConnected() *problem.Problem {
	s.note(connectionMissing)
	return &problem.Problem{
		Status: http.StatusServiceUnavailable, Reason: reason.ShareNotConnected,
		Message: "The owner of this site has not connected a Spotify account, or the access to it has ended.",
	}
}

// ended reports whether a response says that the owner's session is over.
func ended(r *site.Recorder) bool {
	return r.Status == http.StatusUnauthorized && reason.Reason(r.Header().Get(reason.Header)) == reason.ReauthorizationRequired
}
