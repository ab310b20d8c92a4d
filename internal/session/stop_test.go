package session

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// R42: what runs in the background is waited for when the process stops, but not
// without end: a handler of events may never return.
func TestStoppingIsBounded(t *testing.T) {
	for name, blocks := range map[string]time.Duration{"a handler that is done soon": time.Second, "one that blocks": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := openSessions(t, memory.New(memory.Config{}), clock.Get())
				m.Spawn(func() { time.Sleep(blocks) })
				began := time.Now()
				if err := m.Destruct(); err != nil {
					t.Error(err)
				}
				if took, want := time.Since(began), min(blocks, stopTimeout); took != want {
					t.Errorf("stopping took %s, want %s", took, want)
				}
				time.Sleep(blocks)
			})
		})
	}
}

// Nothing begins in the background once the sessions have ended, and what could
// not begin leaves nothing behind.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	m := openSessions(t, memory.New(memory.Config{}), clock.Get())
	s := createSession(t, m, 1)
	if err := m.Destruct(); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{}, 2)
	if m.Spawn(func() { ran <- struct{}{} }) {
		t.Error("spawn says that it runs")
	}
	m.inBackground(s, workTouch, func(context.Context) { ran <- struct{}{} })
	m.running.Wait()
	if len(ran) > 0 {
		t.Error("it ran")
	}
	if !s.begin(workTouch) || len(m.background) != 0 {
		t.Errorf("the session counts as busy, or %d slots are taken", len(m.background))
	}
}

// Connections to the token endpoint end with the sessions that used them.
func TestIdleConnectionsEndWithTheSessions(t *testing.T) {
	closed := make(chan struct{}, 1)
	endpoint := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	endpoint.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	endpoint.Start()
	t.Cleanup(endpoint.Close)
	client := &http.Client{Transport: new(http.Transport)}
	m := New(config{clientID: "client"}, memory.New(memory.Config{}),
		&pkce.Config{ClientID: "client", HTTPClient: client}, clock.Get(), zap.NewNop)
	res, err := client.Get(endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if err := m.Destruct(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the connection is open still")
	}
}

// closing counts how often its idle connections were closed.
type closing struct {
	http.RoundTripper
	closed int
}

func (c *closing) CloseIdleConnections() { c.closed++ }

// provided provides a store for one test.
type provided struct {
	store tokenstore.Store
	key   string
}

func (p provided) Store() (tokenstore.Store, error) { return p.store, nil }

func (p provided) UsageKey() string { return p.key }

// A config whose sessions another one made has a client of its own, whose connections
// end with that config. Those of the other one's end with the sessions.
func TestIdleConnectionsOfEveryConfig(t *testing.T) {
	provider := provided{memory.New(memory.Config{}), t.Name()}
	var clients [2]closing
	var acquired [2]*Acquired
	for i := range clients {
		tokens := &pkce.Config{ClientID: "client", HTTPClient: &http.Client{Transport: &clients[i]}}
		var err error
		if acquired[i], err = Acquire(provider, tokens, "site", "", time.Hour, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if acquired[0].Sessions != acquired[1].Sessions {
		t.Fatal("the configs share no sessions")
	}
	// The first goes first, as in a reload.
	if err := acquired[0].Release(); err != nil {
		t.Fatal(err)
	}
	first := clients[0].closed
	if first == 0 || clients[1].closed != 0 {
		t.Errorf("after the first config: closed %d and %d times", first, clients[1].closed)
	}
	if err := acquired[1].Release(); err != nil {
		t.Fatal(err)
	}
	if clients[0].closed == first || clients[1].closed == 0 {
		t.Errorf("after the second: closed %d and %d times", clients[0].closed-first, clients[1].closed)
	}
}
