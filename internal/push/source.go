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

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
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
	asker  site.Asker
	find   func(context.Context) (*session.Session, error)
	policy upstream.Policy
	view   player.View
	// path and query are what to ask for, if that is not the view's to say.
	path, query string
	// origin is the request of the listener.
	origin trace.Origin
}

// Ask implements player.Source.
func (s *source) Ask(ctx context.Context) (player.Response, error) {
	ctx, span := s.origin.Start(ctx, trace.PlayerPoll)
	res, err := s.ask(ctx)
	span.End(err)
	outcome := telemetry.PollFailed
	if err == nil {
		outcome = telemetry.PollState
	} else if _, ok := errors.AsType[*player.LimitedError](err); ok {
		outcome = telemetry.PollLimited
	} else if _, ok := errors.AsType[*player.EndedError](err); ok {
		outcome = telemetry.PollEnded
	}
	s.asker.Site.Metrics.Polled(outcome)
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
	rec, err := s.asker.Ask(ctx, &site.Question{Session: sess, Policy: s.policy, Path: path, Query: query, MaxBody: maxBody, NoCache: true})
	if err != nil {
		return player.Response{}, &player.TemporaryError{Reason: string(reason.UpstreamUnavailable), Err: err}
	}
	return s.judge(rec)
}

// judge says what a response means.
func (s *source) judge(rec *site.Recorder) (player.Response, error) {
	why := rec.Header().Get(reason.Header)
	wait, _ := retryafter.Parse(rec.Header().Get("Retry-After"), s.asker.Site.Clock.Now())
	switch {
	case rec.Status == http.StatusOK:
		return player.Response{Body: bytes.Clone(rec.Body.Bytes()), View: s.view, Scarcity: scarcity(rec.Header())}, nil
	case rec.Status == http.StatusNoContent, rec.Status == http.StatusAccepted:
		return player.Response{View: s.view, Scarcity: scarcity(rec.Header())}, nil
	case rec.Status == http.StatusTooManyRequests:
		if why == "" {
			why = string(reason.RateLimited)
		}
		return player.Response{}, &player.LimitedError{Wait: wait, Reason: why}
	case rec.Status == http.StatusUnauthorized && why != "" && why != string(reason.InsufficientScope):
		return player.Response{}, &player.EndedError{Reason: why}
	case rec.Status >= http.StatusInternalServerError && why != "", rec.Status == http.StatusUnauthorized && why == "":
		if why == "" {
			why = string(reason.UpstreamUnavailable)
		}
		return player.Response{}, &player.TemporaryError{Reason: why, Err: fmt.Errorf("status %d", rec.Status)}
	case rec.Status < http.StatusInternalServerError:
		if why == "" {
			why = string(reason.Forbidden)
		}
		return player.Response{}, &player.LimitedError{Wait: refusedPause, Reason: why}
	}
	return player.Response{}, &player.TemporaryError{Reason: string(reason.UpstreamUnavailable), Err: fmt.Errorf("status %d", rec.Status)}
}

// scarcity says by how much to ask less often: not at all while at least half of the
// budget is left, and then the more the less there is.
func scarcity(h http.Header) float64 {
	limit, ok1 := member(h.Get(upstream.QuotaHeader), "limit")
	remaining, ok2 := member(h.Get(upstream.QuotaHeader), "remaining")
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
