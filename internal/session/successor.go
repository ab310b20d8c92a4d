package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// replacedFor is how long a session that a new login of the same browser has
// replaced stays valid at most. Requests that the browser's other tabs sent before
// it had the new cookie still come with the old one.
const replacedFor = 30 * time.Second

// succession is a session that was replaced, and the one that did so.
type succession struct {
	old   *Session
	by    tokenstore.SessionID
	until time.Duration // by the monotonic clock
	stop  func() bool   // of the timer that ends it
}

// successions are the sessions that were replaced a moment ago. They are in no
// store any more, and valid in this process alone, so that none outlives a crash.
// The zero value has none. It is safe for concurrent use.
type successions struct {
	count atomic.Int32 // spares nearly all requests the lock

	mu    sync.Mutex
	byOld map[tokenstore.SessionID]*succession
	byNew map[tokenstore.SessionID]*succession
}

// add begins a succession.
func (ss *successions) add(s *succession) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.byOld == nil {
		ss.byOld, ss.byNew = make(map[tokenstore.SessionID]*succession), make(map[tokenstore.SessionID]*succession)
	}
	if before := ss.byOld[s.old.ID]; before != nil {
		ss.drop(before)
	}
	ss.byOld[s.old.ID], ss.byNew[s.by] = s, s
	ss.count.Store(int32(len(ss.byOld))) //nolint:gosec // one for each login of half a minute
}

// drop removes a succession and reports whether it was there. ss.mu is held.
func (ss *successions) drop(s *succession) bool {
	if ss.byOld[s.old.ID] != s {
		return false
	}
	delete(ss.byOld, s.old.ID)
	delete(ss.byNew, s.by)
	ss.count.Store(int32(len(ss.byOld))) //nolint:gosec // as above
	return true
}

// cancel takes a succession back and reports whether it was there.
func (ss *successions) cancel(s *succession) bool {
	ss.mu.Lock()
	there := ss.drop(s)
	ss.mu.Unlock()
	if there {
		s.stop()
	}
	return there
}

// end ends a succession, and the old session with it.
func (ss *successions) end(s *succession) {
	if ss.cancel(s) {
		s.old.Auth.End()
	}
}

// successor returns the id of the session that replaced another, if that was a
// moment ago.
func (ss *successions) successor(old tokenstore.SessionID) (tokenstore.SessionID, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byOld[old]
	if s == nil {
		return tokenstore.SessionID{}, false
	}
	return s.by, true
}

// shown notes that a cookie was shown. It ends the session that the cookie's own
// has replaced, and returns the session if it is itself one that was replaced and
// is still valid.
func (ss *successions) shown(id tokenstore.SessionID, clock pkce.Clock) *Session {
	if ss.count.Load() == 0 {
		return nil
	}
	ss.mu.Lock()
	old, by := ss.byOld[id], ss.byNew[id]
	ss.mu.Unlock()
	if by != nil {
		ss.end(by)
	}
	switch {
	case old == nil:
		return nil
	case clock.Monotonic() >= old.until:
		ss.end(old)
		return nil
	case old.old.Auth.Ended():
		return nil
	}
	return old.old
}

// Replace ends the session behind a cookie because the same browser has logged in
// again: in the store at once, and here once the browser shows the new session's
// cookie, after replacedFor at the latest. When the store cannot be reached, it
// ends nothing and returns an error. It returns ErrNone if there is no session.
// What about says goes into the log line.
func (m *Manager) Replace(ctx context.Context, cookie string, by *Session, about ...zap.Field) error {
	s, err := m.Get(ctx, cookie)
	if err != nil {
		return err
	}
	going := &succession{old: s, by: by.ID, until: m.Clock.Monotonic() + replacedFor}
	going.stop = m.Clock.AfterFunc(replacedFor, func() { m.replaced.end(going) })
	m.replaced.add(going) // before it is gone from the store
	tell, err := m.deleteRecord(ctx, s)
	if err != nil {
		m.replaced.cancel(going)
		return err
	}
	m.unlist(ctx, s)
	// No last use is saved: the record is gone.
	raise(&s.savedSeen, m.Clock.Now().Add(2*replacedFor).Unix())
	m.uncache(s)
	m.followers.tell(s.digest)
	if tell {
		m.emitEnd(s, EndReplaced, about...)
	}
	return nil
}
