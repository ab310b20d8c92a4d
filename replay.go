package caddyspotify

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

var (
	errNotReplayable = errors.New("the request body is no longer there to be sent again")
	errSuperseded    = errors.New("the request is being sent again")
)

// replayBody is a request body that can be sent more than once. It passes its
// source on as it is read and keeps what was read, up to a limit and as long
// as there is room in the memory that all requests share. So nothing waits
// for a body to arrive in full, and a body that is too large is simply sent
// once.
//
// Whoever sends it reads one view of it at a time; a new one begins where the
// body begins. The methods are safe for concurrent use, because a transport
// may go on reading a body after it has returned the response.
type replayBody struct {
	source io.ReadCloser
	limit  int64
	memory *replayMemory

	view    atomic.Pointer[bodyView] // the one that may read
	lost    atomic.Bool              // more was read than is kept
	settled atomic.Bool              // nobody will ask for another view
	freed   atomic.Bool              // what was kept is given back
	closed  sync.Once                // of source

	// mu is held while the source is read, which takes as long as the client
	// does. Whatever must not wait for that does without it.
	mu   sync.Mutex
	kept keptBytes
	end  error // how the source ended
}

// bodyView is the body as one attempt to send it sees it.
type bodyView struct {
	body    *replayBody
	pos     int64       // guarded by body.mu
	drained atomic.Bool // all that was kept has been read
	closed  atomic.Bool
}

func newReplayBody(source io.ReadCloser, limit int64, memory *replayMemory) *replayBody {
	b := &replayBody{source: source, limit: limit, memory: memory}
	b.view.Store(&bodyView{body: b})
	return b
}

// again returns the body from its beginning, for another attempt. The view
// before it can read no more. It fails if some of the body is lost. It waits
// for a read in progress, as what that brings belongs to the body, too.
func (b *replayBody) again() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.unlock()
	if b.lost.Load() || b.settled.Load() || b.end != nil && !errors.Is(b.end, io.EOF) {
		return nil, errNotReplayable
	}
	v := &bodyView{body: b}
	b.view.Store(v)
	return v, nil
}

// settle says that there will be no other attempt. The source is closed when
// the current view is, and nothing more is kept. It does not wait.
func (b *replayBody) settle() {
	b.settled.Store(true)
	if b.view.Load().closed.Load() {
		_ = b.closeSource()
	}
	b.free()
}

func (b *replayBody) closeSource() (err error) {
	b.closed.Do(func() { err = b.source.Close() })
	return err
}

func (b *replayBody) unlock() {
	b.mu.Unlock()
	b.free()
}

// free gives the memory back once nobody needs it. Whoever changes something
// that this depends on calls it afterwards, and so does whoever lets go of the
// lock, on behalf of those who found it taken.
func (b *replayBody) free() {
	for b.settled.Load() && !b.freed.Load() {
		v := b.view.Load()
		if !v.drained.Load() && !v.closed.Load() || !b.mu.TryLock() {
			return
		}
		b.drop()
		b.freed.Store(true)
		b.mu.Unlock()
	}
}

// drop forgets what was kept. mu must be held.
func (b *replayBody) drop() {
	b.lost.Store(true)
	b.kept.release(b.memory)
}

// keep remembers what was read. mu must be held.
func (b *replayBody) keep(p []byte) {
	if b.lost.Load() || len(p) == 0 {
		return
	}
	if b.settled.Load() || b.kept.size+int64(len(p)) > b.limit || !b.kept.append(p, b.memory) {
		b.drop()
	}
}

// Read implements io.Reader.
func (v *bodyView) Read(p []byte) (int, error) {
	if v.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	b := v.body
	b.mu.Lock()
	defer b.unlock()
	if b.view.Load() != v {
		return 0, errSuperseded
	}
	if n := b.kept.readAt(p, v.pos); n > 0 {
		v.pos += int64(n)
		v.drained.Store(v.pos == b.kept.size)
		return n, nil
	}
	v.drained.Store(true)
	if b.end != nil {
		return 0, b.end
	}
	n, err := b.source.Read(p)
	b.keep(p[:n])
	v.pos += int64(n)
	b.end = err
	return n, err
}

// Close implements io.Closer. The source stays open for as long as there may
// be another attempt.
func (v *bodyView) Close() error {
	v.closed.Store(true)
	b := v.body
	if !b.settled.Load() || b.view.Load() != v {
		return nil
	}
	err := b.closeSource()
	b.free()
	return err
}
