package pkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R38: a session that ends while its refresh waits for the lease asks for no
// token, even if its record is still there.
func TestEndBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		other, err := r.store.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		a.End()
		_ = other.Release(t.Context())
		if got := <-waiting; !errors.Is(got.err, pkce.ErrReauthorize) {
			t.Errorf("Token = %v, %v", got.token, got.err)
		}
		r.mustTell(t, pkce.RefreshSuperseded)
		r.endpoint.mustCount(t, 0)
		r.store.mustBeIdle(t)
	})
}

// A session that ends while its refresh fails is over, and not to be tried again.
func TestEndDuringFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(unreachable)
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		a.End()
		release()
		if got := <-waiting; !errors.Is(got.err, pkce.ErrReauthorize) || errors.Is(got.err, pkce.ErrTemporary) {
			t.Errorf("Token = %v, %v", got.token, got.err)
		}
		if ev := r.mustTell(t, pkce.RefreshSuperseded); ev.Token != nil {
			t.Errorf("OnRefresh was told of %v", ev.Token)
		}
		r.store.mustBeIdle(t)
	})
}

// R38: a logout with the save under way: whatever the store makes of it, the
// session stays over and the lease goes back.
func TestEndDuringFirstSave(t *testing.T) {
	for name, fails := range map[string]bool{"that works": false, "that fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				a := r.authenticator()
				r.clock.Advance(time.Hour)
				gate := make(chan struct{})
				r.store.change(func(s *store) { s.readOnly, s.saveGate = fails, gate })
				waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
				synctest.Wait()
				a.End()
				close(gate)
				if got := <-waiting; !errors.Is(got.err, pkce.ErrReauthorize) {
					t.Errorf("Token = %v, %v", got.token, got.err)
				}
				r.mustTell(t, pkce.RefreshSuperseded)
				r.store.mustBeIdle(t)
				if n := r.clock.Timers(); n != 0 || !a.Ended() {
					t.Errorf("%d timers are left, ended is %v", n, a.Ended())
				}
			})
		})
	}
}
