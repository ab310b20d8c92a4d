package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Touch notes that a session was used. The store learns of it now and then, in
// the background, or along with the next refresh.
func (m *Manager) Touch(s *Session) { m.TouchAt(s, m.Clock.Now().Unix()) }

// TouchAt is touch for who knows the time already.
func (m *Manager) TouchAt(s *Session, now int64) {
	if s.LastSeen.Load() == now {
		return
	}
	raise(&s.LastSeen, now)
	// A process that dies forgets at most this much of a session's last use.
	every := max(1, min(m.idleSeconds/20, 6*3600))
	if s.IsKey() {
		every = keyUseEvery
	}
	if now-s.savedSeen.Load() < every {
		return
	}
	m.saveInBackground(s)
}

// saveInBackground writes the session with the token it has.
func (m *Manager) saveInBackground(s *Session) {
	m.inBackground(s, workTouch, func(ctx context.Context) {
		token := s.Auth.Current()
		if token == nil {
			return
		}
		current, err := s.replace(ctx, token, token)
		switch {
		case errors.Is(err, pkce.ErrGone):
			m.forget(s)
			m.ended(s, endElsewhere)
		case err != nil:
			if suppressed, ok := m.LogLimiter.Admit("last use"); ok {
				m.logger().Warn("saving session's last use failed; will retry",
					zap.String("session", s.Ref()), zap.Error(err), suppressed)
			}
		case current != token:
			s.Auth.Adopt(current)
		}
	})
}

// inBackground runs work for a session unless the same work runs already or
// too much does. Every request tries again, so nothing is lost by that.
func (m *Manager) inBackground(s *Session, work int32, f func(context.Context)) {
	if !s.begin(work) {
		return
	}
	select {
	case m.background <- struct{}{}:
	default:
		s.end(work)
		return
	}
	started := m.Spawn(func() {
		defer func() {
			s.Unpin()
			s.end(work)
			<-m.background
		}()
		s.Pin()
		ctx, cancel := context.WithTimeout(m.Ctx, StoreTimeout)
		defer cancel()
		f(ctx)
	})
	if !started {
		s.end(work)
		<-m.background
	}
}

// Spawn runs f in a goroutine that Destruct waits for, unless that has begun.
func (m *Manager) Spawn(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.running.Go(f)
	return true
}

func (m *Manager) pin(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pinned[s] = struct{}{}
	m.byDigest[s.digest] = s
}

func (m *Manager) unpin(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.pins.Load() > 0 {
		return // pinned again meanwhile
	}
	delete(m.pinned, s)
	if m.byDigest[s.digest] == s {
		delete(m.byDigest, s.digest)
	}
}

// busy returns the session if it is pinned. A session with a refresh or a save
// in flight must not be loaded a second time after the cache dropped it: the
// stored token may be one that the refresh has just used up.
func (m *Manager) busy(digest [32]byte) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byDigest[digest]
}

func (m *Manager) flush(ctx context.Context) error {
	m.mu.Lock()
	busy := make([]*Session, 0, len(m.pinned))
	for s := range m.pinned {
		busy = append(busy, s)
	}
	m.mu.Unlock()

	var wg sync.WaitGroup
	errs := make([]error, len(busy))
	for i, s := range busy {
		wg.Go(func() { errs[i] = s.Auth.Flush(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("some sessions could not be saved before shutdown: %w", err)
	}
	return nil
}
