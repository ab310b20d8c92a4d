package session

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// maxCachedSessions bounds the memory for sessions, at less than 900 bytes each.
	// One that is dropped is read from the store when it is used again.
	maxCachedSessions = 1 << 20
	cacheShards       = 64
	// recentChanges is how many changes a shard remembers for readings that
	// were under way when they happened.
	recentChanges = 256
)

// sessionCache keeps the sessions used last. Its shards keep the cores from
// waiting for each other. It is safe for concurrent use.
type sessionCache struct {
	shards  [cacheShards]*shard       // by id
	changes [cacheShards]cacheChanges // by digest
}

// cacheChanges is when the sessions of a shard changed last.
type cacheChanges struct {
	mu     sync.Mutex
	last   cacheEpoch
	recent *lru.Cache[[32]byte, cacheEpoch]
	// dropped is the last change that is not in recent. Any session may be the one
	// that changed then.
	dropped cacheEpoch
}

// changed reports whether a session may have changed since a moment. c.mu is held.
func (c *cacheChanges) changed(digest [32]byte, since cacheEpoch) bool {
	at, _ := c.recent.Peek(digest)
	return max(at, c.dropped) > since
}

func newSessionCache(size int) *sessionCache {
	c := new(sessionCache)
	for i := range c.shards {
		c.shards[i] = newSecondChance(size / cacheShards)
		changes := &c.changes[i]
		// It fails only for a size below one.
		changes.recent, _ = lru.NewWithEvict(recentChanges, func(_ [32]byte, at cacheEpoch) { changes.dropped = max(changes.dropped, at) })
	}
	return c
}

func (c *sessionCache) shard(id *tokenstore.SessionID) *shard {
	return c.shards[id[0]%cacheShards]
}

// get returns the session of a kind with an id.
func (c *sessionCache) get(id tokenstore.SessionID, kind Kind) (*Session, bool) {
	return c.shard(&id).get(id, kind)
}

func (c *sessionCache) add(s *Session) { c.shard(&s.ID).add(s) }

func (c *sessionCache) remove(id tokenstore.SessionID, kind Kind) { c.shard(&id).remove(id, kind) }

// peek finds a session by its digest, without counting that as a use. It asks
// every shard, which takes a while: the store has something to say about a
// session once an hour, and a request comes with an id.
func (c *sessionCache) peek(digest [32]byte) (*Session, bool) {
	for _, shard := range c.shards {
		if s, ok := shard.peek(digest); ok {
			return s, true
		}
	}
	return nil, false
}

// WithPrefix returns the sessions whose digests begin with the given bytes.
func (c *sessionCache) WithPrefix(prefix []byte) (found []*Session) {
	for _, shard := range c.shards {
		found = append(found, shard.withPrefix(prefix)...)
	}
	return found
}

// each yields every session, but for those that come or go meanwhile.
func (c *sessionCache) each(yield func(*Session) bool) {
	for i := range c.shards {
		for _, s := range c.shards[i].all() {
			if !yield(s) {
				return
			}
		}
	}
}

func (c *sessionCache) Len() int {
	n := 0
	for i := range c.shards {
		n += c.shards[i].len()
	}
	return n
}

func (c *sessionCache) changesOf(digest [32]byte) *cacheChanges {
	return &c.changes[digest[0]%cacheShards]
}

// cacheEpoch is a moment in the history of a shard's changes.
type cacheEpoch uint64

// epoch returns the present moment for a digest.
func (c *sessionCache) epoch(digest [32]byte) cacheEpoch {
	changes := c.changesOf(digest)
	changes.mu.Lock()
	defer changes.mu.Unlock()
	return changes.last
}

// changed reports whether a digest's session may have changed since a moment.
func (c *sessionCache) changed(digest [32]byte, since cacheEpoch) bool {
	changes := c.changesOf(digest)
	changes.mu.Lock()
	defer changes.mu.Unlock()
	return changes.changed(digest, since)
}

// addUnlessChanged adds a session that was read since the given moment, unless
// it changed after that.
func (c *sessionCache) addUnlessChanged(s *Session, since cacheEpoch) bool {
	return c.unlessChanged(s, since, func() { c.add(s) })
}

// checkedUnlessChanged is session.checkedAt for what a reading found that began at
// the given moment. If the session changed after that, its next use asks again.
func (c *sessionCache) checkedUnlessChanged(s *Session, since cacheEpoch, wall int64, mono time.Duration) bool {
	return c.unlessChanged(s, since, func() { s.checkedAt(wall, mono) })
}

// unlessChanged calls f unless the session changed. A change that comes meanwhile
// waits for f, so that invalidate undoes what f did.
func (c *sessionCache) unlessChanged(s *Session, since cacheEpoch, f func()) bool {
	changes := c.changesOf(s.digest)
	changes.mu.Lock()
	defer changes.mu.Unlock()
	if changes.changed(s.digest, since) {
		s.checked.Store(0)
		return false
	}
	f()
	return true
}

// invalidate has the session checked with the store before its next use.
func (c *sessionCache) invalidate(digest [32]byte) {
	changes := c.changesOf(digest)
	changes.mu.Lock()
	changes.last++
	changes.recent.Add(digest, changes.last)
	changes.mu.Unlock()
	if s, ok := c.peek(digest); ok {
		s.checked.Store(0)
	}
}

// invalidateAll does so for every session.
func (c *sessionCache) invalidateAll() {
	for i := range c.changes {
		changes := &c.changes[i]
		changes.mu.Lock()
		changes.last++
		changes.dropped = changes.last
		changes.mu.Unlock()
	}
	for i := range c.shards {
		for _, s := range c.shards[i].all() {
			s.checked.Store(0)
		}
	}
}
