package caddyspotify

import (
	"io"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
)

// peekPatience is how long the start of a body is waited for. Spotify sends it
// along with the headers; what stalls must not hold those back for ever.
const peekPatience = 2 * time.Second

// peek returns up to n bytes of the start of a body, or nil if they do not come
// in time. The body can be read in full afterwards.
func peek(res *http.Response, n int64) []byte {
	if res.Body == nil || res.Body == http.NoBody || res.ContentLength == 0 {
		return nil
	}
	b := &peekedBody{ReadCloser: res.Body, done: make(chan struct{})}
	if res.ContentLength > 0 {
		n = min(n, res.ContentLength)
	}
	res.Body = b
	// It ends with the read, and that with the body at the latest.
	go b.readAhead(n)
	late := make(chan struct{})
	stop := clock.Get().AfterFunc(peekPatience, func() { close(late) })
	defer stop()
	select {
	case <-b.done:
		return b.prefix
	case <-late:
		return nil
	}
}

// peekedBody is a body of which the start has been read.
type peekedBody struct {
	io.ReadCloser
	done   chan struct{} // closed when the following are set
	prefix []byte
	rest   []byte // of prefix, not yet read again
	err    error  // what reading ahead ran into
}

func (b *peekedBody) readAhead(n int64) {
	defer close(b.done)
	b.prefix, b.err = io.ReadAll(io.LimitReader(b.ReadCloser, n))
	b.rest = b.prefix
}

// Read implements io.Reader.
func (b *peekedBody) Read(p []byte) (int, error) {
	<-b.done
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}
