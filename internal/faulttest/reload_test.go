package faulttest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O53, R42: a hundred new configs under the load of 64 connections, with tokens
// that live eight seconds, cost no request, no session and no refresh too many.
// Every other config changes how long sessions last, which replaces all that is
// kept in memory; those in between change nothing that they are about.
//
// There is a kind of request that a reload does cost, with any handler: the first
// one on a connection that was opened just before. net/http drops it unanswered
// when its server shuts down, and what has not been accepted yet the system
// resets, because Caddy opens a socket for each config. No browser repeats such a
// request. No handler has seen it either, so no plugin can help it. When configs
// come as fast as they can, all connections are always new, and there are many
// of these. When connections live for more than a moment there are hardly any, but
// that is a matter of time. They are counted, and have to be what they are said to
// be: none of them was served.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("connections that live", func(t *testing.T) {
		t.Parallel()
		reloadUnderLoad(t, 100, true)
	})
	t.Run("as fast as it can", func(t *testing.T) {
		t.Parallel()
		reloadUnderLoad(t, 30, false)
	})
}

// reloadUnderLoad reloads the config of an instance under load. If settle is set,
// it waits before each reload until no connection is new.
func reloadUnderLoad(t *testing.T, reloads int, settle bool) {
	const connections, people, life = 64, 8, 8 * time.Second
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: life, RecordLimit: 1 << 20})
	c.cache = "" // as by default
	in := c.start()
	visitors := make([]*visitor, people)
	for i := range visitors {
		visitors[i] = c.login(in)
	}

	l := &load{in: in, stop: make(chan struct{}), dropped: make(map[string]error)}
	var group sync.WaitGroup
	for i := range connections {
		v := visitors[i%people].twin()
		group.Go(func() { l.use(v) })
	}
	for i := range reloads {
		if settle {
			eventually(t, "all connections are in use", func() bool { return l.settled.Load() == connections })
			l.settled.Store(0)
		}
		change := fmt.Sprintf("header_down Config %d\n", l.config.Add(1))
		if i%4 >= 2 {
			change += "session {\n idle 29d\n }"
		}
		if err := in.reload(change); err != nil {
			t.Errorf("reload %d: %v", i, err)
			break
		}
	}
	close(l.stop)
	group.Wait()

	lost := 0
	for _, v := range visitors {
		if a := v.fetch(in, http.MethodGet, "/spotify/session"); !strings.Contains(a.body, `"authenticated":true`) {
			lost++
		}
	}
	for _, request := range c.sim.RequestsTo("/v1/me") {
		if err, ok := l.dropped[request.RawQuery]; ok {
			l.failed = append(l.failed, fmt.Errorf("served, but the visitor got: %w", err))
		}
	}
	duplicates := 0
	for _, grant := range c.sim.Grants() {
		last := time.Time{}
		for _, event := range grant.Events {
			switch event.Kind {
			case "exchanged":
				last = event.At
			case "refreshed":
				// A token is refreshed when half of its life is over. On a
				// slow machine most of that passes before it arrives.
				if event.At.Sub(last) < life/20 {
					duplicates++
				}
				last = event.At
			}
		}
	}
	t.Logf("%d reloads, %d connections: %d requests, %d failed, %d sessions lost, %d refreshes, %d too many, %d refused; %d new connections dropped",
		reloads, connections, l.requests, len(l.failed), lost, c.sim.Refreshes(), duplicates, c.sim.RefreshesRefused(), len(l.dropped))
	for _, err := range l.failed[:min(5, len(l.failed))] {
		t.Errorf("a request failed: %v", err)
	}
	if lost+duplicates+c.sim.RefreshesRefused() != 0 {
		t.Error("not all of this was lossless")
	}
}

// load is what visitors do to an instance, and what they get.
type load struct {
	in   *instance
	stop chan struct{}
	// config is the number of the newest config, which its answers carry; those of
	// the first, 0, carry none.
	config atomic.Int64
	// settled counts the connections that lead to the server with that config and
	// have been used more than once. Those to an older one are about to be closed.
	settled atomic.Int64

	mu       sync.Mutex
	requests int
	failed   []error
	dropped  map[string]error // by the request's query
}

// use sends one request after the other, each once. But for those that meet a
// connection which the server has closed when it was idle: net/http repeats
// these, as browsers do.
func (l *load) use(v *visitor) {
	connection := &http.Transport{MaxConnsPerHost: 1}
	defer connection.CloseIdleConnections()
	v.client.Transport = connection
	settled := int64(-1) // for which config it has been counted
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		l.mu.Lock()
		l.requests++
		query := "n=" + strconv.Itoa(l.requests)
		l.mu.Unlock()

		var reused, answered bool
		ctx := httptrace.WithClientTrace(v.t.Context(), &httptrace.ClientTrace{
			GetConn:              func(string) { reused = false },
			GotConn:              func(info httptrace.GotConnInfo) { reused = info.Reused },
			GotFirstResponseByte: func() { answered = true },
		})
		a, err := v.try(ctx, l.in, http.MethodGet, "/spotify/v1/me?"+query)
		l.mu.Lock()
		switch {
		case err == nil && a.StatusCode == http.StatusOK:
			config, _ := strconv.ParseInt(a.Header.Get("Config"), 10, 64)
			if reused && settled < config && config == l.config.Load() {
				settled = config
				l.settled.Add(1)
			}
		case !reused && !answered && reset(err):
			l.dropped[query] = err
		case err != nil:
			l.failed = append(l.failed, err)
		default:
			l.failed = append(l.failed, fmt.Errorf("status %d: %s", a.StatusCode, a.body))
		}
		l.mu.Unlock()
	}
}

// reset reports whether a connection ended without a word.
func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE)
}

// O53: a login that began under one config ends under the next.
func TestLoginAcrossReload(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{"same sessions": "", "other sessions": "session {\n idle 29d\n }"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			in := c.start()
			v := c.visitor()
			callback := spotifytest.Approve(t, v.client, in.origin+"/spotify/login", "mira")
			gone := proxytest.Watch(t, in.origin)
			if err := in.reload(change); err != nil {
				t.Fatal(err)
			}
			gone()
			resp, err := v.client.Get(in.at(callback))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("the login ended with %d", resp.StatusCode)
			}
			want(t, v.me(in), http.StatusOK, "")
		})
	}
}
