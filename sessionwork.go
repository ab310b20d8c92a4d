package caddyspotify

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// touch notes that a session was used. The store learns of it now and then, in
// the background, or along with the next refresh.
func (m *sessions) touch(s *session) { m.touchAt(s, m.clock.Now().Unix()) }

// touchAt is touch for who knows the time already.
func (m *sessions) touchAt(s *session, now int64) {
	if s.lastSeen.Load() == now {
		return
	}
	raise(&s.lastSeen, now)
	// A process that dies forgets at most this much of a session's last use.
	every := max(1, min(m.idleSeconds/20, 6*3600))
	if s.isKey() {
		every = keyUseEvery
	}
	if now-s.savedSeen.Load() < every {
		return
	}
	m.inBackground(s, workTouch, func(ctx context.Context) {
		token := s.auth.Current()
		if token == nil {
			return
		}
		current, err := s.replace(ctx, token, token)
		switch {
		case errors.Is(err, pkce.ErrGone):
			m.forget(s)
			m.ended(s, endElsewhere)
		case err != nil:
			if suppressed, ok := m.faults.admit("last use"); ok {
				m.logger().Warn("noting a session's last use failed; it will be tried again",
					zap.String("session", s.ref()), zap.Error(err), suppressed)
			}
		case current != token:
			s.auth.Adopt(current)
		}
	})
}

// inBackground runs work for a session unless the same work runs already or
// too much does. Every request tries again, so nothing is lost by that.
func (m *sessions) inBackground(s *session, work int32, f func(context.Context)) {
	if !s.begin(work) {
		return
	}
	select {
	case m.background <- struct{}{}:
	default:
		s.end(work)
		return
	}
	started := m.spawn(func() {
		defer func() {
			s.Unpin()
			s.end(work)
			<-m.background
		}()
		s.Pin()
		ctx, cancel := context.WithTimeout(m.ctx, storeTimeout)
		defer cancel()
		f(ctx)
	})
	if !started {
		s.end(work)
		<-m.background
	}
}

// spawn runs f in a goroutine that Destruct waits for, unless that has begun.
func (m *sessions) spawn(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.running.Go(f)
	return true
}

func (m *sessions) pin(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pinned[s] = struct{}{}
	m.byDigest[s.digest] = s
}

func (m *sessions) unpin(s *session) {
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
func (m *sessions) busy(digest [32]byte) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byDigest[digest]
}

func (m *sessions) flush(ctx context.Context) error {
	m.mu.Lock()
	busy := make([]*session, 0, len(m.pinned))
	for s := range m.pinned {
		busy = append(busy, s)
	}
	m.mu.Unlock()

	var wg sync.WaitGroup
	errs := make([]error, len(busy))
	for i, s := range busy {
		wg.Go(func() { errs[i] = s.auth.Flush(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("some sessions could not be saved before shutdown: %w", err)
	}
	return nil
}
