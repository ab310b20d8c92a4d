package proxytest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// patience bounds what would otherwise hang when it fails. Nothing takes so long.
const patience = time.Minute

// Restart stops Caddy and starts it again, so that nothing is left of it but its
// storage.
func (p *Proxy) Restart() {
	p.T.Helper()
	gone := p.Watch(p.Origin)
	if err := caddy.Stop(); err != nil {
		p.T.Fatalf("stopping Caddy: %v", err)
	}
	gone()
	p.loaded = false
	p.Load("")
}

// Load loads the config, again if it is loaded already, with more global options.
// When Load returns, the config before it answers no more requests.
func (p *Proxy) Load(extra string) {
	p.T.Helper()
	if p.loaded {
		defer p.Watch(p.Origin)()
	}
	p.loaded = true
	if err := caddy.Load(Adapt(p.T, p.Caddyfile(extra)), true); err != nil {
		p.T.Fatalf("loading the config: %v", err)
	}
	// The old config's server may not be through with closing.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Adapt returns a Caddyfile as JSON.
func Adapt(t testing.TB, text string) []byte {
	t.Helper()
	cfg, err := TryAdapt(text)
	if err != nil {
		t.Fatalf("adapting the Caddyfile: %v\n%s", err, text)
	}
	return cfg
}

// TryAdapt is Adapt for a Caddyfile that may be wrong.
func TryAdapt(text string) ([]byte, error) {
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return cfg, err
}

// Listen opens the socket that Caddy listens on, whatever configs it loads until
// the test ends, and sets Origin and Bind. By itself it would open one for each config, and at a reload
// the connections that the system has queued for the old one are reset. One
// that it inherits, as from systemd, it keeps.
func (p *Proxy) Listen() {
	p.T.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.T.Fatal(err)
	}
	defer l.Close() // its copy listens on
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() { _ = file.Close() })
	p.Origin = "http://" + l.Addr().String()
	p.Bind = fmt.Sprintf("bind fd/%d", file.Fd())
}

// Watch returns a function that waits until the server at an origin is told to
// stop, which it must be within patience. Caddy does not wait for that: the next request could still be the old
// config's, or could be dropped by it. A server closes its idle connections when it
// has closed its listeners.
func (p *Proxy) Watch(origin string) (gone func()) {
	p.T.Helper()
	host := strings.TrimPrefix(origin, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		p.T.Fatal(err)
	}
	p.bound(conn)
	r := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "OPTIONS /spotify/health/live HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		p.T.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		p.T.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return func() {
		p.T.Helper()
		p.bound(conn)
		_, err := r.ReadByte()
		_ = conn.Close()
		if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
			p.T.Fatalf("the server at %s was not shut down", origin)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
}

// bound lets reads from conn and writes to it fail after patience.
func (p *Proxy) bound(conn net.Conn) {
	p.T.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		p.T.Fatal(err)
	}
}
