package pkce_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// A refresh is not over when its token comes into use: the lease goes back and
// OnRefresh is called after that.

// tail returns a rig and an Authenticator whose refresh has brought access-1,
// and whose lease goes back when the gate is closed.
func tail(t *testing.T) (*rig, *pkce.Authenticator, chan struct{}) {
	t.Helper()
	r := newRig()
	a := r.authenticator()
	gate := make(chan struct{})
	r.store.change(func(s *store) { s.releaseGate = gate })
	r.clock.Advance(56 * time.Minute)
	mustGet(t, a, "access-0") // ahead: refreshed in the background
	synctest.Wait()
	mustGet(t, a, "access-1")
	return r, a, gate
}

// R39: the API refuses the new token while the refresh that brought it is not
// over. Whoever asks then gets a newer one, and not the one refused.
func TestInvalidateAtTheTailOfARefresh(t *testing.T) {
	for name, get := range map[string]func(*pkce.Authenticator, context.Context) (*pkce.Token, error){
		"Token":   (*pkce.Authenticator).Token,
		"Refresh": (*pkce.Authenticator).Refresh,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, a, gate := tail(t)
				a.Invalidate(a.Current())
				waiting := ask(func() (*pkce.Token, error) { return get(a, t.Context()) })
				synctest.Wait()
				r.endpoint.mustCount(t, 1) // the lease is not back yet
				close(gate)
				if got := <-waiting; got.err != nil || got.token.AccessToken() != "access-2" {
					t.Errorf("after Invalidate: %v (%v), want access-2", got.token, got.err)
				}
				r.endpoint.mustCount(t, 2)
				synctest.Wait()
				r.store.mustBeIdle(t)
			})
		})
	}
}

// Whoever waited for a refresh from its start does not get a token that was
// refused meanwhile either, and many of them make one more refresh.
func TestInvalidateWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.releaseGate = gate })
		answer := r.endpoint.hold()
		r.clock.Advance(time.Hour)
		var waiting []<-chan promise
		for range 10 {
			waiting = append(waiting, ask(func() (*pkce.Token, error) { return a.Token(t.Context()) }))
		}
		synctest.Wait()
		answer()
		synctest.Wait()
		a.Invalidate(a.Current()) // access-1
		close(gate)
		for _, w := range waiting {
			if got := <-w; got.err != nil || got.token.AccessToken() != "access-2" {
				t.Errorf("Token: %v (%v), want access-2", got.token.AccessToken(), got.err)
			}
		}
		r.endpoint.mustCount(t, 2)
	})
}

// An API that refuses every token costs a caller two refreshes and no more.
func TestRefusedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.cfg.OnRefresh = func(a *pkce.Authenticator, _ pkce.RefreshEvent) { a.Invalidate(a.Current()) }
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		mustGet(t, a, "access-2")
		r.endpoint.mustCount(t, 2)
	})
}

// R38: while the lease of a save that was pending goes back, and takes its time,
// the next refresh's save fails as well, and its retry is over before that.
func TestLeaseOfAPendingSaveComesBackLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.readOnly, s.releaseGate = false, gate })
		r.clock.Advance(time.Second)
		synctest.Wait() // access-1 is stored, and its Release hangs
		r.store.mustHold(t, "access-1")
		// The Release has had its effect already; only its answer is late.
		<-r.store.lease
		r.store.change(func(s *store) { s.releaseGate, s.readOnly = nil, true })
		if _, err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.store.change(func(s *store) { s.readOnly = false })
		r.clock.Advance(time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-2")
		r.store.lease <- struct{}{} // for the late Release to find something
		close(gate)
		synctest.Wait()
		mustGet(t, a, "access-2")
		r.store.mustBeIdle(t)
	})
}
