package links

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	// recoderSize is the memory of a recoder, in bytes, with what its writer
	// holds of a batch.
	recoderSize = int64(unsafe.Sizeof(recoder{})) + 256<<10

	// maxSteps bounds how much text is decoded before the first byte of a body
	// is returned, in batches of up to 64 KiB.
	maxSteps = 64

	// keptOut is the longest output buffer that is kept for another body.
	keptOut = MaxWhole + MaxWhole/4
)

var recoders = sync.Pool{New: func() any { return new(recoder) }}

// Gzip is like Whole for a src that is compressed with gzip, and stays so. The
// text is not compressed again, which would take a multiple of the time: what
// leaves is as src was but for the links. So it is about as long, and the same to
// the byte if src has no links and comes with its length or is short.
//
// A body without a length streams, a block of the compressor at a time, and is
// flushed where src is. What is not valid gzip ends with an error, and so does
// what ends early; in both cases after what came before.
//
// It returns nil, and has not read from src, if too much memory is in use.
func (rw *Rewriter) Gzip(src io.ReadCloser, length int64) (io.ReadCloser, int64) {
	if rw.from == "" {
		return src, length
	}
	if !reserve(recoderSize) {
		return nil, 0
	}
	g := &gzipped{src: src, r: recoders.Get().(*recoder)}
	g.r.reset(rw)
	if length >= 0 && length <= MaxWhole {
		if g.raw = takeBuffer(length); g.raw != nil {
			return g, g.whole(length)
		}
	}
	g.r.in.Reset(expecting(src, length))
	return g, -1
}

// gzipped is a compressed body whose links are rewritten.
type gzipped struct {
	src io.ReadCloser

	mu     sync.Mutex // held by a Read; Close takes it only if it is free
	closed atomic.Bool
	r      *recoder     // nil once it is given back
	raw    *wholeBuffer // what src was, if that had a length
	out    []byte       // to be returned
	begun  bool         // out has been set
	err    error        // after out
}

// expecting returns src, or what reads from it and finds an error if it ends
// before so many bytes. A length below 0 is not known.
func expecting(src io.Reader, length int64) io.Reader {
	if length < 0 {
		return src
	}
	return &expected{src, length}
}

type expected struct {
	src  io.Reader
	left int64
}

// Read implements io.Reader.
func (e *expected) Read(p []byte) (int, error) {
	n, err := e.src.Read(p)
	e.left -= int64(n)
	if e.left > 0 && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// whole reads all of src, and returns the length of the body if that ends well.
func (g *gzipped) whole(length int64) int64 {
	n, err := io.ReadFull(g.src, g.raw.text[:length])
	if err == nil {
		err = io.EOF
	} else if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	g.r.in.ResetBytes(g.raw.text[:n], err)
	for i := 0; i < maxSteps && g.err == nil; i++ {
		g.err = g.r.step()
	}
	g.begun, g.out = true, g.r.w.Out
	switch {
	case !errors.Is(g.err, io.EOF):
		return -1
	case !g.r.found:
		g.out = g.raw.text[:n]
	}
	return int64(len(g.out))
}

// Read implements io.Reader.
func (g *gzipped) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.releaseIfClosed()
	defer g.mu.Unlock()
	if g.closed.Load() {
		return 0, ErrClosed
	}
	for len(g.out) == 0 {
		if g.err != nil {
			g.release()
			return 0, g.err
		}
		g.r.w.Out = g.r.w.Out[:0]
		g.err = g.r.step()
		g.out = g.r.w.Out
		if !g.begun && !g.r.found && errors.Is(g.err, io.EOF) {
			if raw := g.r.in.Raw(); raw != nil {
				g.out = raw
			}
		}
		g.begun = true
	}
	n := copy(p, g.out)
	g.out = g.out[n:]
	return n, nil
}

// Close implements io.Closer. It closes the source, however often it is called.
func (g *gzipped) Close() error {
	g.closed.Store(true)
	err := g.src.Close()
	g.releaseIfClosed()
	return err
}

// releaseIfClosed gives the memory back after Close. While a Read is under way
// it leaves that to the Read.
func (g *gzipped) releaseIfClosed() {
	if g.closed.Load() && g.mu.TryLock() {
		g.release()
		g.mu.Unlock()
	}
}

// release gives the memory back. Nothing is returned after it.
func (g *gzipped) release() {
	g.out = nil
	if g.raw != nil {
		g.raw.giveBack()
		g.raw = nil
	}
	if g.r == nil {
		return
	}
	if cap(g.r.w.Out) > keptOut {
		g.r.w.Out = nil
	}
	g.r.release()
	recoders.Put(g.r)
	g.r = nil
	wholeMemory.Add(-recoderSize)
	if g.err == nil {
		g.err = ErrClosed
	}
}
