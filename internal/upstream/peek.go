package upstream

import (
	"bufio"
	"io"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
)

// peekPatience is how long the start of a body is waited for. Spotify sends it
// along with the headers. A body that stalls must not hold those back for ever.
const peekPatience = 2 * time.Second

// peek returns up to n bytes of the start of a body, or nil if they do not come
// in time. The body can be read in full afterwards; the bytes are valid until
// then. A second call does not wait, and returns no more than the first could.
//
// A response body has no read deadline, and closing it would lose the rest. So
// a goroutine reads ahead, which ends with that read, and the read with the
// body at the latest.
func peek(res *http.Response, n int64) []byte {
	if res.Body == nil || res.Body == http.NoBody || res.ContentLength == 0 {
		return nil
	}
	if b, ok := res.Body.(*peekedBody); ok {
		return b.again(int(n))
	}
	if res.ContentLength > 0 {
		n = min(n, res.ContentLength)
	}
	b := &peekedBody{ReadCloser: res.Body, start: bufio.NewReaderSize(res.Body, int(n)), done: make(chan struct{})}
	res.Body = b
	var prefix []byte
	go func() {
		defer close(b.done)
		prefix, b.err = b.start.Peek(int(n))
	}()
	late := make(chan struct{})
	defer clock.Get().AfterFunc(peekPatience, func() { close(late) })()
	select {
	case <-b.done:
		return prefix
	case <-late:
		return nil
	}
}

// peekedBody is a body of which the start is being read.
type peekedBody struct {
	io.ReadCloser
	start *bufio.Reader // of the body
	done  chan struct{} // closed when the start has been read
	err   error         // what ended the body within its start
}

// again returns up to n bytes of the start, or nil if it has not come in time.
func (b *peekedBody) again(n int) []byte {
	select {
	case <-b.done:
		prefix, _ := b.start.Peek(min(n, b.start.Buffered()))
		return prefix
	default:
		return nil
	}
}

// Read implements io.Reader.
func (b *peekedBody) Read(p []byte) (int, error) {
	<-b.done
	if b.err != nil && b.start.Buffered() == 0 {
		return 0, b.err
	}
	return b.start.Read(p)
}
