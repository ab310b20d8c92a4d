package share

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/session"
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

var (
	errClosing       = errors.New("the server is shutting down")
	errSharedTooLong = fmt.Errorf("the answer is longer than %d bytes", maxSharedBody)
)

// fetcher returns what asks Spotify through the handlers that follow, as a
// request of the owner's own would be: with the same refreshes, rate limits and
// options of reverse_proxy. The request is made again, so nothing of the visitor's
// is in it.
func (s *Share) fetcher(next caddyhttp.Handler, server *caddyhttp.Server) fetch {
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
			s.site.Sessions.Touch(sess)
			rec, err := s.send(ctx, next, server, t, sess)
			if err == nil && rec.ended() {
				// The owner may have connected again through another instance.
				before = sess
				continue
			}
			return s.judge(t, rec, err)
		}
	}
}

// send sends one request as the owner.
func (s *Share) send(ctx context.Context, next caddyhttp.Handler, server *caddyhttp.Server, t *target, sess *session.Session) (rec *sharedRecorder, err error) {
	defer func() {
		// No server is above to recover what reverse_proxy panics with when
		// Spotify's answer breaks off. What it says may hold anything.
		if v := recover(); v != nil {
			rec, err = nil, fmt.Errorf("the answer broke off (%T)", v)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.site.Origin, nil)
	if err != nil {
		return nil, err
	}
	req.URL.Path, req.URL.RawQuery = t.Path, t.query
	req.URL.Scheme, req.URL.Host = "", ""
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "127.0.0.1:0"
	req.Header.Set("Accept", "application/json")
	rec = &sharedRecorder{header: make(http.Header)}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), rec, server)
	ex := &upstream.Exchange{Context: req.Context(), Auth: &sess.Auth, Site: s.site.Upstream, Session: sess, Policy: s, Header: req.Header, KeptElsewhere: true}
	if err := next.ServeHTTP(rec, req.WithContext(ex)); err != nil {
		return nil, err
	}
	if rec.tooLong {
		return nil, errSharedTooLong
	}
	return rec, nil
}

// judge tells an answer that visitors may see from a failure.
func (s *Share) judge(t *target, rec *sharedRecorder, err error) (*cache.Response, *problem.Problem) {
	if err != nil {
		p := upstream.Unreachable(err)
		if p == nil {
			p = shareUnavailable(err)
		}
		return nil, s.failedWith(t, p)
	}
	why := reason.Reason(rec.header.Get(reason.Header))
	switch {
	case why == reason.InsufficientScope:
		return nil, s.failedWith(t, &problem.Problem{
			Status: http.StatusServiceUnavailable, Reason: why,
			Message: "The owner of this site has not allowed it to show this. The scope that it takes has to be added to share scopes, and the account connected again.",
			Err:     fmt.Errorf("the shared account's session lacks the scope %s", rec.header.Get(upstream.MissingScopeHeader)),
		})
	case rec.status == http.StatusUnauthorized:
		return nil, s.notConnected()
	case rec.status == http.StatusTooManyRequests:
		wait, _ := retryafter.Parse(rec.header.Get("Retry-After"), s.site.Clock.Now())
		return nil, problem.RateLimited(cmp.Or(why, reason.RateLimited), wait)
	case rec.status >= http.StatusInternalServerError:
		return nil, s.failedWith(t, shareUnavailable(fmt.Errorf("answered with status %d (%s)", rec.status, why)))
	case rec.status >= http.StatusBadRequest:
		return nil, s.failedWith(t, refusedBySpotify(rec, why))
	}
	header := make(http.Header)
	for _, name := range []string{"Age", "Content-Type", "Content-Encoding", "Content-Language", "Location", reason.Header} {
		if value := rec.header.Get(name); value != "" && len(value) <= maxSharedHeader {
			header.Set(name, strings.Clone(value))
		}
	}
	return s.kept.NewResponse(rec.status, header, bytes.Clone(rec.body.Bytes()), ""), nil
}

// refusedBySpotify is for what is no data, whatever the status: a 403, but also a 404 or
// 410 for what is withdrawn or gone, and a 400 for a query that Spotify takes no longer.
func refusedBySpotify(rec *sharedRecorder, why reason.Reason) *problem.Problem {
	return &problem.Problem{
		Status: rec.status, Reason: cmp.Or(why, reason.Forbidden), Wording: page.WordingShareRefused,
		Message: "Spotify does not let this site show this just now.",
		Err:     fmt.Errorf("spotify refused the owner's request with status %d: %q", rec.status, rec.body.Bytes()[:min(rec.body.Len(), maxLoggedBody)]),
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

// sharedRecorder keeps an answer instead of sending it.
type sharedRecorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	tooLong bool
}

// Header implements http.ResponseWriter.
func (r *sharedRecorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *sharedRecorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

// Write implements http.ResponseWriter. It refuses what is too long.
func (r *sharedRecorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(p) > maxSharedBody {
		r.tooLong = true
		return 0, errSharedTooLong
	}
	return r.body.Write(p)
}

// Flush implements http.Flusher.
func (r *sharedRecorder) Flush() {}

// ended reports whether the answer says that the owner's session is over.
func (r *sharedRecorder) ended() bool {
	return r.status == http.StatusUnauthorized && reason.Reason(r.header.Get(reason.Header)) == reason.ReauthorizationRequired
}
