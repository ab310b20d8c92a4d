package caddyspotify

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// testBody is a request body that counts what is done to it.
type testBody struct {
	io.Reader
	closed atomic.Int32
}

func (b *testBody) Close() error {
	b.closed.Add(1)
	return nil
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p)
	return p
}

func readSome(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		t.Fatalf("reading %d bytes: %v", n, err)
	}
	return p
}

func wantAllGiven(t *testing.T, m *replayMemory, budget int64) {
	t.Helper()
	if got := m.available.Load(); got != budget {
		t.Errorf("%d of %d bytes are available", got, budget)
	}
}

// P50
func TestReplayBodyIsTheSameAgain(t *testing.T) {
	for _, size := range []int{0, 1, replayChunk - 1, replayChunk, replayChunk + 1, 5*replayChunk + 7} {
		for _, read := range []int{0, 1, size / 2, size} { // by the first attempt
			read = min(read, size)
			const budget = 10 * replayChunk
			memory := newReplayMemory(budget)
			content := randomBytes(size)
			source := &testBody{Reader: iotest.HalfReader(bytes.NewReader(content))}
			b := newReplayBody(source, budget, memory)
			first := b.view.Load()
			if got := readSome(t, first, read); !bytes.Equal(got, content[:read]) {
				t.Fatalf("size %d: the first %d bytes differ", size, read)
			}
			if read%2 == 0 {
				_ = first.Close() // the transport may be done with it, or not
			}
			for attempt := range 3 {
				next, err := b.again()
				if err != nil {
					t.Fatalf("size %d, read %d, attempt %d: %v", size, read, attempt, err)
				}
				if _, err := first.Read(make([]byte, 1)); err == nil {
					t.Error("a view that was replaced still reads")
				}
				got, err := io.ReadAll(next)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("size %d, read %d, attempt %d: %d bytes, equal %v, %v", size, read, attempt, len(got), bytes.Equal(got, content), err)
				}
				_ = next.Close()
			}
			if source.closed.Load() != 0 {
				t.Error("the source was closed while it might be needed again")
			}
			b.settle()
			_ = first.Close()
			if source.closed.Load() != 1 {
				t.Errorf("the source was closed %d times", source.closed.Load())
			}
			wantAllGiven(t, memory, budget)
		}
	}
}

// O55, P50: a body beyond the limit or the budget passes through whole, once.
func TestReplayBodyIsBounded(t *testing.T) {
	const size = 6 * replayChunk
	content := randomBytes(size)
	for name, bounds := range map[string]struct{ limit, budget int64 }{
		"limit":     {size - 1, 100 * replayChunk},
		"budget":    {size, 3 * replayChunk},
		"no budget": {size, 0},
	} {
		memory := newReplayMemory(bounds.budget)
		source := &testBody{Reader: bytes.NewReader(content)}
		b := newReplayBody(source, bounds.limit, memory)
		view := b.view.Load()
		got, err := io.ReadAll(iotest.OneByteReader(view))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		wantAllGiven(t, memory, bounds.budget) // at once
		if _, err := b.again(); !errors.Is(err, errNotReplayable) || !b.lost.Load() {
			t.Errorf("%s: again: %v", name, err)
		}
		b.settle()
		_ = view.Close()
		wantAllGiven(t, memory, bounds.budget)
		if source.closed.Load() != 1 {
			t.Errorf("%s: the source was closed %d times", name, source.closed.Load())
		}
	}
}

// P50: half a body is never sent as if it were whole.
func TestReplayBodyOfFailedSource(t *testing.T) {
	broken := errors.New("the client went away")
	source := &testBody{Reader: io.MultiReader(bytes.NewReader(randomBytes(10)), iotest.ErrReader(broken))}
	b := newReplayBody(source, 100, newReplayMemory(replayBudget))
	view := b.view.Load()
	for range 2 {
		if _, err := io.ReadAll(view); !errors.Is(err, broken) {
			t.Errorf("reading: %v", err)
		}
	}
	if _, err := b.again(); !errors.Is(err, errNotReplayable) {
		t.Errorf("again: %v", err)
	}
}

// An answer may come while the body is still on its way. What was kept is then
// given back without waiting for the client.
func TestReplayBodySettledDuringRead(t *testing.T) {
	const budget = 4 * replayChunk
	memory := newReplayMemory(budget)
	client, upload := io.Pipe()
	source := &testBody{Reader: client}
	b := newReplayBody(source, budget, memory)
	view := b.view.Load()

	go upload.Write([]byte("one "))
	readSome(t, view, 4)
	reading := make(chan []byte)
	go func() {
		rest, _ := io.ReadAll(view)
		reading <- rest
	}()
	for b.mu.TryLock() { // until the source is being read
		b.mu.Unlock()
		runtime.Gosched()
	}
	b.settle() // does not wait
	if _, err := upload.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	_ = upload.Close()
	if rest := <-reading; string(rest) != "two" {
		t.Errorf("the rest is %q", rest)
	}
	wantAllGiven(t, memory, budget)
	if source.closed.Load() != 0 {
		t.Error("the source was closed before its view")
	}
	_ = view.Close()
	if source.closed.Load() != 1 {
		t.Error("the source was not closed with its view")
	}
}

// Whatever the order in which reading, closing and settling meet, everything
// is given back and the source closed once.
func TestReplayBodyRaces(t *testing.T) {
	const budget = 100 * replayChunk
	memory := newReplayMemory(budget)
	content := randomBytes(3 * replayChunk)
	for range 300 {
		source := &testBody{Reader: bytes.NewReader(content)}
		b := newReplayBody(source, budget, memory)
		first := b.view.Load()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.CopyN(io.Discard, first, 2*replayChunk) })
		wg.Go(func() { _ = first.Close() })
		next, err := b.again()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			got, err := io.ReadAll(next)
			if err == nil && !bytes.Equal(got, content) {
				t.Error("the second attempt got another body")
			}
		})
		wg.Go(b.settle)
		wg.Go(func() { _ = next.Close() })
		wg.Wait()
		if source.closed.Load() != 1 {
			t.Fatalf("the source was closed %d times", source.closed.Load())
		}
		wantAllGiven(t, memory, budget)
	}
}
