package pkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// backingOff returns a rig and an Authenticator that is to wait for a minute at
// least, because the token endpoint says so.
func backingOff(t *testing.T) (*rig, *pkce.Authenticator) {
	t.Helper()
	r := newRig()
	r.endpoint.says(always(503, map[string][]string{"Retry-After": {"60"}}, ""))
	a := r.authenticator()
	r.clock.Advance(time.Hour)
	mustWait(t, a)
	return r, a
}

func mustWait(t *testing.T, a *pkce.Authenticator) {
	t.Helper()
	_, err := a.Token(t.Context())
	if temporary, ok := errors.AsType[*pkce.TemporaryError](err); !ok || temporary.RetryAfter <= 0 || temporary.Err == nil {
		t.Fatalf("Token: %v, want a TemporaryError", err)
	}
}

// R43: who backs off adopts what another process has saved, within a second, and
// asks neither the token endpoint nor for the lease.
func TestBackingOffAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := backingOff(t)
		r.store.change(func(s *store) { s.token = r.grant("other", "refresh-other", time.Hour) })
		r.clock.Advance(time.Second)
		mustGet(t, a, "other")
		ev := r.mustTell(t, pkce.RefreshAdopted)
		if ev.Token.AccessToken() != "other" || ev.Err != nil || ev.Waiters != 1 || ev.Background {
			t.Errorf("OnRefresh was told %+v", ev)
		}
		r.endpoint.mustCount(t, 1)
		if n := r.store.did("acquire"); n != 1 {
			t.Errorf("the lease was asked for %d times, want once", n)
		}
		r.store.mustBeIdle(t)

		// The failures are forgotten.
		r.endpoint.says(nil)
		r.clock.Advance(time.Hour)
		mustGet(t, a, "access-2")
	})
}

// R43: however many ask, and however often, the store is asked twice a second.
func TestBackingOffLooksNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := backingOff(t)
		before := r.store.did("load")
		mustWait(t, a)
		if r.store.did("load") != before {
			t.Error("the store was asked right after the refresh that had asked it")
		}
		for range 100 {
			var waiting []<-chan promise
			for range 5 {
				waiting = append(waiting, ask(func() (*pkce.Token, error) { return a.Token(t.Context()) }))
			}
			for _, w := range waiting {
				if got := <-w; !errors.Is(got.err, pkce.ErrTemporary) {
					t.Fatalf("Token: %v, want ErrTemporary", got.err)
				}
			}
			r.clock.Advance(100 * time.Millisecond)
		}
		if n := r.store.did("load") - before; n < 15 || n > 20 {
			t.Errorf("the store was asked %d times in ten seconds", n)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.events) != 1 {
			t.Errorf("OnRefresh was called %d times; a look that finds nothing is no attempt", len(r.events))
		}
		r.store.mustBeIdle(t)
	})
}

// R43: what else a look may find.
func TestBackingOffLooks(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*rig)
		err     error
	}{
		"nothing":            {func(*rig) {}, pkce.ErrTemporary},
		"an expired token":   {func(r *rig) { r.store.token = r.grant("old", "refresh-old", time.Second) }, pkce.ErrTemporary},
		"store out of reach": {func(r *rig) { r.store.down = true }, pkce.ErrTemporary},
		"logout elsewhere":   {func(r *rig) { r.store.token = nil }, pkce.ErrReauthorize},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, a := backingOff(t)
				r.store.change(func(*store) { test.happens(r) })
				r.clock.Advance(time.Second)
				_, err := a.Token(t.Context())
				if !errors.Is(err, test.err) || errors.Is(err, pkce.ErrPersister) {
					t.Errorf("Token: %v, want %v", err, test.err)
				}
				r.endpoint.mustCount(t, 1)
				r.store.mustBeIdle(t)
				if a.Ended() != (test.err == pkce.ErrReauthorize) {
					t.Errorf("Ended: %v", a.Ended())
				}
			})
		})
	}
}

// R36, R43: a token that is still valid is served without waiting for the look,
// which goes on in the background.
func TestBackingOffWithAValidToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(always(503, map[string][]string{"Retry-After": {"60"}}, ""))
		a := r.authenticator()
		r.clock.Advance(59*time.Minute + 30*time.Second)
		mustGet(t, a, "access-0")
		r.store.change(func(s *store) { s.token = r.grant("other", "refresh-other", time.Hour) })
		r.clock.Advance(time.Second)
		mustGet(t, a, "access-0")
		synctest.Wait()
		mustGet(t, a, "other")
		r.endpoint.mustCount(t, 1)
	})
}

// A refresh that is forced is made, even if it comes in the middle of a look.
func TestRefreshDuringALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := backingOff(t)
		r.endpoint.says(nil)
		r.clock.Advance(time.Second)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.loadGate = gate })
		looking := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		forced := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		synctest.Wait()
		close(gate)
		if got := <-forced; got.err != nil || got.token.AccessToken() != "access-2" {
			t.Errorf("Refresh: %v, %v", got.token, got.err)
		}
		<-looking
		r.endpoint.mustCount(t, 2)
		r.store.mustBeIdle(t)
	})
}

// R36: a store that hangs keeps nobody waiting for long.
func TestLookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := backingOff(t)
		gate := make(chan struct{})
		defer close(gate)
		r.store.change(func(s *store) { s.loadGate = gate })
		r.clock.Advance(time.Second)
		began := time.Now()
		mustWait(t, a)
		if took := time.Since(began); took > time.Second {
			t.Errorf("Token took %s", took)
		}
	})
}

// R38: what is stored is older than what waits to be saved, so nobody looks.
func TestBackingOffWithAPendingSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		r.endpoint.says(always(503, map[string][]string{"Retry-After": {"60"}}, ""))
		r.clock.Advance(time.Hour)
		mustWait(t, a)
		before := r.store.did("load")
		r.clock.Advance(time.Second)
		mustWait(t, a)
		if n := r.store.did("load") - before; n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		a.End()
	})
}

// A session that is in memory only has no store to look into.
func TestBackingOffWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(always(503, map[string][]string{"Retry-After": {"60"}}, ""))
		a := r.cfg.NewAuthenticator(r.store.token, nil)
		r.clock.Advance(time.Hour)
		for range 3 {
			mustWait(t, a)
			r.clock.Advance(time.Second)
		}
		r.endpoint.mustCount(t, 1)
	})
}
