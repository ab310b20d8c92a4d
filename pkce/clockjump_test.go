package pkce_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R40: the clock was set forward. The token counts as expired, once.
func TestClockJumpsForward(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			a := r.authenticator()
			r.clock.Jump(jump)
			for range 100 {
				mustGet(t, a, "access-1")
			}
			r.clock.Jump(-jump) // and back again
			for range 100 {
				mustGet(t, a, "access-1")
			}
			synctest.Wait()
			r.endpoint.mustCount(t, 1)

			// What was granted in that false future lives an hour all the same.
			r.clock.Advance(time.Hour)
			mustGet(t, a, "access-2")
		})
	}
}

// R40: the clock was set back. The token does not live longer for it.
func TestClockJumpsBack(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			a := r.authenticator()
			r.clock.Jump(-jump)
			for range 100 {
				mustGet(t, a, "access-0")
			}
			synctest.Wait()
			r.endpoint.mustCount(t, 0)
			r.clock.Advance(time.Hour)
			for range 100 {
				mustGet(t, a, "access-1")
			}
			r.endpoint.mustCount(t, 1)
		})
	}
}

// R40: the clock was set back while the process was down. The stored expiry
// lies too far ahead; the granted lifetime bounds it.
func TestClockJumpsBackBetweenProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.clock.Jump(-24 * time.Hour)
		a := r.authenticator()
		mustGet(t, a, "access-0")
		r.clock.Advance(time.Hour)
		mustGet(t, a, "access-1")
	})
}

// R40: a machine that slept has a monotonic clock that stood still.
func TestMachineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Jump(8 * time.Hour)
		mustGet(t, a, "access-1")
		r.endpoint.mustCount(t, 1)
	})
}

// R40: two processes whose clocks are far apart do not refresh in turns.
func TestSkewedProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		behind := r.authenticator()
		clock := fakeclock.New(noon.Add(6 * time.Hour))
		cfg := &pkce.Config{ClientID: r.cfg.ClientID, TokenURL: r.cfg.TokenURL, HTTPClient: r.cfg.HTTPClient, Clock: clock}
		ahead := cfg.NewAuthenticator(r.store.token, r.store)
		for range 24 {
			r.clock.Advance(10 * time.Minute)
			clock.Advance(10 * time.Minute)
			for range 5 {
				for _, a := range []*pkce.Authenticator{behind, ahead} {
					if _, err := a.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
			}
		}
		// Four hours; each may refresh once an hour or so.
		if n := r.endpoint.count(); n > 11 {
			t.Errorf("%d refreshes in four hours", n)
		}
	})
}
