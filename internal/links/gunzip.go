package links

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/caddyspotify/caddy-spotify/internal/deflate"
)

// inflaterSize is the memory of a reader of gzip, in bytes.
const inflaterSize = int64(unsafe.Sizeof(deflate.Reader{}))

var inflaters = sync.Pool{New: func() any { return new(deflate.Reader) }}

// Gunzip is like Whole for a src that is compressed with gzip, and unpacks it. A
// body that src's length is known of, and that is no longer than MaxWhole, has a
// length as well.
func (rw *Rewriter) Gunzip(src io.ReadCloser, length int64) (io.ReadCloser, int64) {
	if !reserve(inflaterSize) {
		// The standard library's takes less memory, and more time.
		return rw.Reader(&slowly{src: src}), -1
	}
	u := &unpacked{src: src, r: inflaters.Get().(*deflate.Reader)}
	u.r.Reset(expecting(src, length))
	if rw.from == "" || length < 0 || length > MaxWhole {
		return rw.Reader(u), -1
	}
	buf := takeBuffer(MaxWhole)
	if buf == nil {
		return rw.Reader(u), -1
	}
	n, err := io.ReadFull(u, buf.text)
	w := &whole{rw: rw, src: u, buf: buf, text: buf.text[:n]}
	if err != nil && errors.Is(u.err, io.EOF) {
		return w, w.find()
	}
	begun := bytes.Clone(w.text)
	w.release()
	return rw.Reader(&unpackedStart{unpacked: u, start: begun}), -1
}

// unpacked is the text of a compressed body.
type unpacked struct {
	src io.ReadCloser

	mu     sync.Mutex // held by a Read; Close takes it only if it is free
	closed atomic.Bool
	r      *deflate.Reader // nil once it is given back
	text   []byte
	err    error // after text
}

// Read implements io.Reader.
func (u *unpacked) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.releaseIfClosed()
	defer u.mu.Unlock()
	if u.closed.Load() {
		return 0, ErrClosed
	}
	for len(u.text) == 0 {
		if u.err != nil {
			u.release()
			return 0, u.err
		}
		var b deflate.Batch
		b, u.err = u.r.Next()
		u.text = b.Text[b.From:]
	}
	n := copy(p, u.text)
	u.text = u.text[n:]
	return n, nil
}

// Close implements io.Closer.
func (u *unpacked) Close() error {
	u.closed.Store(true)
	err := u.src.Close()
	u.releaseIfClosed()
	return err
}

// releaseIfClosed gives the memory back after Close. While a Read is under way
// it leaves that to the Read.
func (u *unpacked) releaseIfClosed() {
	if u.closed.Load() && u.mu.TryLock() {
		u.release()
		u.mu.Unlock()
	}
}

func (u *unpacked) release() {
	u.text = nil
	if u.r == nil {
		return
	}
	u.r.Release()
	inflaters.Put(u.r)
	u.r = nil
	wholeMemory.Add(-inflaterSize)
	if u.err == nil {
		u.err = ErrClosed
	}
}

// unpackedStart is a body of which some has been read.
type unpackedStart struct {
	*unpacked
	start []byte
}

// Read implements io.Reader.
func (u *unpackedStart) Read(p []byte) (int, error) {
	if len(u.start) == 0 {
		return u.unpacked.Read(p)
	}
	n := copy(p, u.start)
	u.start = u.start[n:]
	return n, nil
}

// slowly is unpacked by the standard library.
type slowly struct {
	src io.ReadCloser
	r   *gzip.Reader
	err error
}

// Read implements io.Reader. It reads the header of the stream when first asked.
func (s *slowly) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.r == nil {
		if s.r, s.err = gzip.NewReader(s.src); s.err != nil {
			if errors.Is(s.err, io.EOF) {
				s.err = io.ErrUnexpectedEOF
			}
			return 0, s.err
		}
	}
	return s.r.Read(p)
}

// Close implements io.Closer.
func (s *slowly) Close() error { return s.src.Close() }
