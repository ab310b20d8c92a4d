package upstream

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// relay passes bytes between clients and a server, until a connection is made
// to swallow them, as one does whose other end has gone without a word.
type relay struct {
	net.Listener
	target string
	dead   atomic.Int32 // connections up to this one are dead
}

func (l *relay) serve() {
	for n := int32(1); ; n++ {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		pass := func(to, from net.Conn) {
			defer to.Close()
			_, _ = io.Copy(writer(func(p []byte) (int, error) {
				if n <= l.dead.Load() {
					return len(p), nil
				}
				return to.Write(p)
			}), from)
		}
		go pass(server, client)
		go pass(client, server)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// All requests share one HTTP/2 connection, so its death must be noticed.
func TestDeadConnectionIsGivenUp(t *testing.T) {
	api := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	api.EnableHTTP2 = true
	api.StartTLS()
	t.Cleanup(api.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	l := &relay{Listener: listener, target: api.Listener.Addr().String()}
	go l.serve()

	r := newRig(t, recording(ok), func(tr *rigOptions) {
		tr.APIURL = "https://" + listener.Addr().String()
		tr.TLS = &reverseproxy.TLSConfig{InsecureSkipVerify: true}
	})
	r.transport.http.Transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond}
	if res, _ := r.do(r.request("GET", "/v1/me", nil)); res.ProtoMajor != 2 {
		t.Fatalf("the API was called over %s", res.Proto)
	}
	l.dead.Store(1)
	if res, err := r.transport.RoundTrip(r.request("GET", "/v1/me", nil)); err == nil {
		t.Errorf("an answer over a dead connection: %v", res.Status)
	}
	if res, body := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != 200 || body != "ok" {
		t.Errorf("afterwards: %d %q", res.StatusCode, body)
	}
}
