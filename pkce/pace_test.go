package pkce_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// busyOwner puts every refresh off that nobody waits for.
type busyOwner struct {
	*store
	within []time.Duration // what Pace was asked with
}

func (o *busyOwner) Pace(within time.Duration) time.Duration {
	o.within = append(o.within, within)
	return time.Minute
}

// newBusyOwner returns a session of such an owner.
func newBusyOwner() (*rig, *busyOwner, *pkce.Authenticator) {
	r := newRig()
	owner := &busyOwner{store: r.store}
	return r, owner, r.cfg.NewAuthenticator(r.store.token, owner)
}

// R05: what is put off is done in time, and at once when somebody needs it.
func TestPacer(t *testing.T) {
	putOff := func(t *testing.T) (*rig, *busyOwner, *pkce.Authenticator) {
		t.Helper()
		r, owner, a := newBusyOwner()
		r.clock.Advance(56 * time.Minute)
		for range 3 {
			mustGet(t, a, "access-0")
			synctest.Wait()
		}
		if n := r.endpoint.count(); n != 0 {
			t.Fatalf("%d refreshes began, none should have", n)
		}
		// 4 minutes are left, and the last of them is the margin.
		if len(owner.within) != 1 || owner.within[0] != 3*time.Minute {
			t.Fatalf("Pace was asked with %v, want once with 3m", owner.within)
		}
		return r, owner, a
	}
	refreshed := func(t *testing.T, r *rig, a *pkce.Authenticator) {
		t.Helper()
		synctest.Wait()
		mustGet(t, a, "access-1")
		if n := r.endpoint.count(); n != 1 {
			t.Errorf("%d refreshes, want one", n)
		}
		r.store.mustHold(t, "access-1")
		r.store.mustBeIdle(t)
		if n := r.clock.Timers(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	}
	for name, then := range map[string]func(*testing.T, *rig, *pkce.Authenticator){
		"the time is up": func(_ *testing.T, r *rig, _ *pkce.Authenticator) { r.clock.Advance(time.Minute) },
		"a caller cannot do without": func(t *testing.T, r *rig, a *pkce.Authenticator) {
			r.clock.Jump(3*time.Minute + time.Second) // moves no timer
			mustGet(t, a, "access-1")
		},
		"the API refused the token": func(t *testing.T, _ *rig, a *pkce.Authenticator) {
			a.Invalidate(a.Current())
			mustGet(t, a, "access-1")
		},
		"somebody wants it now": func(t *testing.T, _ *rig, a *pkce.Authenticator) {
			if _, err := a.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"shutdown": func(t *testing.T, _ *rig, a *pkce.Authenticator) {
			if err := a.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _, a := putOff(t)
				then(t, r, a)
				refreshed(t, r, a)
			})
		})
	}
	t.Run("logout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _, a := putOff(t)
			a.End()
			r.mustTell(t, pkce.RefreshSuperseded)
			if n := r.endpoint.count(); n != 0 || r.clock.Timers() != 0 {
				t.Errorf("%d refreshes and %d timers after the session ended", n, r.clock.Timers())
			}
			r.store.mustBeIdle(t)
		})
	})
	t.Run("the API refused the token just before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, owner, a := newBusyOwner()
			r.clock.Advance(56 * time.Minute)
			mustGet(t, a, "access-0") // starts a refresh, which has not got on yet
			a.Invalidate(a.Current())
			synctest.Wait()
			if len(owner.within) != 1 || owner.within[0] > 0 {
				t.Errorf("Pace was asked with %v, want once with no time left", owner.within)
			}
			mustGet(t, a, "access-1")
		})
	})
	t.Run("a refresh that is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, owner, a := newBusyOwner()
			r.clock.Advance(2 * time.Hour)
			mustGet(t, a, "access-1")
			if len(owner.within) != 0 {
				t.Errorf("Pace was asked with %v", owner.within)
			}
		})
	})
}
