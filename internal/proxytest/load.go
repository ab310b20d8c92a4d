package proxytest

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// Restart stops Caddy and starts it again, so that nothing is left of it but its
// storage.
func (p *Proxy) Restart() {
	p.T.Helper()
	gone := Watch(p.T, p.Origin)
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
		defer Watch(p.T, p.Origin)()
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
