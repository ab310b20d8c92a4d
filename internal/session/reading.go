package session

import (
	"context"
)

// reading is one look at a session's record in the store. Everyone who needs that
// while it is under way waits for it, instead of asking the store as well.
type reading struct {
	since   cacheEpoch
	done    chan struct{}
	session *Session // once done is closed
	err     error
}

// readingOf tells readings apart: those that load a session, of any kind, and
// those that confirm one that is in memory.
type readingOf struct {
	digest    [32]byte
	kind      Kind
	confirmed *Session
}

// share calls read in a goroutine and returns what it returns, or joins the call
// for the same that is under way. It does not join one from before the session
// was changed, whose result is that of the past. The call is given the epoch in
// which it began, and a context that is not ctx but bounded by StoreTimeout: one
// caller's hanging up is not the others' business, nor is the end of the config
// under which its request came in.
func (m *Manager) share(ctx context.Context, of readingOf, read func(context.Context, cacheEpoch) (*Session, error)) (*Session, error) {
	m.readingsMu.Lock()
	r := m.readings[of]
	if r == nil || m.Cache.changed(of.digest, r.since) {
		r = &reading{since: m.Cache.epoch(of.digest), done: make(chan struct{})}
		m.readings[of] = r
		go m.perform(context.WithoutCancel(ctx), of, r, read)
	}
	m.readingsMu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.done:
		return r.session, r.err
	}
}

func (m *Manager) perform(ctx context.Context, of readingOf, r *reading, read func(context.Context, cacheEpoch) (*Session, error)) {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	r.session, r.err = read(ctx, r.since)
	m.readingsMu.Lock()
	if m.readings[of] == r {
		delete(m.readings, of)
	}
	m.readingsMu.Unlock()
	close(r.done)
}
