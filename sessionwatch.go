package caddyspotify

import (
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// start begins to watch and to sweep the store. It waits for the first request
// so that checking a config touches nothing.
func (m *sessions) start() {
	m.startOnce.Do(func() {
		if m.watcher != nil {
			m.spawn(func() { m.watch(m.watcher) })
		}
		if m.sweeper != nil {
			m.spawn(func() { m.sweep(m.sweeper) })
		}
	})
}

func (m *sessions) watch(w tokenstore.Watcher) {
	for m.ctx.Err() == nil {
		if err := w.Watch(m.ctx, m.changed, m.cache.invalidateAll); m.ctx.Err() == nil {
			m.logger().Warn("lost sight of the token store; cached sessions are checked before use", zap.Error(err))
			m.cache.invalidateAll()
			m.pause(time.Second)
			// Those that were used meanwhile have been checked too early.
			m.cache.invalidateAll()
		}
	}
}

// changed notes that a record was changed by somebody else.
func (m *sessions) changed(key string) {
	if digest, ok := digestOf(key); ok {
		m.cache.invalidate(digest)
	}
}

func (m *sessions) sweep(s tokenstore.Sweeper) {
	for m.pause(sweepEvery/2 + rand.N(sweepEvery)) {
		removed, err := s.Sweep(m.ctx)
		switch {
		case m.ctx.Err() != nil:
			return
		case err != nil:
			m.logger().Warn("removing expired sessions failed", zap.Error(err))
		case removed > 0:
			m.logger().Info("removed expired sessions", zap.Int("count", removed))
		}
	}
}

// pause waits for d and reports whether to go on.
func (m *sessions) pause(d time.Duration) bool {
	due := make(chan struct{})
	stop := m.clock.AfterFunc(d, func() { close(due) })
	select {
	case <-due:
		return m.ctx.Err() == nil
	case <-m.ctx.Done():
		stop()
		return false
	}
}
