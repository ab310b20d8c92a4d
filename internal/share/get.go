package share

import (
	"context"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// everybody is whose the shared responses are in the cache: not the owner's, so that a
// share that comes to show another account forgets them by ending this one.
const everybody = "everybody"

// fetch asks Spotify.
type fetch func(context.Context, *target) (*cache.Response, *problem.Problem)

// get returns the response to a GET, which may be one that is out of date, or else a
// failure, which is a problem. It has Spotify asked if nobody else does and the last
// attempt, whatever came of it, was long enough ago. The error is ctx's.
func (s *Share) get(ctx context.Context, t *target, ask fetch) (cache.Kept, error) {
	kept, flight, state := s.kept.Begin(nil, everybody, "", t.key(), cache.Asks{MaxAge: -1})
	switch state {
	case cache.Hit:
		return kept, nil
	case cache.Leads:
		// One visitor's hanging up is not the others' business.
		flight.Join()
		if !s.site.Sessions.Spawn(func() { s.fly(flight, t, ask) }) {
			flight.Finish(cache.Outcome{Err: shareUnavailable(errClosing)})
		}
	}
	outcome, err := flight.Wait(ctx)
	switch {
	case err != nil:
		return cache.Kept{}, err
	case outcome.Response != nil:
		return cache.Kept{Response: outcome.Response, TTL: s.fresh}, nil
	}
	kept = s.kept.Peek(everybody, t.key())
	if kept.Response == nil && kept.Failure == nil {
		// Somebody connected meanwhile, perhaps another owner, so that the failure is
		// not kept.
		kept = cache.Kept{Failure: outcome.Err, Wait: time.Second}
	}
	return kept, nil
}

// fetchTimeout bounds one attempt, a refresh of the token included.
const fetchTimeout = 30 * time.Second

// fly makes one attempt.
func (s *Share) fly(flight *cache.Flight, t *target, ask fetch) {
	ctx, cancel := context.WithTimeout(s.site.Sessions.Ctx, fetchTimeout)
	defer cancel()
	response, p := ask(ctx, t)
	if p != nil {
		flight.Finish(cache.Outcome{Err: p, FailFor: s.fresh})
		return
	}
	flight.Finish(cache.Outcome{Response: response, Fresh: s.fresh, Stale: s.stale})
}

// forget drops all responses and failures. Of what is asked now nothing is kept.
func (s *Share) forget() { s.kept.Accounts().End(everybody) }

// Close drops all that is kept, and keeps nothing afterwards.
func (s *Share) Close() error {
	s.kept.Close()
	return nil
}
