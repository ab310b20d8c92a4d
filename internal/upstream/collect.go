package upstream

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
)

const (
	// collectBudget bounds the memory of all bodies that are being collected, in
	// bytes. One that finds it used up streams, to its own client alone.
	collectBudget = 64 << 20
	// collectChunk is how much of it a body takes at a time.
	collectChunk = 32 << 10
)

// collectMemory is what remains of collectBudget in the whole process.
var collectMemory = semaphore.NewWeighted(collectBudget)

// collect reads a response to its end for all who wait for it, and to keep it. The
// call's own client gets it whole if that is soon, and otherwise as it comes. One
// that breaks off, or is too long, is nobody else's.
func (t *Transport) collect(c *call, res *http.Response, o cache.Outcome) *http.Response {
	// answer changes the headers that it is given.
	header, status := res.Header.Clone(), res.StatusCode
	site := c.ex.Site.Cache
	variant := ""
	if t.keepLinks {
		variant = "keep"
	}
	tape := &tape{src: res.Body, flight: &c.flight, done: make(chan struct{})}
	whole := make(chan *cache.Response, 1)
	finish := func(body []byte, complete bool) {
		if complete {
			delete(header, "Content-Length")
			o.Response = site.NewResponse(status, header, body, variant)
			whole <- o.Response
		}
		tape.flight.Finish(o)
	}
	if res.ContentLength == 0 || res.Body == http.NoBody {
		_ = res.Body.Close()
		finish(nil, true)
		close(tape.done)
	} else {
		go tape.record(max(res.ContentLength, 0), finish)
	}
	if waitFor(c.in.Context(), tape.done, holdBody) {
		select {
		case r := <-whole:
			c.served.response, c.served.kept = r, o.Fresh > 0
			setWhole(res, r.Body)
			return res
		default:
		}
	}
	res.Body = &playback{tape: tape}
	return res
}

// setWhole gives a response a body that is in memory.
func setWhole(res *http.Response, body []byte) {
	res.Body, res.ContentLength, res.TransferEncoding = http.NoBody, int64(len(body)), nil
	if len(body) > 0 {
		res.Body = io.NopCloser(bytes.NewReader(body))
	}
	if res.StatusCode != http.StatusNoContent {
		res.Header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
}

// tape is what has come of a body so far.
type tape struct {
	src    io.ReadCloser
	flight *cache.Flight
	done   chan struct{} // closed when nothing more is recorded

	mu      sync.Mutex
	data    []byte
	err     error         // what ended it; nil while it goes on, or if the rest is in src
	changed chan struct{} // closed with the next change; nil if nobody waits
}

// record reads the body and tells what came of it.
func (t *tape) record(expect int64, finish func(body []byte, complete bool)) {
	held := int64(0)
	defer func() {
		collectMemory.Release(held)
		close(t.done)
		t.note(nil, nil)
	}()
	buf := make([]byte, min(max(expect, 512)+1, collectChunk))
	for {
		n, err := t.src.Read(buf)
		size := int64(len(t.data) + n)
		for held < size && collectMemory.TryAcquire(collectChunk) {
			held += collectChunk
		}
		if err == io.EOF && size < expect {
			err = io.ErrUnexpectedEOF
		}
		t.note(buf[:n], err)
		switch {
		case err == io.EOF:
			finish(fitted(t.data), true)
			_ = t.src.Close()
			return
		case err != nil:
			finish(nil, false)
			_ = t.src.Close()
			return
		case size > cache.MaxBody || held < size:
			finish(nil, false) // the client reads the rest
			return
		}
	}
}

// fitted returns data in no more memory than it needs, give or take a quarter.
func fitted(data []byte) []byte {
	if cap(data)-len(data) > len(data)/4 {
		return bytes.Clone(data)
	}
	return data
}

// note adds to the tape and wakes who waits for that.
func (t *tape) note(data []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, data...)
	if err != nil {
		t.err = err
	}
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// playback is a body that is read from a tape, and from where that ends.
type playback struct {
	tape   *tape
	pos    int
	closed bool
}

// Read implements io.Reader.
func (p *playback) Read(b []byte) (int, error) {
	t := p.tape
	for {
		t.mu.Lock()
		n, err, changed := copy(b, t.data[p.pos:]), t.err, t.changed
		if n == 0 && err == nil && changed == nil {
			changed = make(chan struct{})
			t.changed = changed
		}
		t.mu.Unlock()
		p.pos += n
		switch {
		case n > 0 || len(b) == 0:
			return n, nil
		case err != nil:
			return 0, err
		}
		select {
		case <-t.done:
			t.mu.Lock()
			n, err := copy(b, t.data[p.pos:]), t.err
			t.mu.Unlock()
			p.pos += n
			if n > 0 || err != nil {
				return n, err
			}
			return t.src.Read(b)
		case <-changed:
		}
	}
}

// Close implements io.Closer. If others wait for the body, it is read on.
func (p *playback) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	select {
	case <-p.tape.done:
		return p.tape.src.Close()
	default:
		// The end of the client's request says that it wants no more of it.
		return nil
	}
}
