package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// maxBody bounds the state of a player, in bytes. Spotify's have some kilobytes.
const maxBody = 256 << 10

// refusedPause is how long a player is not asked for after Spotify has refused it for a
// reason that does not pass by itself.
const refusedPause = 15 * time.Minute

// source asks the Web API through the handlers that follow, as a request of the
// listener's own would: with the same refreshes, limits and options of reverse_proxy.
type source struct {
	inner
	find   func(context.Context) (*session.Session, error)
	policy upstream.Policy
	view   player.View
	// path and query are what to ask for, if that is not the view's to say.
	path, query string
}

// inner sends requests to the handlers that follow.
type inner struct {
	site   *site.Site
	next   caddyhttp.Handler
	server *caddyhttp.Server
}

// Ask implements player.Source.
func (s *source) Ask(ctx context.Context) (player.Response, error) {
	res, err := s.ask(ctx)
	outcome := telemetry.PollFailed
	if err == nil {
		outcome = telemetry.PollState
	} else if _, ok := errors.AsType[*player.LimitedError](err); ok {
		outcome = telemetry.PollLimited
	} else if _, ok := errors.AsType[*player.EndedError](err); ok {
		outcome = telemetry.PollEnded
	}
	s.site.Metrics.Polled(outcome)
	return res, err
}

func (s *source) ask(ctx context.Context) (player.Response, error) {
	sess, err := s.find(ctx)
	if err != nil {
		return player.Response{}, err
	}
	path, query := s.path, s.query
	if path == "" {
		path, query = playingPath, "additional_types=track%2Cepisode"
		if s.view.Whole {
			path = playerPath
		}
	}
	rec, err := s.send(ctx, sess, s.policy, path, query)
	if err != nil {
		return player.Response{}, &player.TemporaryError{Reason: string(reason.UpstreamUnavailable), Err: err}
	}
	return s.judge(rec)
}

// judge says what a response means.
func (s *source) judge(rec *recorder) (player.Response, error) {
	why := rec.header.Get(reason.Header)
	wait, _ := retryafter.Parse(rec.header.Get("Retry-After"), s.site.Clock.Now())
	switch {
	case rec.status == http.StatusOK:
		return player.Response{Body: bytes.Clone(rec.body.Bytes()), View: s.view, Scarcity: scarcity(rec.header)}, nil
	case rec.status == http.StatusNoContent, rec.status == http.StatusAccepted:
		return player.Response{View: s.view, Scarcity: scarcity(rec.header)}, nil
	case rec.status == http.StatusTooManyRequests:
		if why == "" {
			why = string(reason.RateLimited)
		}
		return player.Response{}, &player.LimitedError{Wait: wait, Reason: why}
	case rec.status == http.StatusUnauthorized && why != "" && why != string(reason.InsufficientScope):
		return player.Response{}, &player.EndedError{Reason: why}
	case rec.status >= http.StatusInternalServerError && why != "", rec.status == http.StatusUnauthorized && why == "":
		if why == "" {
			why = string(reason.UpstreamUnavailable)
		}
		return player.Response{}, &player.TemporaryError{Reason: why, Err: fmt.Errorf("status %d", rec.status)}
	case rec.status < http.StatusInternalServerError:
		if why == "" {
			why = string(reason.Forbidden)
		}
		return player.Response{}, &player.LimitedError{Wait: refusedPause, Reason: why}
	}
	return player.Response{}, &player.TemporaryError{Reason: string(reason.UpstreamUnavailable), Err: fmt.Errorf("status %d", rec.status)}
}

// send sends a GET as a session. What a cache keeps is no answer to it.
func (i inner) send(ctx context.Context, sess *session.Session, policy upstream.Policy, path, query string) (rec *recorder, err error) {
	defer func() {
		// No server is above to recover what reverse_proxy panics with when Spotify's
		// response breaks off. What it says may hold anything.
		if v := recover(); v != nil {
			rec, err = nil, fmt.Errorf("the response broke off (%T)", v)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.site.Origin, nil)
	if err != nil {
		return nil, err
	}
	req.URL.Path, req.URL.RawQuery = path, query
	req.URL.Scheme, req.URL.Host = "", ""
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "127.0.0.1:0"
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cache-Control", "no-cache")
	rec = &recorder{header: make(http.Header)}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), rec, i.server)
	i.site.Sessions.Touch(sess)
	ex := &upstream.Exchange{
		Context: req.Context(), Auth: &sess.Auth, Site: i.site.Upstream, Session: sess, Policy: policy,
		Header: req.Header, Now: i.site.Clock.Now().Unix(),
	}
	if err := i.next.ServeHTTP(rec, req.WithContext(ex)); err != nil {
		return nil, err
	}
	if rec.tooLong {
		return nil, errTooLong
	}
	return rec, nil
}

var errTooLong = fmt.Errorf("the response is longer than %d bytes", maxBody)

// recorder keeps a response instead of sending it.
type recorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	tooLong bool
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

// Write implements http.ResponseWriter. It refuses what is too long.
func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(b) > maxBody {
		r.tooLong = true
		return 0, errTooLong
	}
	return r.body.Write(b)
}

// Flush implements http.Flusher.
func (r *recorder) Flush() {}

// quotaHeader says how much of the operator's daily budget is left.
const quotaHeader = "Spotify-Proxy-Quota"

// scarcity says by how much to ask less often: not at all while at least half of the
// budget is left, and then the more the less there is.
func scarcity(h http.Header) float64 {
	limit, ok1 := member(h.Get(quotaHeader), "limit")
	remaining, ok2 := member(h.Get(quotaHeader), "remaining")
	switch {
	case !ok1 || !ok2 || limit <= 0 || remaining*2 >= limit:
		return 1
	case remaining <= 0:
		return limit
	}
	return limit / (2 * remaining)
}

// member returns a number of a list such as "limit=1100, remaining=312".
func member(list, name string) (float64, bool) {
	for part := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			n, err := strconv.ParseFloat(value, 64)
			return n, err == nil
		}
	}
	return 0, false
}
