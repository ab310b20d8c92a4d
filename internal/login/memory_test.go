package login

import (
	"runtime"
	"strings"
	"testing"
)

// O63: what is remembered of a login that came back is bounded in bytes, also if the
// state was a small part of a large request.
func TestUsedStatesHoldNoRequests(t *testing.T) {
	const n, size = 2000, 19_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	u, before := newUsedStates(), heap()
	for range n {
		line := strings.Clone(newSecret() + strings.Repeat("x", size))
		state := line[:43]
		c, first := u.begin(state)
		if !first {
			t.Fatal("a state is used already")
		}
		u.end(state, c, nil, true)
		u.cancelled(state)
	}
	after := heap()
	if u.seen.Len() != n {
		t.Fatalf("%d states are remembered, want %d", u.seen.Len(), n)
	}
	if kept := int64(after) - int64(before); kept > n*size/10 {
		t.Errorf("%d states keep %d bytes", n, kept)
	}
	runtime.KeepAlive(u)
}
