package caddyspotify

import (
	"bytes"
	"slices"
	"sync"
)

// secondChance keeps up to a number of sessions by digest. One more, and it
// drops one that was not used since the hand of a clock last came by; so what
// is in use stays, and to use a session moves nothing. It is safe for
// concurrent use.
//
// A list in the order of use would drop the very one that was used longest ago.
// It would also take 80 bytes a session more, and touch three sessions to use
// one.
type secondChance struct {
	size int

	mu       sync.Mutex
	byDigest map[[32]byte]*session
	ring     []*session // session.slot is the place in it
	hand     int
}

func newSecondChance(size int) *secondChance {
	return &secondChance{size: max(1, size), byDigest: make(map[[32]byte]*session)}
}

// get returns a session and counts that as a use.
func (c *secondChance) get(digest [32]byte) (*session, bool) {
	s, ok := c.peek(digest)
	if ok && !s.used.Load() {
		s.used.Store(true)
	}
	return s, ok
}

// peek is get without counting as a use.
func (c *secondChance) peek(digest [32]byte) (*session, bool) {
	c.mu.Lock()
	s, ok := c.byDigest[digest]
	c.mu.Unlock()
	return s, ok
}

// add puts a session in, in place of another one of that digest if there is one.
// That is no use of it yet: those that come once are the first to go.
func (c *secondChance) add(digest [32]byte, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.byDigest[digest]
	switch {
	case old == s && known:
		return
	case known:
		s.slot = old.slot
	case len(c.ring) < c.size:
		s.slot = int32(len(c.ring)) //nolint:gosec // below size, of which there are 2^20 at most
		c.ring = append(c.ring, nil)
	default:
		s.slot = c.makeRoom()
	}
	c.ring[s.slot] = s
	c.byDigest[digest] = s
}

// makeRoom drops a session and returns its place.
func (c *secondChance) makeRoom() int32 {
	for {
		slot := c.hand % len(c.ring)
		c.hand = slot + 1
		if s := c.ring[slot]; !s.used.Swap(false) {
			delete(c.byDigest, s.digest())
			return s.slot
		}
	}
}

func (c *secondChance) remove(digest [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.byDigest[digest]
	if !ok {
		return
	}
	delete(c.byDigest, digest)
	last := len(c.ring) - 1
	c.ring[s.slot] = c.ring[last]
	c.ring[s.slot].slot = s.slot
	c.ring[last] = nil
	c.ring = c.ring[:last]
}

// all returns the sessions there are.
func (c *secondChance) all() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ring)
}

// withPrefix returns the sessions whose digests begin with the given bytes.
func (c *secondChance) withPrefix(prefix []byte) (found []*session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for digest, s := range c.byDigest {
		if bytes.HasPrefix(digest[:], prefix) {
			found = append(found, s)
		}
	}
	return found
}

func (c *secondChance) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ring)
}
