package redis

import (
	"context"
	"sync"

	"github.com/redis/rueidis"
)

// maxPending is how many changed keys wait for a slow watcher before it is told
// that it lost track.
const maxPending = 1 << 16

// Watch implements tokenstore.Watcher. It needs no connection of its own: the
// servers report changes over the connections on which records were loaded, one
// way behind the change. Changes that this store makes itself are not reported.
//
// A report may overtake the return of the Load that it is about. Who keeps what
// Load returned must notice changed calls from before that Load on.
func (s *Store) Watch(ctx context.Context, changed func(key string), lost func()) error {
	w := s.hub.add()
	defer s.hub.remove(w)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return errClosed
		case <-w.wake:
		}
		keys, all := w.take()
		if all && ctx.Err() == nil {
			lost()
		}
		for _, key := range keys {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			changed(key)
		}
	}
}

// invalidated is what rueidis calls with the names that the server reports, and
// with nil when a connection broke or the database was flushed. The connection
// reads nothing until it returns.
func (s *Store) invalidated(messages []rueidis.RedisMessage) {
	if messages == nil {
		s.hub.lost()
		return
	}
	var keys []string
	for _, message := range messages {
		name, err := message.ToString()
		if err != nil {
			s.hub.lost()
			return
		}
		if key, ok := s.keyOf(name); ok {
			keys = append(keys, key)
		}
	}
	s.hub.changed(keys)
}

// hub hands reports on to the watchers. Its zero value is ready.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
	missed   bool // something happened while nobody watched
}

// watcher is the queue of one Watch call.
type watcher struct {
	wake chan struct{} // has room for one

	mu   sync.Mutex
	keys []string
	all  bool
}

func (h *hub) add() *watcher {
	w := &watcher{wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[*watcher]bool)
	}
	h.watchers[w] = true
	if h.missed {
		h.missed = false
		w.put(nil, true)
	}
	return w
}

func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

func (h *hub) changed(keys []string) {
	if len(keys) > 0 {
		h.put(keys, false)
	}
}

func (h *hub) lost() { h.put(nil, true) }

func (h *hub) put(keys []string, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 {
		h.missed = true
	}
	for w := range h.watchers {
		w.put(keys, all)
	}
}

func (w *watcher) put(keys []string, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all || len(w.keys)+len(keys) > maxPending {
		w.keys, w.all = nil, true
	} else {
		w.keys = append(w.keys, keys...)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) take() (keys []string, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys, all = w.keys, w.all
	w.keys, w.all = nil, false
	return keys, all
}
