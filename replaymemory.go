package caddyspotify

import (
	"sync"
	"sync/atomic"
)

const (
	// replayBudget bounds the memory of all request bodies kept for a replay,
	// in bytes. Bodies that find it used up are sent once.
	replayBudget = 64 << 20
	replayChunk  = 8 << 10
)

// sharedReplayMemory is that of the whole process.
var sharedReplayMemory = newReplayMemory(replayBudget)

// replayMemory lends memory in chunks, up to a budget. It is safe for
// concurrent use.
type replayMemory struct {
	available atomic.Int64 // bytes
	chunks    sync.Pool    // of *[replayChunk]byte
}

func newReplayMemory(budget int64) *replayMemory {
	m := &replayMemory{chunks: sync.Pool{New: func() any { return new([replayChunk]byte) }}}
	m.available.Store(budget)
	return m
}

// take returns a chunk, or nil if the budget is used up.
func (m *replayMemory) take() *[replayChunk]byte {
	if m.available.Add(-replayChunk) < 0 {
		m.available.Add(replayChunk)
		return nil
	}
	return m.chunks.Get().(*[replayChunk]byte)
}

func (m *replayMemory) give(c *[replayChunk]byte) {
	m.chunks.Put(c)
	m.available.Add(replayChunk)
}

// keptBytes is a row of bytes in lent memory. The zero value is empty.
type keptBytes struct {
	chunks []*[replayChunk]byte
	size   int64
}

// append adds all of p, or reports that there is no room for it; what is kept
// is of no use then.
func (k *keptBytes) append(p []byte, memory *replayMemory) bool {
	for len(p) > 0 {
		at := int(k.size % replayChunk)
		if at == 0 {
			c := memory.take()
			if c == nil {
				return false
			}
			k.chunks = append(k.chunks, c)
		}
		n := copy(k.chunks[len(k.chunks)-1][at:], p)
		p = p[n:]
		k.size += int64(n)
	}
	return true
}

// readAt copies what is kept from pos on, as far as it goes in one chunk.
func (k *keptBytes) readAt(p []byte, pos int64) int {
	if pos >= k.size {
		return 0
	}
	chunk := k.chunks[pos/replayChunk]
	end := min(replayChunk, k.size-pos/replayChunk*replayChunk)
	return copy(p, chunk[pos%replayChunk:end])
}

func (k *keptBytes) release(memory *replayMemory) {
	for _, c := range k.chunks {
		memory.give(c)
	}
	*k = keptBytes{}
}
