package caddyspotify

import (
	"sync/atomic"

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
	shards  [cacheShards]*secondChance // by id
	changes [cacheShards]cacheChanges  // by digest
	// all counts the times when everything had to be checked anew.
	all atomic.Uint64
}

type cacheChanges struct {
	recent  *lru.Cache[[32]byte, uint64]
	counter atomic.Uint64
}

func newSessionCache(size int) *sessionCache {
	c := new(sessionCache)
	for i := range c.shards {
		c.shards[i] = newSecondChance(size / cacheShards)
		// New fails only for a size below one.
		c.changes[i].recent, _ = lru.New[[32]byte, uint64](recentChanges)
	}
	return c
}

func (c *sessionCache) shard(id *tokenstore.SessionID) *secondChance {
	return c.shards[id[0]%cacheShards]
}

// get returns the session, or the access key, with an id.
func (c *sessionCache) get(id tokenstore.SessionID, key bool) (*session, bool) {
	return c.shard(&id).get(id, key)
}

func (c *sessionCache) add(s *session) { c.shard(&s.id).add(s) }

func (c *sessionCache) remove(id tokenstore.SessionID, key bool) { c.shard(&id).remove(id, key) }

// peek finds a session by its digest, without counting that as a use. It asks
// every shard, which takes a while: the store has something to say about a
// session once an hour, and a request comes with an id.
func (c *sessionCache) peek(digest [32]byte) (*session, bool) {
	for _, shard := range c.shards {
		if s, ok := shard.peek(digest); ok {
			return s, true
		}
	}
	return nil, false
}

// withPrefix returns the sessions whose digests begin with the given bytes.
func (c *sessionCache) withPrefix(prefix []byte) (found []*session) {
	for _, shard := range c.shards {
		found = append(found, shard.withPrefix(prefix)...)
	}
	return found
}

// each yields every session, but for those that come or go meanwhile.
func (c *sessionCache) each(yield func(*session) bool) {
	for i := range c.shards {
		for _, s := range c.shards[i].all() {
			if !yield(s) {
				return
			}
		}
	}
}

func (c *sessionCache) len() int {
	n := 0
	for i := range c.shards {
		n += c.shards[i].len()
	}
	return n
}

func (c *sessionCache) changesOf(digest [32]byte) *cacheChanges {
	return &c.changes[digest[0]%cacheShards]
}

// cacheEpoch is a moment in the history of one digest's changes.
type cacheEpoch struct{ all, one uint64 }

func (c *sessionCache) epoch(digest [32]byte) cacheEpoch {
	one, _ := c.changesOf(digest).recent.Get(digest)
	return cacheEpoch{c.all.Load(), one}
}

// addUnlessChanged adds a session that was read since the given moment, unless
// it changed after that.
func (c *sessionCache) addUnlessChanged(s *session, since cacheEpoch) bool {
	c.add(s)
	if c.epoch(s.digest) == since {
		return true
	}
	c.remove(s.id, s.isKey())
	return false
}

// invalidate has the session checked with the store before its next use.
func (c *sessionCache) invalidate(digest [32]byte) {
	changes := c.changesOf(digest)
	changes.recent.Add(digest, changes.counter.Add(1))
	if s, ok := c.peek(digest); ok {
		s.checked.Store(0)
	}
}

// invalidateAll does so for every session.
func (c *sessionCache) invalidateAll() {
	c.all.Add(1)
	for i := range c.shards {
		for _, s := range c.shards[i].all() {
			s.checked.Store(0)
		}
	}
}
