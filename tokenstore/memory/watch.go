package memory

import (
	"context"
	"sync"
)

// watchLimit bounds how many changes wait for a watcher that is slow.
const watchLimit = 10_000

// watcher collects what one Watch has yet to report.
type watcher struct {
	instance *Store
	news     chan struct{}

	mu      sync.Mutex
	changed map[string]struct{}
	missed  bool
}

// Watch implements tokenstore.Watcher. It reports every record that another
// instance (see Peer) changed, loaded by this one or not, and every record that
// the store itself removed.
func (s *Store) Watch(ctx context.Context, changed func(key string), lost func()) error {
	w := &watcher{instance: s, news: make(chan struct{}, 1), changed: make(map[string]struct{})}
	s.mu.Lock()
	s.watchers[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.news:
			keys, missed := w.take()
			if missed {
				lost()
			}
			for key := range keys {
				changed(key)
			}
		}
	}
}

// announce tells the watchers of all instances but one that a record changed.
// s.mu is held, so that they are told in the order of the changes.
func (s *shelf) announce(key string, by *Store) {
	for w := range s.watchers {
		if w.instance != by {
			w.add(key)
		}
	}
}

func (w *watcher) add(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.changed) >= watchLimit {
		clear(w.changed)
		w.missed = true
	}
	if !w.missed {
		w.changed[key] = struct{}{}
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *watcher) take() (changed map[string]struct{}, missed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed, missed = w.changed, w.missed
	w.changed, w.missed = make(map[string]struct{}), false
	return changed, missed
}
