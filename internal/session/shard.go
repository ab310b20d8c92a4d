package session

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// shard keeps up to a number of sessions. One more, and it drops one
// that was not used since the hand of a clock last came by; so what is in use
// stays, and to use a session moves nothing. It is safe for concurrent use.
//
// A list in the order of use would drop the very one that was used longest ago.
// It would also take 80 bytes a session more, and touch three sessions to use
// one.
type shard struct {
	size int

	mu sync.Mutex
	// Sessions are found by the beginning of their id, so that a request needs no
	// hash of it, and of their digest, by which the store knows them. With the
	// whole of either for a key a lookup would have to fetch more memory. Two
	// sessions that begin alike would take turns here, which nobody lives to see.
	byID     map[uint64]*Session
	byDigest map[uint64]*Session
	ring     []*Session // session.slot is the place in it
	hand     int
}

func newSecondChance(size int) *shard {
	return &shard{size: max(1, size), byID: make(map[uint64]*Session), byDigest: make(map[uint64]*Session)}
}

func beginning(of [32]byte) uint64 { return binary.BigEndian.Uint64(of[:]) }

// get returns the session of a kind with an id and counts that as a use.
func (c *shard) get(id tokenstore.SessionID, kind Kind) (*Session, bool) {
	c.mu.Lock()
	s := c.byID[beginning(id)]
	c.mu.Unlock()
	// How long it takes must not tell how much of the id is right.
	if s == nil || subtle.ConstantTimeCompare(s.ID[:], id[:]) != 1 || s.kind != kind {
		return nil, false
	}
	if !s.used.Load() {
		s.used.Store(true)
	}
	return s, true
}

// peek finds a session by its digest, without counting that as a use.
func (c *shard) peek(digest [32]byte) (*Session, bool) {
	c.mu.Lock()
	s := c.byDigest[beginning(digest)]
	c.mu.Unlock()
	if s == nil || s.digest != digest {
		return nil, false
	}
	return s, true
}

// add puts a session in, in place of another one of its id if there is one.
// That is no use of it yet: those that come once are the first to go.
func (c *shard) add(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.byID[beginning(s.ID)]
	if other := c.byDigest[beginning(s.digest)]; other != nil && other != old {
		c.drop(other)
	}
	switch {
	case old == s:
		return
	case old != nil:
		c.unlink(old)
		s.slot = old.slot
	case len(c.ring) < c.size:
		s.slot = int32(len(c.ring)) //nolint:gosec // below size, of which there are 2^20 at most
		c.ring = append(c.ring, nil)
	default:
		s.slot = c.evict()
	}
	c.ring[s.slot] = s
	c.byID[beginning(s.ID)] = s
	c.byDigest[beginning(s.digest)] = s
}

// evict drops a session and returns its place.
func (c *shard) evict() int32 {
	for {
		slot := c.hand % len(c.ring)
		c.hand = slot + 1
		if s := c.ring[slot]; !s.used.Swap(false) {
			c.unlink(s)
			return s.slot
		}
	}
}

// unlink has a session found no more. c.mu is held.
func (c *shard) unlink(s *Session) {
	delete(c.byID, beginning(s.ID))
	delete(c.byDigest, beginning(s.digest))
}

// drop takes a session out. c.mu is held.
func (c *shard) drop(s *Session) {
	c.unlink(s)
	last := len(c.ring) - 1
	c.ring[s.slot] = c.ring[last]
	c.ring[s.slot].slot = s.slot
	c.ring[last] = nil
	c.ring = c.ring[:last]
}

// remove takes out the session of a kind with an id if it is there.
func (c *shard) remove(id tokenstore.SessionID, kind Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.byID[beginning(id)]; s != nil && s.ID == id && s.kind == kind {
		c.drop(s)
	}
}

// all returns the sessions there are.
func (c *shard) all() []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ring)
}

// WithPrefix returns the sessions whose digests begin with the given bytes.
func (c *shard) withPrefix(prefix []byte) (found []*Session) {
	for _, s := range c.all() {
		if bytes.HasPrefix(s.digest[:], prefix) {
			found = append(found, s)
		}
	}
	return found
}

func (c *shard) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ring)
}
