package spotifytest

import (
	"sync"
	"time"
)

// rateWindow is the span over which Spotify counts an app's requests.
const rateWindow = 30 * time.Second

// limiter counts requests per app in a rolling window.
type limiter struct {
	mu    sync.Mutex
	limit int
	calls map[string][]time.Time
	over  int
}

func newLimiter(limit int) *limiter {
	return &limiter{limit: limit, calls: make(map[string][]time.Time)}
}

// take counts a request; if it is one too many, ok is false and wait the time
// until there is room. Refused requests do not count.
func (l *limiter) take(clientID string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit <= 0 {
		return 0, true
	}
	calls := l.calls[clientID]
	old := 0
	for old < len(calls) && now.Sub(calls[old]) >= rateWindow {
		old++
	}
	calls = append(calls[:0], calls[old:]...)
	if len(calls) >= l.limit {
		l.calls[clientID] = calls
		l.over++
		return rateWindow - now.Sub(calls[len(calls)-l.limit]), false
	}
	l.calls[clientID] = append(calls, now)
	return 0, true
}

// SetRateLimit sets the number of Web API requests allowed per client id in any
// 30 s; 0 lifts the limit. The window starts empty.
func (s *Server) SetRateLimit(n int) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.limiter.limit = n
	clear(s.limiter.calls)
}

// RateLimitHits returns how many requests the rolling window has refused.
func (s *Server) RateLimitHits() int {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return s.limiter.over
}
