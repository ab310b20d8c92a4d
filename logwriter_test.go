package caddyspotify_test

import (
	"fmt"
	"io"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(bufferWriter{}) }

// bufferWriter is the log writer module behind logBuffer.
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

func (w bufferWriter) String() string    { return w.Name }
func (w bufferWriter) WriterKey() string { return "spotifytest:" + w.Name }

func (w bufferWriter) OpenWriter() (io.WriteCloser, error) {
	b, ok := logBuffers.Load(w.Name)
	if !ok {
		return nil, fmt.Errorf("no log buffer %s", w.Name)
	}
	return b.(io.WriteCloser), nil
}
