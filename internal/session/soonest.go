package session

import (
	"sync"
	"time"
)

// soonestEvery is how often it is found out which session has to be authorized
// again first. With a million of them that takes a fifth of a second.
const soonestEvery = time.Minute

// soonest remembers when the first session has to be authorized again.
type soonest struct {
	mu    sync.Mutex
	asked time.Duration
	at    int64
}

// SoonestReauthorization returns when the first session in memory has to be
// authorized again, in Unix seconds, or 0 if there is none.
func (m *Manager) SoonestReauthorization() int64 {
	r := &m.soonest
	r.mu.Lock()
	defer r.mu.Unlock()
	now := m.Clock.Monotonic()
	if r.at != 0 && now-r.asked < soonestEvery {
		return r.at
	}
	r.asked, r.at = now, 0
	for s := range m.Cache.each {
		if s.IsKey() {
			continue // its end was chosen by who created it
		}
		if at := s.ReauthorizeBy().Unix(); r.at == 0 || at < r.at {
			r.at = at
		}
	}
	return r.at
}
