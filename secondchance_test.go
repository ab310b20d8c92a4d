package caddyspotify

import (
	"fmt"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func newCachedSessions(n int) []*session {
	owner := &sessions{namespace: "client"}
	list := make([]*session, n)
	for i := range list {
		list[i] = owner.newSession(tokenstore.NewSessionID(), account{}, 0, 0, nil)
	}
	return list
}

// O55
func TestSecondChanceIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c, list := newSecondChance(8), newCachedSessions(108)
	used := list[0]
	c.add(used)
	for _, s := range list[1:] {
		c.add(s)
		if c.len() > 8 || len(c.begun) != c.len() {
			t.Fatalf("%d sessions by digest and %d in the ring, of at most 8", len(c.begun), c.len())
		}
		if got, ok := c.get(used.digest); !ok || got != used {
			t.Fatal("a session in use was dropped")
		}
	}
	if _, ok := c.peek(list[1].digest); ok {
		t.Error("a session that nobody used again was kept")
	}
}

func TestSecondChanceRemoves(t *testing.T) {
	c, list := newSecondChance(8), newCachedSessions(8)
	for _, s := range list {
		c.add(s)
	}
	for i, gone := range list {
		c.remove(gone.digest)
		c.remove(gone.digest)
		if _, ok := c.peek(gone.digest); ok {
			t.Errorf("session %d is still there", i)
		}
		if got := len(c.all()); got != len(list)-1-i {
			t.Errorf("%d sessions are left of %d", got, len(list)-1-i)
		}
		for _, s := range list[i+1:] {
			if got, ok := c.peek(s.digest); !ok || got != s || c.ring[s.slot] != s {
				t.Fatal("removing one session moved another out of its place")
			}
		}
	}
}

func TestSecondChanceReplaces(t *testing.T) {
	c, list := newSecondChance(8), newCachedSessions(3)
	for _, s := range list {
		c.add(s)
	}
	again := list[1].owner.newSession(list[1].id, account{}, 0, 0, nil)
	c.add(again)
	c.add(again)
	if got, _ := c.get(list[1].digest); got != again || c.len() != 3 {
		t.Errorf("got %p of %d sessions, want %p of 3", got, c.len(), again)
	}
	digest := list[1].digest
	if found := c.withPrefix(digest[:6]); len(found) != 1 || found[0] != again {
		t.Errorf("found %v by prefix", found)
	}
}

// Digests that begin alike are still told apart.
func TestSecondChanceComparesWholeDigests(t *testing.T) {
	c, list := newSecondChance(8), newCachedSessions(2)
	first, second := list[0], list[1]
	copy(second.digest[:], first.digest[:8])
	c.add(first)
	if _, ok := c.get(second.digest); ok {
		t.Error("a session was found by the digest of another")
	}
	c.remove(second.digest)
	if _, ok := c.get(first.digest); !ok {
		t.Error("a session was removed by the digest of another")
	}
	c.add(second)
	if got, _ := c.get(second.digest); got != second || c.len() != 1 {
		t.Errorf("got %p of %d sessions, want %p of one", got, c.len(), second)
	}
	if _, ok := c.get(first.digest); ok {
		t.Error("a session that lost its place is found")
	}
}

func TestSecondChanceIsSafeForConcurrentUse(t *testing.T) {
	c, list := newSecondChance(16), newCachedSessions(64)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				s := list[i%len(list)]
				switch i % 5 {
				case 0:
					c.remove(s.digest)
				case 1, 2:
					c.add(s)
				default:
					c.get(s.digest)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range c.all() {
		if got, ok := c.peek(s.digest); !ok || got != s {
			t.Fatal("a session in the ring is not found by its digest")
		}
	}
	if c.len() > 16 {
		t.Errorf("%d sessions, of at most 16", c.len())
	}
}

// BenchmarkSecondChance is the lookup of a cached session among many, each used
// in turn.
func BenchmarkSecondChance(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			c := newSessionCache(maxCachedSessions)
			digests := make([][32]byte, 0, n)
			for _, s := range newCachedSessions(n) {
				digests = append(digests, s.digest)
				c.add(s)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := c.get(digests[i%n]); !ok {
					b.Fatal("not found")
				}
				i++
			}
		})
	}
}
