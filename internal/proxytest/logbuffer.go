package proxytest

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// LogBuffer is an output of Caddy's logs that keeps what is written. It outlives
// the configs of one test. It is safe for concurrent use.
type LogBuffer struct {
	// Name names it in a Caddyfile: output spotifytest_buffer Name
	Name string

	mu  sync.Mutex
	buf bytes.Buffer
}

var logBuffers sync.Map // of *LogBuffer, by name

// NewLogBuffer returns an empty buffer with a name of its own.
func NewLogBuffer() *LogBuffer {
	b := new(LogBuffer)
	for i := 0; ; i++ {
		b.Name = fmt.Sprintf("buffer%d", i)
		if _, taken := logBuffers.LoadOrStore(b.Name, b); !taken {
			return b
		}
	}
}

// Write implements io.Writer.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// Close implements io.Closer. The buffer can still be written to.
func (b *LogBuffer) Close() error { return nil }

// String returns what has been written.
func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func init() { caddy.RegisterModule(bufferWriter{}) }

// bufferWriter is the log writer module behind LogBuffer.
type bufferWriter struct {
	Name string `json:"name"`
}

func (bufferWriter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.writers.spotifytest_buffer",
		New: func() caddy.Module { return new(bufferWriter) },
	}
}

func (w *bufferWriter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&w.Name) {
		return d.ArgErr()
	}
	return nil
}

func (w bufferWriter) String() string { return w.Name }

func (w bufferWriter) WriterKey() string { return "spotifytest:" + w.Name }

func (w bufferWriter) OpenWriter() (io.WriteCloser, error) {
	b, ok := logBuffers.Load(w.Name)
	if !ok {
		return nil, fmt.Errorf("no log buffer %s", w.Name)
	}
	return b.(io.WriteCloser), nil
}
