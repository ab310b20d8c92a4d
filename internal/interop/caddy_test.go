package interop

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
)

// proxy is a Caddy in this process. There is one at a time, so tests that use
// it do not run in parallel.
type proxy struct {
	origin string
	log    string // file name
}

// startProxy runs Caddy with a spotify_proxy that has these options, and with
// more directives beside it.
func startProxy(t *testing.T, origin, options, site string) *proxy {
	t.Helper()
	p := &proxy{origin: origin, log: filepath.Join(t.TempDir(), "caddy.log")}
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
	filesystem demo spotify_demo
	log {
		output file %q
		level DEBUG
	}
}
%s {
	log
	spotify_proxy {
		redirect_uri %s/spotify/callback
		%s
	}
	%s
}
`, t.TempDir(), p.log, origin, origin, options, site)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatalf("adapting the Caddyfile: %v\n%s", err, text)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatalf("starting Caddy: %v", err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		if t.Failed() {
			t.Logf("what Caddy logged of the plugin:\n%s", p.loggedByPlugin(t))
		}
	})
	return p
}

func (p *proxy) logged(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatalf("reading Caddy's log: %v", err)
	}
	return b
}

func (p *proxy) loggedByPlugin(t *testing.T) []byte {
	var lines []byte
	for line := range bytes.Lines(p.logged(t)) {
		if bytes.Contains(line, []byte("spotify_auth")) || bytes.Contains(line, []byte("transport.spotify")) {
			lines = append(lines, line...)
		}
	}
	return lines
}

// expectSecretsOut fails the test for each secret that Caddy logged.
func (p *proxy) expectSecretsOut(t *testing.T, secrets []string) {
	t.Helper()
	if len(secrets) == 0 {
		t.Error("no secret is known that could have been logged")
	}
	for line := range bytes.Lines(p.logged(t)) {
		for _, secret := range secrets {
			if bytes.Contains(line, []byte(secret)) {
				t.Errorf("Caddy logged a secret (%.8s…):\n%s", secret, line)
			}
		}
	}
}

// freeOrigin returns an http origin on 127.0.0.1 at which nobody listens.
func freeOrigin(t *testing.T) string {
	t.Helper()
	return "http://" + freeport.Address(t)
}

// newVisitor is a browser without pages: it keeps cookies and goes where it is sent.
func newVisitor(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		// As browsers do, and net/http does not.
		if r.Response.Header.Get("Referrer-Policy") == "no-referrer" {
			r.Header.Del("Referer")
		}
		return nil
	}}
}
