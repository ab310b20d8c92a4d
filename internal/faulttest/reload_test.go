package faulttest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O53, R42: a hundred new configs under the load of 64 connections, with tokens
// that live eight seconds, cost no request, no session and no refresh too many.
// Every other config changes how long sessions last, which replaces all that is
// kept in memory; those in between change nothing.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const reloads, connections, people, life = 100, 64, 8, 8 * time.Second
	c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: life})
	in := c.start()
	visitors := make([]*visitor, people)
	for i := range visitors {
		visitors[i] = c.login(in)
	}

	var requests, resets, failures atomic.Int64
	stop := make(chan struct{})
	var group sync.WaitGroup
	for i := range connections {
		v := visitors[i%people].twin()
		connection := &http.Transport{MaxConnsPerHost: 1}
		v.client.Transport = connection
		group.Go(func() {
			defer connection.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := v.try(t.Context(), in, http.MethodGet, "/spotify/v1/me")
				for range 10 {
					if !reset(err) {
						break
					}
					resets.Add(1)
					time.Sleep(10 * time.Millisecond)
					a, err = v.try(t.Context(), in, http.MethodGet, "/spotify/v1/me")
				}
				requests.Add(1)
				if err != nil || a.StatusCode != http.StatusOK {
					if failures.Add(1) <= 5 {
						t.Errorf("a request failed: %v %s", err, a.body)
					}
				}
			}
		})
	}
	started := time.Now()
	for i := range reloads {
		change := ""
		if i%4 >= 2 {
			change = "session {\n idle 29d\n }"
		}
		if err := in.reload(change); err != nil {
			t.Errorf("reload %d: %v", i, err)
			break
		}
	}
	took := time.Since(started)
	close(stop)
	group.Wait()

	lost := 0
	for _, v := range visitors {
		if a := v.fetch(in, http.MethodGet, "/spotify/session"); !strings.Contains(a.body, `"authenticated":true`) {
			lost++
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
	t.Logf("%d reloads in %s, %d connections: %d requests, %d failed, %d sessions lost, %d refreshes, %d too many, %d refused; %d connections reset and made anew",
		reloads, took.Round(time.Millisecond), connections, requests.Load(), failures.Load(), lost,
		c.sim.Refreshes(), duplicates, c.sim.RefreshesRefused(), resets.Load())
	if failures.Load()+int64(lost+duplicates+c.sim.RefreshesRefused()) != 0 {
		t.Error("not all of this was lossless")
	}
}

// reset reports whether a connection ended before there was an answer. Caddy's
// old and new config listen at once, each on a socket of its own, and what the
// system had queued for the old one is reset when that closes. No handler has
// seen it, and browsers try again.
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
			if err := in.reload(change); err != nil {
				t.Fatal(err)
			}
			resp, err := v.client.Get(callback)
			if err != nil && reset(err) {
				resp, err = v.client.Get(callback)
			}
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
