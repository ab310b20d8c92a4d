package caddyspotify

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
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

// sessionCache keeps the sessions used last, by digest. Its shards keep the
// cores from waiting for each other. It is safe for concurrent use.
type sessionCache struct {
	shards [cacheShards]cacheShard
	// all counts the times when everything had to be checked anew.
	all atomic.Uint64
}

type cacheShard struct {
	sessions *secondChance
	changes  *lru.Cache[[32]byte, uint64]
	counter  atomic.Uint64
}

func newSessionCache(size int) *sessionCache {
	c := new(sessionCache)
	for i := range c.shards {
		c.shards[i].sessions = newSecondChance(size / cacheShards)
		// New fails only for a size below one.
		c.shards[i].changes, _ = lru.New[[32]byte, uint64](recentChanges)
	}
	return c
}

func (c *sessionCache) shard(digest [32]byte) *cacheShard {
	return &c.shards[digest[0]%cacheShards]
}

func (c *sessionCache) get(digest [32]byte) (*session, bool) {
	return c.shard(digest).sessions.get(digest)
}

func (c *sessionCache) add(s *session) {
	c.shard(s.digest).sessions.add(s)
}

func (c *sessionCache) remove(digest [32]byte) {
	c.shard(digest).sessions.remove(digest)
}

// peek is get without counting as a use.
func (c *sessionCache) peek(digest [32]byte) (*session, bool) {
	return c.shard(digest).sessions.peek(digest)
}

// withPrefix returns the sessions whose digests begin with the given bytes, of
// which there must be one at least.
func (c *sessionCache) withPrefix(prefix []byte) []*session {
	return c.shards[prefix[0]%cacheShards].sessions.withPrefix(prefix)
}

// each yields every session, but for those that come or go meanwhile.
func (c *sessionCache) each(yield func(*session) bool) {
	for i := range c.shards {
		for _, s := range c.shards[i].sessions.all() {
			if !yield(s) {
				return
			}
		}
	}
}

func (c *sessionCache) len() int {
	n := 0
	for i := range c.shards {
		n += c.shards[i].sessions.len()
	}
	return n
}

// cacheEpoch is a moment in the history of one digest's changes.
type cacheEpoch struct{ all, one uint64 }

func (c *sessionCache) epoch(digest [32]byte) cacheEpoch {
	one, _ := c.shard(digest).changes.Get(digest)
	return cacheEpoch{c.all.Load(), one}
}

// addUnlessChanged adds a session that was read since the given moment, unless
// it changed after that.
func (c *sessionCache) addUnlessChanged(s *session, since cacheEpoch) bool {
	c.add(s)
	if c.epoch(s.digest) == since {
		return true
	}
	c.remove(s.digest)
	return false
}

// invalidate has the session checked with the store before its next use.
func (c *sessionCache) invalidate(digest [32]byte) {
	shard := c.shard(digest)
	shard.changes.Add(digest, shard.counter.Add(1))
	if s, ok := shard.sessions.peek(digest); ok {
		s.checked.Store(0)
	}
}

// invalidateAll does so for every session.
func (c *sessionCache) invalidateAll() {
	c.all.Add(1)
	for i := range c.shards {
		for _, s := range c.shards[i].sessions.all() {
			s.checked.Store(0)
		}
	}
}
