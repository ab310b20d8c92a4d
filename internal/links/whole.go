package links

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// MaxWhole is the length up to which Whole reads a body at once, in bytes.
	// A page of the Web API with its largest number of items is shorter.
	MaxWhole = 256 << 10

	// wholeBudget bounds the memory of all bodies that are read at once. One
	// that finds it used up streams.
	wholeBudget = 64 << 20
)

// Bodies that fit into the buffer of a reader take one of these, and longer
// ones one of MaxWhole.
var (
	shortBuffers = sync.Pool{New: func() any { return &wholeBuffer{text: make([]byte, bufferSize)} }}
	longBuffers  = sync.Pool{New: func() any { return &wholeBuffer{text: make([]byte, MaxWhole)} }}
	wholeMemory  atomic.Int64 // bytes in use
)

// wholeBuffer is a text and where in it the matches begin, each twice its
// offset, and one more if slashes are escaped in it.
type wholeBuffer struct {
	text  []byte
	found []uint32
}

// Whole returns a body and its length like Reader, but for a src whose length
// is known. It reads all of it before it returns, so that the new length is
// known as well: an answer that said how long it is still does, and is spared
// the chunks of one that does not. JSON is of no use to anybody before its end.
//
// The length returned is -1, and the body streams, if src is longer than
// MaxWhole, if too many such bodies are under way, or if src fails; its error
// then comes after the bytes before it. That it ends before its length is an
// error as well, io.ErrUnexpectedEOF.
func (rw *Rewriter) Whole(src io.ReadCloser, length int64) (io.ReadCloser, int64) {
	if rw.from == "" {
		return src, length
	}
	if length < 0 || length > MaxWhole {
		return rw.Reader(src), -1
	}
	buf := takeBuffer(length)
	if buf == nil {
		return rw.Reader(src), -1
	}
	w := &whole{rw: rw, src: src, buf: buf}
	n, err := io.ReadFull(src, buf.text[:length])
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // nothing came of it
		}
		begun := bytes.Clone(buf.text[:n])
		w.release()
		return rw.Reader(&failed{Reader: bytes.NewReader(begun), err: err, src: src}), -1
	}
	w.text = buf.text[:length]
	return w, w.find()
}

// takeBuffer returns a buffer for a text of at most MaxWhole, or nil if too many
// are in use.
func takeBuffer(length int64) *wholeBuffer {
	pool := &longBuffers
	if length <= bufferSize {
		pool = &shortBuffers
	}
	buf := pool.Get().(*wholeBuffer)
	if !reserve(int64(len(buf.text))) {
		pool.Put(buf)
		return nil
	}
	return buf
}

// giveBack ends the use of a buffer.
func (buf *wholeBuffer) giveBack() {
	wholeMemory.Add(-int64(len(buf.text)))
	buf.found = buf.found[:0]
	if len(buf.text) == bufferSize {
		shortBuffers.Put(buf)
	} else {
		longBuffers.Put(buf)
	}
}

// reserve reports whether so much memory may be used, and counts it if it may.
func reserve(n int64) bool {
	if wholeMemory.Add(n) > wholeBudget {
		wholeMemory.Add(-n)
		return false
	}
	return true
}

// find finds the links of the text, and returns how long it is with those that replace them.
func (w *whole) find() int64 {
	length := int64(len(w.text))
	for from := 0; ; {
		at, style := w.rw.match(w.text, from)
		if at < 0 {
			return length
		}
		w.buf.found = append(w.buf.found, uint32(at)<<1|uint32(style)) //nolint:gosec // at is less than MaxWhole
		from = at + len(w.rw.styles[style].find)
		length += int64(len(w.rw.styles[style].put) - len(w.rw.styles[style].find))
	}
}

// whole is a body that has been read.
type whole struct {
	rw  *Rewriter
	src io.Closer

	mu     sync.Mutex // guards what follows; nothing waits while it is held
	closed bool
	buf    *wholeBuffer // nil once it is given back
	text   []byte
	pos    int    // in text
	next   int    // in buf.found
	put    string // goes out before text[pos:]
}

// Read implements io.Reader.
func (w *whole) Read(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, ErrClosed
	}
	if w.buf == nil {
		return 0, io.EOF
	}
	for {
		c := copy(p[n:], w.put)
		n += c
		if w.put = w.put[c:]; w.put != "" {
			return n, nil
		}
		end := len(w.text)
		if w.next < len(w.buf.found) {
			end = int(w.buf.found[w.next] >> 1)
		}
		c = copy(p[n:], w.text[w.pos:end])
		n += c
		if w.pos += c; w.pos < end {
			return n, nil
		}
		if w.next == len(w.buf.found) {
			w.release()
			return n, io.EOF
		}
		st := &w.rw.styles[w.buf.found[w.next]&1]
		w.put = st.put
		w.pos += len(st.find)
		w.next++
	}
}

// Close implements io.Closer. It closes the source, however often it is called.
func (w *whole) Close() error {
	w.mu.Lock()
	w.closed = true
	w.release()
	w.mu.Unlock()
	return w.src.Close()
}

// release gives the buffer back.
func (w *whole) release() {
	if w.buf == nil {
		return
	}
	w.buf.giveBack()
	w.buf, w.text = nil, nil
}

// failed is the start of a body, and the error after it.
type failed struct {
	io.Reader
	err error
	src io.Closer
}

// Read implements io.Reader.
func (f *failed) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// Close implements io.Closer.
func (f *failed) Close() error { return f.src.Close() }
