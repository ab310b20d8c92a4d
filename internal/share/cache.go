package share

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// sharedAnswer is an answer of the Web API that is shown to everybody. It does
// not change after it is made.
type sharedAnswer struct {
	status int
	header http.Header // of the API's, those that are shown
	body   []byte
	etag   string
	at     time.Duration // when it came, by the monotonic clock
}

// entityTag names a body (RFC 9110 §8.8.3).
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// sharedGet is one of the GETs that are shared, with the last answer to it.
type sharedGet struct {
	target sharedTarget

	mu       sync.Mutex
	answer   *sharedAnswer    // the last good one
	failure  *problem.Problem // what came of the last attempt, if that failed
	failedAt time.Duration
	flight   *sharedFlight // the attempt under way
	reset    int           // counts how often all was forgotten
}

// sharedFlight is one attempt, which all who ask meanwhile wait for.
type sharedFlight struct {
	done   chan struct{}
	result sharedResult // once done is closed
}

// sharedResult is what visitors get: an answer, which may be an old one, or a
// problem.
type sharedResult struct {
	answer *sharedAnswer
	stale  bool
	// wait is how long it takes until Spotify may be asked again.
	wait    time.Duration
	problem *problem.Problem
}

// sharedFetch asks Spotify.
type sharedFetch func(context.Context, *sharedGet) (*sharedAnswer, *problem.Problem)

// get returns the answer to g. It has Spotify asked if nobody else does and the
// last attempt, whatever came of it, was long enough ago. The error is ctx's.
func (s *Share) get(ctx context.Context, g *sharedGet, fetch sharedFetch) (sharedResult, error) {
	g.mu.Lock()
	if result, ok := s.known(g); ok {
		g.mu.Unlock()
		return result, nil
	}
	flight := g.flight
	if flight == nil {
		flight = &sharedFlight{done: make(chan struct{})}
		g.flight = flight
		reset := g.reset
		// One visitor's hanging up is not the others' business.
		if !s.site.Sessions.Spawn(func() { s.fly(g, flight, reset, fetch) }) {
			g.flight = nil
			g.mu.Unlock()
			return sharedResult{problem: shareUnavailable(errClosing)}, nil
		}
	}
	g.mu.Unlock()
	select {
	case <-flight.done:
		return flight.result, nil
	case <-ctx.Done():
		return sharedResult{}, ctx.Err()
	}
}

// known returns what can be told without asking Spotify. g is locked.
func (s *Share) known(g *sharedGet) (sharedResult, bool) {
	now := s.site.Clock.Monotonic()
	if g.answer != nil && now-g.answer.at < s.fresh {
		return sharedResult{answer: g.answer, wait: g.answer.at + s.fresh - now}, true
	}
	if g.failure != nil && now-g.failedAt < s.fresh {
		return s.failed(g, now), true
	}
	return sharedResult{}, false
}

// failed returns what there is to show after a failure. g is locked.
func (s *Share) failed(g *sharedGet, now time.Duration) sharedResult {
	wait := g.failedAt + s.fresh - now
	if g.answer != nil && now-g.answer.at < s.fresh+s.stale {
		return sharedResult{answer: g.answer, stale: true, wait: wait}
	}
	g.answer = nil
	p := *g.failure
	p.RetryAfter = max(p.RetryAfter, wait)
	return sharedResult{problem: &p, wait: wait}
}

// fetchTimeout bounds one attempt, a refresh of the token included.
const fetchTimeout = 30 * time.Second

// fly makes one attempt.
func (s *Share) fly(g *sharedGet, flight *sharedFlight, reset int, fetch sharedFetch) {
	ctx, cancel := context.WithTimeout(s.site.Sessions.Ctx, fetchTimeout)
	defer cancel()
	answer, p := fetch(ctx, g)

	g.mu.Lock()
	defer g.mu.Unlock()
	defer close(flight.done)
	if g.flight == flight {
		g.flight = nil
	}
	now := s.site.Clock.Monotonic()
	switch {
	case g.reset != reset:
		// Somebody connected meanwhile, perhaps another owner. Nothing of this
		// attempt is to stay.
		flight.result = sharedResult{answer: answer, problem: p, wait: s.fresh}
		if p != nil {
			flight.result.problem.RetryAfter = time.Second
		}
	case p != nil:
		g.failure, g.failedAt = p, now
		flight.result = s.failed(g, now)
	default:
		answer.at = now
		g.answer, g.failure = answer, nil
		flight.result = sharedResult{answer: answer, wait: s.fresh}
	}
}

// forget drops all answers and failures.
func (s *Share) forget() {
	for _, g := range s.gets {
		g.mu.Lock()
		g.answer, g.failure, g.flight = nil, nil, nil
		g.reset++
		g.mu.Unlock()
	}
}
