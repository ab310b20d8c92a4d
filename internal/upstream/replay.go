package upstream

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/semaphore"
)

const (
	// ReplayBudget bounds the memory of all request bodies that are read before
	// they are sent, in bytes. A body that finds it used up is streamed, and
	// sent once.
	ReplayBudget = 64 << 20
	// replayChunk is how much of it a body takes first, if it is not shorter.
	// A client that announces a large body takes no more than it sends.
	replayChunk = 64 << 10
)

// replayMemory is what remains of ReplayBudget in the whole process.
var replayMemory = semaphore.NewWeighted(ReplayBudget)

// readBody reads the body of the incoming request up to limit bytes before the
// call is sent, so that it can be sent again. If the body is longer, or if the
// budget is used up, what has been read and the rest of it are streamed, once.
//
// A body that breaks off is an error: nothing of it is sent. The memory is
// accounted for until release, which has to be called in any case.
func (c *call) readBody(limit int64) error {
	src, length := c.out.Body, c.in.ContentLength
	if src == nil || src == http.NoBody || limit <= 0 || length > limit {
		return nil
	}
	if length > 0 {
		limit = length
	}
	data := []byte(nil)
	for {
		if len(data) == cap(data) {
			n := min(max(c.held, replayChunk), limit-c.held) // twice the size
			if n == 0 || !c.memory.TryAcquire(n) {
				c.out.Body = readCloser{io.MultiReader(bytes.NewReader(data), src), src}
				return nil
			}
			c.held += n
			data = append(make([]byte, 0, c.held+1), data...) // and a byte to see the end
		}
		n, err := src.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF && int64(len(data)) < length {
			err = io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the request body: %w", err)
		}
	}
	_ = src.Close() // as a RoundTripper must
	c.out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	c.out.Body, _ = c.out.GetBody()
	return nil
}

// release gives the memory of the body back.
func (c *call) release() {
	if c.held > 0 {
		c.memory.Release(c.held)
		c.held = 0
	}
}

// readCloser reads from one and closes another.
type readCloser struct {
	io.Reader
	io.Closer
}
