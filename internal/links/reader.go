package links

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// ErrClosed is what Read returns after Close.
var ErrClosed = errors.New("links: read of a closed body")

// bufferSize is how much of a body is read at once. It is a little less than
// the buffers with which reverse proxies copy bodies (32 KiB), so that what was
// read mostly fits into one of theirs when its URLs have grown: what leaves is
// then one piece and not a large and a small one.
const bufferSize = 28 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// maxEmptyReads is how often in a row the source may return neither data nor
// an error, as in package bufio.
const maxEmptyReads = 100

// Reader returns a body that reads from src, a JSON text, and replaces the
// prefix of every string that begins with it and is the value of a member for
// URLs: href, next, previous, track_href or analysis_url. Slashes may be written
// plainly or all as \/ in the text; the replacement is written in the same
// manner. All other strings stay as they are, and so does a URL anywhere but at
// the start of a string, or more than 64 bytes after the beginning of the name.
//
// The body streams: a Read reads from src only if it has nothing to return,
// and holds back only bytes that may be the beginning of a match, which are
// fewer than twice the prefix's length. An error of src, io.EOF included, is
// returned once every byte before it has been. What is not JSON passes too;
// bytes change only where the name, a colon, a quote and the prefix occur.
//
// Close closes src; it may be called while a Read is under way, and unblocks
// it if that of src does. Otherwise the body is for one goroutine at a time.
// A Rewriter that changes nothing returns src itself.
func (rw *Rewriter) Reader(src io.ReadCloser) io.ReadCloser {
	if rw.from == "" {
		return src
	}
	return &reader{rw: rw, src: src}
}

// reader has three stretches in buf: buf[r:clean] goes out as it stands, then
// put goes out in place of buf[clean:next], and buf[next:w] is still to be
// looked at.
type reader struct {
	rw  *Rewriter
	src io.ReadCloser

	mu             sync.Mutex // held by a Read; Close takes it only if it is free
	closed         atomic.Bool
	buf            *[bufferSize]byte
	r, clean, next int
	w              int
	put            string
	err            error // from src; no more is read after it
}

// Read implements io.Reader.
func (rd *reader) Read(p []byte) (int, error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if rd.closed.Load() {
		rd.release()
		return 0, ErrClosed
	}
	n := 0
	for n < len(p) {
		switch {
		case rd.r < rd.clean:
			c := copy(p[n:], rd.buf[rd.r:rd.clean])
			rd.r += c
			n += c
		case rd.put != "":
			c := copy(p[n:], rd.put)
			rd.put = rd.put[c:]
			n += c
		case rd.decide():
		case n > 0:
			return n, nil
		case rd.err != nil:
			rd.release()
			return 0, rd.err
		default:
			rd.fill()
		}
	}
	return n, nil
}

// Close implements io.Closer. It closes the source, however often it is called.
func (rd *reader) Close() error {
	rd.closed.Store(true)
	err := rd.src.Close()
	// A Read under way still uses the buffer; then it is left to the collector.
	if rd.mu.TryLock() {
		rd.release()
		rd.mu.Unlock()
	}
	return err
}

// decide looks at buf[next:w] and reports whether that yielded anything to
// send. It is called when all before next has been sent.
func (rd *reader) decide() bool {
	rd.r, rd.clean = rd.next, rd.next
	if rd.next == rd.w {
		return false
	}
	text := rd.buf[:rd.w]
	if at, style := rd.rw.match(text, rd.next); at >= 0 {
		st := &rd.rw.styles[style]
		rd.clean, rd.next, rd.put = at, at+len(st.find), st.put
		return true
	}
	rd.clean = rd.w
	if rd.err == nil {
		rd.clean -= rd.rw.held(text, rd.next)
	}
	rd.next = rd.clean
	return rd.r < rd.clean
}

// held returns the length of the end of text that may be the beginning of a
// match; it is not before from.
func (rw *Rewriter) held(text []byte, from int) int {
	longest := len(rw.styles[1].find) - 1 // the escaped style is never the shorter
	start := max(from, len(text)-longest)
	// A match has one quote, its first byte: only the last quote can begin one.
	q := bytes.LastIndexByte(text[start:], '"')
	if q < 0 {
		return 0
	}
	q += start
	for k := range rw.styles {
		if bytes.HasPrefix(rw.styles[k].find, text[q:]) && isLink(text, q) {
			return len(text) - q
		}
	}
	return 0
}

// fill moves what is held back, and the window before it, to the front of the
// buffer and reads more. All before next has been sent by now.
func (rd *reader) fill() {
	if rd.buf == nil {
		rd.buf = buffers.Get().(*[bufferSize]byte)
	}
	if seen := min(rd.next, window); rd.next > seen {
		rd.w = copy(rd.buf[:], rd.buf[rd.next-seen:rd.w])
		rd.r, rd.clean, rd.next = seen, seen, seen
	}
	for range maxEmptyReads {
		n, err := rd.src.Read(rd.buf[rd.w:])
		rd.w += n
		rd.err = err
		if n > 0 || err != nil {
			return
		}
	}
	rd.err = io.ErrNoProgress
}

// release gives the buffer back. Nothing is sent after it.
func (rd *reader) release() {
	if rd.buf != nil {
		buffers.Put(rd.buf)
		rd.buf = nil
	}
	rd.r, rd.clean, rd.next, rd.w, rd.put = 0, 0, 0, 0, ""
	if rd.err == nil {
		rd.err = ErrClosed
	}
}
