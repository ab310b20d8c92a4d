package session

import (
	"fmt"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func newCachedSessions(n int) []*Session {
	owner := &Manager{Namespace: "client"}
	list := make([]*Session, n)
	for i := range list {
		list[i] = owner.newSession(tokenstore.NewSessionID(), Browser, Account{}, 0, 0, nil)
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
		if c.len() > 8 || len(c.byID) != c.len() || len(c.byDigest) != c.len() {
			t.Fatalf("%d sessions by id, %d by digest and %d in the ring, of at most 8", len(c.byID), len(c.byDigest), c.len())
		}
		if got, ok := c.get(used.ID, Browser); !ok || got != used {
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
		c.remove(gone.ID, Browser)
		c.remove(gone.ID, Browser)
		if _, ok := c.peek(gone.digest); ok {
			t.Errorf("session %d is still there", i)
		}
		if got := len(c.all()); got != len(list)-1-i {
			t.Errorf("%d sessions are left of %d", got, len(list)-1-i)
		}
		for _, s := range list[i+1:] {
			if got, ok := c.get(s.ID, Browser); !ok || got != s || c.ring[s.slot] != s {
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
	again := list[1].owner.newSession(list[1].ID, Browser, Account{}, 0, 0, nil)
	c.add(again)
	c.add(again)
	if got, _ := c.get(list[1].ID, Browser); got != again || c.len() != 3 {
		t.Errorf("got %p of %d sessions, want %p of 3", got, c.len(), again)
	}
	digest := list[1].digest
	if found := c.withPrefix(digest[:6]); len(found) != 1 || found[0] != again {
		t.Errorf("found %v by prefix", found)
	}
}

// Sessions that begin alike, in their id or their digest, are still told apart,
// and so are a session and an access key.
func TestSecondChanceComparesAllOfIt(t *testing.T) {
	for name, alike := range map[string]func(first, second *Session){
		"ids":     func(first, second *Session) { copy(second.ID[:], first.ID[:8]) },
		"digests": func(first, second *Session) { copy(second.digest[:], first.digest[:8]) },
		"kinds":   func(first, second *Session) { second.ID, second.kind = first.ID, Key },
	} {
		t.Run(name, func(t *testing.T) {
			c, list := newSecondChance(8), newCachedSessions(3)
			first, second, third := list[0], list[1], list[2]
			alike(first, second)
			c.add(first)
			c.add(third)
			if _, ok := c.get(second.ID, second.kind); ok {
				t.Error("a session was found by the id of another")
			}
			if _, ok := c.peek(second.digest); ok {
				t.Error("a session was found by the digest of another")
			}
			c.remove(second.ID, second.kind)
			if got, _ := c.get(first.ID, Browser); got != first {
				t.Error("a session was removed by the id of another")
			}
			c.add(second)
			for _, s := range []*Session{second, third} {
				if got, _ := c.get(s.ID, s.kind); got != s || c.ring[s.slot] != s {
					t.Error("a session is not found by its id")
				}
				if got, _ := c.peek(s.digest); got != s {
					t.Error("a session is not found by its digest")
				}
			}
			if _, ok := c.get(first.ID, Browser); ok || c.len() != 2 || len(c.byID) != 2 || len(c.byDigest) != 2 {
				t.Errorf("the session that lost its place is found (%v), or %d, %d and %d are there, want 2",
					ok, c.len(), len(c.byID), len(c.byDigest))
			}
		})
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
					c.remove(s.ID, Browser)
				case 1, 2:
					c.add(s)
				default:
					c.get(s.ID, Browser)
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
			ids := make([]tokenstore.SessionID, 0, n)
			for _, s := range newCachedSessions(n) {
				ids = append(ids, s.ID)
				c.add(s)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := c.get(ids[i%n], Browser); !ok {
					b.Fatal("not found")
				}
				i++
			}
		})
	}
}
