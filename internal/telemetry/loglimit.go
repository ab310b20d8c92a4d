package telemetry

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Of the lines about one kind of fault, faultBurst are written in each
// faultWindow. An outage makes a fault of every request, and the first few say
// all there is to say.
const (
	faultBurst  = 10
	faultWindow = 10 * time.Second
)

// LogLimiter keeps faults from flooding the log. The kinds are few: callers name
// them by reasons, never by what a visitor sent. The nil *LogLimiter lets
// everything pass.
type LogLimiter struct {
	clock pkce.Clock

	mu    sync.Mutex
	kinds map[string]*faultKind
}

type faultKind struct {
	since               time.Duration
	written, suppressed int
}

// NewLogLimiter returns a limiter that goes by the monotonic time of a clock.
func NewLogLimiter(clock pkce.Clock) *LogLimiter {
	return &LogLimiter{clock: clock, kinds: make(map[string]*faultKind)}
}

// Admit reports whether to write a line about a fault. The field goes into the
// line, and says how many were suppressed since the one before.
func (f *LogLimiter) Admit(kind string) (suppressed zap.Field, ok bool) {
	if f == nil {
		return zap.Skip(), true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Monotonic()
	k, known := f.kinds[kind]
	if !known {
		k = &faultKind{since: now}
		f.kinds[kind] = k
	}
	if now-k.since >= faultWindow {
		k.since, k.written = now, 0
	}
	if k.written == faultBurst {
		k.suppressed++
		return zap.Skip(), false
	}
	k.written++
	if k.suppressed == 0 {
		return zap.Skip(), true
	}
	suppressed = zap.Int("suppressed", k.suppressed)
	k.suppressed = 0
	return suppressed, true
}
