package pkce_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// heir is a store whose leases follow one that expired.
type heir struct{ *store }

func (h heir) Acquire(ctx context.Context) (pkce.Lease, error) {
	l, err := h.store.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return inherited{l}, nil
}

type inherited struct{ pkce.Lease }

func (inherited) AfterExpiry() bool { return true }

// afterExpiry returns a rig with an Authenticator whose token has expired, and
// that has just got the lease of a process that never released it.
func afterExpiry(t *testing.T) (*rig, *pkce.Authenticator, <-chan promise) {
	t.Helper()
	r := newRig()
	a := r.cfg.NewAuthenticator(r.store.token, heir{r.store})
	r.clock.Advance(time.Hour)
	waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
	synctest.Wait()
	r.endpoint.mustCount(t, 0)
	return r, a, waiting
}

// tick lets so much time pass, as a ticking clock does.
func (r *rig) tick(d time.Duration) {
	for ; d > 0; d -= 100 * time.Millisecond {
		r.clock.Advance(100 * time.Millisecond)
		synctest.Wait()
	}
}

// R31, R33: a process that was cut off from the store between redemption and
// save lost its lease. Whoever has the lease now gives it the time to save.
func TestLateSaveIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, waiting := afterExpiry(t)
		r.tick(500 * time.Millisecond)
		r.store.change(func(s *store) { s.token = r.grant("late", "refresh-late", time.Hour) })
		r.tick(time.Second)
		if got := <-waiting; got.err != nil || got.token.AccessToken() != "late" {
			t.Fatalf("Token = %v, %v", got.token, got.err)
		}
		r.mustTell(t, pkce.RefreshAdopted)
		r.endpoint.mustCount(t, 0)
		r.store.mustBeIdle(t)
	})
}

// R41, R44: if the process before died, its successor refreshes after a moment.
func TestLateSaveThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, waiting := afterExpiry(t)
		r.tick(900 * time.Millisecond)
		r.endpoint.mustCount(t, 0)
		r.tick(300 * time.Millisecond)
		if got := <-waiting; got.err != nil || got.token.AccessToken() != "access-1" {
			t.Fatalf("Token = %v, %v", got.token, got.err)
		}
		r.endpoint.mustCount(t, 1)
		synctest.Wait()
		r.store.mustBeIdle(t)
		if n := r.clock.Timers(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// R36: a token that is still valid is served meanwhile.
func TestValidTokenIsServedWhileALateSaveIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.cfg.NewAuthenticator(r.store.token, heir{r.store})
		r.clock.Advance(56 * time.Minute)
		for range 3 {
			mustGet(t, a, "access-0")
			r.tick(250 * time.Millisecond)
		}
		r.endpoint.mustCount(t, 0)
		r.tick(2 * time.Second)
		mustGet(t, a, "access-1")
	})
}

// R31, R35: the process before was held up between its last look at the lease and
// the request, which came in just before that of its heir. Its heir is refused,
// and waits for the save instead of ending the session.
func TestRefusalAfterExpiryAwaitsTheSave(t *testing.T) {
	for name, saved := range map[string]bool{"that comes": true, "that does not come": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _, waiting := afterExpiry(t)
				r.endpoint.says(always(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`))
				r.tick(1200 * time.Millisecond)
				r.endpoint.mustCount(t, 1)
				r.store.mustHold(t, "access-0")
				r.tick(500 * time.Millisecond)
				if saved {
					r.store.change(func(s *store) { s.token = r.grant("late", "refresh-late", time.Hour) })
				}
				r.tick(700 * time.Millisecond)
				got := <-waiting
				if saved && (got.err != nil || got.token.AccessToken() != "late") {
					t.Errorf("Token = %v, %v", got.token, got.err)
				}
				if !saved && !errors.Is(got.err, pkce.ErrReauthorize) {
					t.Errorf("Token: %v, want ErrReauthorize", got.err)
				}
				r.endpoint.mustCount(t, 1)
				synctest.Wait()
				r.store.mustBeIdle(t)
			})
		})
	}
}

// R31, R35: who has lost the lease is refused, because its heir redeemed the
// token first. The record is the heir's to save, and not to be deleted.
func TestRefusalAfterTheLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.endpoint.says(always(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`))
		answer := r.endpoint.hold()
		r.clock.Advance(time.Hour)
		waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		r.store.loseLease()
		answer()
		if got := <-waiting; !errors.Is(got.err, pkce.ErrTemporary) {
			t.Errorf("Token: %v, %v, want ErrTemporary", got.token, got.err)
		}
		r.store.mustHold(t, "access-0")
		r.store.change(func(s *store) { s.token = r.grant("heir", "refresh-heir", time.Hour) })
		r.clock.Advance(time.Second)
		mustGet(t, a, "heir")
	})
}

// R29, R38: what happens while a late save is awaited counts.
func TestWaitForALateSaveEnds(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*rig, *pkce.Authenticator)
		err     error
	}{
		"lease lost":         {func(r *rig, _ *pkce.Authenticator) { r.store.loseLease() }, pkce.ErrTemporary},
		"logout here":        {func(_ *rig, a *pkce.Authenticator) { a.End() }, pkce.ErrReauthorize},
		"logout elsewhere":   {func(r *rig, _ *pkce.Authenticator) { r.store.change(func(s *store) { s.token = nil }) }, pkce.ErrReauthorize},
		"store out of reach": {func(r *rig, _ *pkce.Authenticator) { r.store.change(func(s *store) { s.down = true }) }, pkce.ErrPersister},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, a, waiting := afterExpiry(t)
				test.happens(r, a)
				r.tick(time.Second)
				if got := <-waiting; !errors.Is(got.err, test.err) {
					t.Errorf("Token = %v, %v, want %v", got.token, got.err, test.err)
				}
				r.endpoint.mustCount(t, 0)
			})
		})
	}
}

// O51: a store that is back is not kept waiting for as long as a token endpoint
// would be, and the error tells the one from the other.
func TestBackoffOfTheStoreIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.store.change(func(s *store) { s.down = true })
		r.clock.Advance(time.Hour)
		for range 10 {
			_, err := a.Token(t.Context())
			temporary, ok := errors.AsType[*pkce.TemporaryError](err)
			if !ok || !errors.Is(err, pkce.ErrPersister) {
				t.Fatalf("Token: %v, want a TemporaryError that is an ErrPersister", err)
			}
			if temporary.RetryAfter > 7*time.Second {
				t.Errorf("Token asks to wait for %s", temporary.RetryAfter)
			}
			r.clock.Advance(temporary.RetryAfter)
		}
		r.store.change(func(s *store) { s.down = false })
		r.clock.Advance(7 * time.Second)
		mustGet(t, a, "access-1")
	})
}
