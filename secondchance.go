package caddyspotify

import (
	"bytes"
	"encoding/binary"
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

	mu sync.Mutex
	// begun finds sessions by the beginning of their digest. With the whole of it
	// for a key, a lookup would have to fetch more memory. Two sessions with the
	// same beginning would take turns here, which nobody lives to see.
	begun map[uint64]*session
	ring  []*session // session.slot is the place in it
	hand  int
}

func newSecondChance(size int) *secondChance {
	return &secondChance{size: max(1, size), begun: make(map[uint64]*session)}
}

func beginning(digest *[32]byte) uint64 { return binary.NativeEndian.Uint64(digest[:]) }

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
	s := c.begun[beginning(&digest)]
	c.mu.Unlock()
	if s == nil || s.digest != digest {
		return nil, false
	}
	return s, true
}

// add puts a session in, in place of another one of its digest if there is one.
// That is no use of it yet: those that come once are the first to go.
func (c *secondChance) add(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.begun[beginning(&s.digest)]
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
	c.begun[beginning(&s.digest)] = s
}

// makeRoom drops a session and returns its place.
func (c *secondChance) makeRoom() int32 {
	for {
		slot := c.hand % len(c.ring)
		c.hand = slot + 1
		if s := c.ring[slot]; !s.used.Swap(false) {
			delete(c.begun, beginning(&s.digest))
			return s.slot
		}
	}
}

func (c *secondChance) remove(digest [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.begun[beginning(&digest)]
	if s == nil || s.digest != digest {
		return
	}
	delete(c.begun, beginning(&digest))
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
	for _, s := range c.ring {
		if bytes.HasPrefix(s.digest[:], prefix) {
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
