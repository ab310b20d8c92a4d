package upstream

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
)

// edge is a Web API over TLS that counts connections and requests.
type edge struct {
	*httptest.Server
	opened, closed chan struct{}
	requests       atomic.Int32
}

func startEdge(t *testing.T, http2 bool) *edge {
	e := &edge{opened: make(chan struct{}, 100), closed: make(chan struct{}, 100)}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.requests.Add(1)
		ok(w, r)
	}))
	e.EnableHTTP2 = http2
	e.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			e.opened <- struct{}{}
		case http.StateClosed:
			e.closed <- struct{}{}
		}
	}
	e.StartTLS()
	t.Cleanup(e.Close)
	return e
}

// connections returns connections to e, with a clock that they go by.
func (e *edge) connections(t *testing.T) (*Connections, *fakeclock.Clock, func() error) {
	t.Helper()
	c := fakeclock.New(time.Unix(1_800_000_000, 0))
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	h := &reverseproxy.HTTPTransport{TLS: &reverseproxy.TLSConfig{InsecureSkipVerify: true}}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	api, err := ParseOrigin(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	conns, release, err := AcquireConnections(ConnectionsOptions{
		Key: ConnectionsKey(h, api), Transport: h.Transport, API: api, Clock: c, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return conns, c, release
}

// reopened moves the clock on until there is another connection. net/http may not have
// noticed yet that the last one has ended, so it can take more than one attempt.
func (e *edge) reopened(t *testing.T, c *fakeclock.Clock) {
	t.Helper()
	e.openedMore() // of the connections that have ended
	wait(t, func() bool {
		if c.Timers() > 0 {
			c.Advance(leastPause) // otherwise an attempt is under way
		}
		select {
		case <-e.opened:
			return true
		default:
			return false
		}
	})
}

// openedMore reports whether connections have been opened since it, or reopened, was
// called last.
func (e *edge) openedMore() bool {
	more := false
	for len(e.opened) > 0 {
		<-e.opened
		more = true
	}
	return more
}

func (e *edge) get(t *testing.T, c *Connections) {
	t.Helper()
	c.Use()
	res, err := (&http.Client{Transport: c.Transport}).Get(e.URL + "/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// settled waits until c has been told of what has happened to connections.
func settled(t *testing.T, c *Connections, open int) {
	t.Helper()
	wait(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.open == open && !c.underway
	})
}

// A connection is open before the first request, and again after the API has closed it,
// and nothing is asked over it.
func TestConnectionIsOpenInAdvance(t *testing.T) {
	e := startEdge(t, true)
	conns, c, release := e.connections(t)
	if len(e.opened) > 0 {
		t.Fatal("a connection was opened at once")
	}
	c.Advance(firstPause)
	<-e.opened
	settled(t, conns, 1)
	// A connection is open a moment before net/http gives it to requests, and nothing tells
	// when: a request in that moment opens one of its own.
	const times = 10
	opened := 0
	for range times {
		e.get(t, conns)
		if e.openedMore() {
			opened++
		}
		c.Advance(lasting)
		e.CloseClientConnections()
		settled(t, conns, 0)
		e.reopened(t, c)
		settled(t, conns, 1)
	}
	if opened == times {
		t.Errorf("each of %d requests opened a connection although there was one", times)
	}
	if n := e.requests.Load(); n != times {
		t.Errorf("the API got %d requests, want the %d that were made", n, times)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if c.Timers() > 0 {
		t.Error("a timer is left")
	}
	// One that net/http has not noticed as idle yet would end at the idle timeout.
	wait(t, func() bool {
		conns.Transport.CloseIdleConnections()
		conns.mu.Lock()
		defer conns.mu.Unlock()
		return conns.open == 0
	})
}

// Without requests for a day, there is no connection either.
func TestConnectionIsNotKeptForNoVisitors(t *testing.T) {
	e := startEdge(t, true)
	conns, c, release := e.connections(t)
	c.Advance(firstPause)
	<-e.opened
	settled(t, conns, 1)
	c.Advance(stayWarm)
	e.CloseClientConnections()
	settled(t, conns, 0)
	if c.Timers() > 0 {
		t.Error("another attempt is planned")
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// The pause before a connection is opened again grows while they do not last.
func TestConnectionsThatDoNotLast(t *testing.T) {
	e := startEdge(t, true)
	conns, c, release := e.connections(t)
	c.Advance(firstPause)
	<-e.opened
	settled(t, conns, 1)
	for range 12 {
		e.CloseClientConnections()
		settled(t, conns, 0)
		e.reopened(t, c)
		settled(t, conns, 1)
	}
	conns.mu.Lock()
	pause := conns.pause
	conns.mu.Unlock()
	if pause != longestPause {
		t.Errorf("after twelve connections that did not last the next pause is %v, want %v", pause, longestPause)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// An API that cannot be reached is tried again.
func TestConnectionFails(t *testing.T) {
	e := startEdge(t, true)
	conns, c, release := e.connections(t)
	e.Close()
	c.Advance(firstPause)
	wait(t, func() bool { return c.Timers() == 1 })
	settled(t, conns, 0)
	c.Advance(leastPause)
	wait(t, func() bool { return c.Timers() == 1 })
	if err := release(); err != nil {
		t.Error(err)
	}
}

// If a request has opened a connection meanwhile, nothing is sent over it.
func TestHandshakeSendsNoRequest(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			e := startEdge(t, http2)
			conns, _, release := e.connections(t)
			e.get(t, conns)
			for range 20 {
				_ = conns.handshake()
			}
			e.get(t, conns)
			if n := e.requests.Load(); n != 2 {
				t.Errorf("the API got %d requests, want the two that were made", n)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two configurations with the same options share connections, as at a reload.
func TestConnectionsOutliveConfiguration(t *testing.T) {
	e := startEdge(t, true)
	before, _, releaseBefore := e.connections(t)
	e.get(t, before)
	<-e.opened
	after, _, releaseAfter := e.connections(t)
	if err := releaseBefore(); err != nil {
		t.Error(err)
	}
	e.get(t, after)
	if len(e.opened) > 0 {
		t.Error("the new configuration opened a connection of its own")
	}
	if err := releaseAfter(); err != nil {
		t.Error(err)
	}
	settled(t, after, 0)
}

// What depends on more than the options is not shared.
func TestConnectionsKey(t *testing.T) {
	api := &Origin{Scheme: "https", host: "api.spotify.com"}
	key := func(edit func(*reverseproxy.HTTPTransport)) any {
		h := &reverseproxy.HTTPTransport{TLS: new(reverseproxy.TLSConfig)}
		edit(h)
		return ConnectionsKey(h, api)
	}
	none := func(*reverseproxy.HTTPTransport) {}
	if key(none) != key(none) {
		t.Error("equal options have different keys")
	}
	if other, _ := url.Parse("https://proxy.example"); key(none) == key(func(h *reverseproxy.HTTPTransport) { h.ForwardProxyURL = other.String() }) {
		t.Error("different options have one key")
	}
	for name, edit := range map[string]func(*reverseproxy.HTTPTransport){
		"a proxy of a module":   func(h *reverseproxy.HTTPTransport) { h.NetworkProxyRaw = []byte(`{"from":"none"}`) },
		"a pool of a module":    func(h *reverseproxy.HTTPTransport) { h.TLS.CARaw = []byte(`{"provider":"file"}`) },
		"a file of authorities": func(h *reverseproxy.HTTPTransport) { h.TLS.RootCAPEMFiles = []string{"ca.pem"} }, //nolint:staticcheck // deprecated, and still read
		"a certificate file":    func(h *reverseproxy.HTTPTransport) { h.TLS.ClientCertificateFile = "cert.pem" },
		"a managed certificate": func(h *reverseproxy.HTTPTransport) { h.TLS.ClientCertificateAutomate = "example.com" },
	} {
		if key(edit) == key(edit) {
			t.Errorf("%s: two configurations share connections", name)
		}
	}
}
