package session

import (
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// start begins to watch and to sweep the store. It waits for the first request
// so that checking a config touches nothing.
func (m *Manager) start() {
	m.startOnce.Do(func() {
		if m.watcher != nil {
			m.Spawn(func() { m.watch(m.watcher) })
		}
		if m.sweeper != nil {
			m.Spawn(func() { m.sweep(m.sweeper) })
		}
	})
}

func (m *Manager) watch(w tokenstore.Watcher) {
	for m.Ctx.Err() == nil {
		if err := w.Watch(m.Ctx, m.changed, m.lost); m.Ctx.Err() == nil {
			m.logger().Warn("token store watch failed; cached sessions are revalidated before use", zap.Error(err))
			m.Cache.invalidateAll()
			_ = pkce.Sleep(m.Ctx, m.Clock, time.Second)
			// Those that were used meanwhile have been checked too early.
			m.Cache.invalidateAll()
		}
	}
}

// lost notes that changes may have been missed.
func (m *Manager) lost() {
	m.Cache.invalidateAll()
	m.followers.tellAll()
}

// changed notes that a record was changed by somebody else.
func (m *Manager) changed(key string) {
	if digest, ok := digestOf(key); ok {
		m.Cache.invalidate(digest)
		m.followers.tell(digest)
	}
}

func (m *Manager) sweep(s tokenstore.Sweeper) {
	for pkce.Sleep(m.Ctx, m.Clock, sweepEvery/2+rand.N(sweepEvery)) == nil {
		removed, err := s.Sweep(m.Ctx)
		switch {
		case m.Ctx.Err() != nil:
			return
		case err != nil:
			m.logger().Warn("removing expired sessions failed", zap.Error(err))
		case removed > 0:
			m.logger().Info("removed expired sessions", zap.Int("count", removed))
		}
	}
}
