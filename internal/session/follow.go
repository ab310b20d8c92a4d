package session

import (
	"context"
	"errors"
	"sync"
)

// Streams outlive the requests that they began with, and are to end with their
// sessions.

// followers are told of changes to sessions.
type followers struct {
	mu sync.Mutex
	of map[[32]byte]map[chan struct{}]struct{}
}

// Follow returns a channel that is signalled when a session may have ended, here or, if
// the store tells of changes, on another instance. Current says whether it has. The stop
// function must be called in the end.
func (m *Manager) Follow(s *Session) (changed <-chan struct{}, stop func()) {
	f := &m.followers
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = make(map[[32]byte]map[chan struct{}]struct{})
	}
	if f.of[s.digest] == nil {
		f.of[s.digest] = make(map[chan struct{}]struct{})
	}
	f.of[s.digest][ch] = struct{}{}
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.of[s.digest], ch)
		if len(f.of[s.digest]) == 0 {
			delete(f.of, s.digest)
		}
	}
}

// tell signals the followers of a session.
func (f *followers) tell(digest [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	signal(f.of[digest])
}

// tellAll signals the followers of every session.
func (f *followers) tellAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, of := range f.of {
		signal(of)
	}
}

func signal(channels map[chan struct{}]struct{}) {
	for ch := range channels {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// ErrReplaced says that the browser has got another session by now.
var ErrReplaced = errors.New("the session was replaced by a new login")

// Current returns what has become of a session that was found a while ago: ErrNone if it
// has ended, on whichever instance, and ErrReplaced if it did so a moment ago because the same
// browser has logged in again. If the store does not tell of changes, it is asked,
// once for all who want to know at the same time; a session that it cannot be asked about
// goes on, as for requests. Lists are for an access key.
func (m *Manager) Current(ctx context.Context, s *Session, lists KeyLists) (*Session, error) {
	if _, replaced := m.replaced.successor(s.ID); replaced {
		return nil, ErrReplaced
	}
	now := m.Clock.Now().Unix()
	found, err := m.find(ctx, s.ID, s.kind, now, lists)
	if err != nil || m.watched {
		return found, err
	}
	return m.confirm(ctx, found, now, lists)
}
