package pkce_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R30 R31: of two processes one refreshes; the other waits for the lease,
// reads the record again and adopts what it finds.
func TestTwoProcessesRefreshOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		one, two := r.authenticator(), r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		first := ask(func() (*pkce.Token, error) { return one.Token(t.Context()) })
		synctest.Wait()
		second := ask(func() (*pkce.Token, error) { return two.Token(t.Context()) })
		synctest.Wait()
		release()
		for _, c := range []<-chan promise{first, second} {
			if got := <-c; got.err != nil || got.token.AccessToken() != "access-1" {
				t.Fatalf("Token = %v, %v", got.token, got.err)
			}
		}
		r.endpoint.mustCount(t, 1)
		r.event(t)
		told := map[pkce.RefreshOutcome]int{}
		for _, ev := range r.events {
			told[ev.Outcome]++
		}
		if len(r.events) != 2 || told[pkce.RefreshRefreshed] != 1 || told[pkce.RefreshAdopted] != 1 {
			t.Errorf("OnRefresh was told %v", told)
		}
		r.store.mustBegin(t, "acquire", "load", "acquire", "save access-1", "release", "load", "release")
		r.store.mustBeIdle(t)
	})
}

// R30: another process refreshed long ago; this one finds that out with the
// lease in hand and makes no request.
func TestRecordIsReadAgainUnderTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		newer := r.grant("newer", "refresh-n", time.Hour)
		r.store.change(func(s *store) { s.token = newer })
		mustGet(t, a, "newer")
		r.mustTell(t, pkce.RefreshAdopted)
		r.endpoint.mustCount(t, 0)
	})
}

// R30: what another process stored may be about to expire as well. Its refresh
// token is the good one.
func TestStoredTokenThatIsDueIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		due := r.grant("due", "refresh-n", 30*time.Second)
		due = pkce.NewToken(pkce.TokenFields{AccessToken: "due", RefreshToken: "refresh-n", Expiry: due.Expiry(), Lifetime: time.Hour})
		r.store.change(func(s *store) { s.token = due })
		mustGet(t, a, "access-1")
		if got := r.endpoint.calls[0].Get("refresh_token"); got != "refresh-n" {
			t.Errorf("refreshed with %s", got)
		}
		r.store.mustHold(t, "access-1")
	})
}

// R31: another process used the refresh token up without regard to the lease,
// so that ours is refused. Its token is in the store.
func TestLoserAdoptsInsteadOfLoggingOut(t *testing.T) {
	for _, tc := range []struct {
		name   string
		left   time.Duration
		access string
		told   pkce.RefreshOutcome
	}{
		{"good for long", time.Hour, "newer", pkce.RefreshAdopted},
		{"about to expire", time.Second, "access-2", pkce.RefreshRefreshed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				a := r.authenticator()
				r.clock.Advance(time.Hour)
				newer := pkce.NewToken(pkce.TokenFields{
					AccessToken: "newer", RefreshToken: "refresh-n",
					Expiry: r.clock.Now().Add(tc.left), Lifetime: time.Hour,
				})
				r.endpoint.says(func(_ int, form url.Values) (*http.Response, error) {
					if form.Get("refresh_token") == "refresh-n" {
						return granted(`{"access_token":"access-2","token_type":"Bearer","expires_in":3600}`), nil
					}
					r.store.change(func(s *store) { s.token = newer })
					return answered(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`), nil
				})
				mustGet(t, a, tc.access)
				r.mustTell(t, tc.told)
				r.store.mustHold(t, tc.access)
				r.store.mustBeIdle(t)
			})
		})
	}
}

// R31: while the store cannot say whether another process was first, a refusal
// ends nothing.
func TestRefusalWithStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		r.endpoint.says(func(int, url.Values) (*http.Response, error) {
			r.store.change(func(s *store) { s.down = true })
			return answered(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`), nil
		})
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrTemporary) || errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
		r.store.change(func(s *store) { s.down = false })
		r.store.mustHold(t, "access-0")
	})
}

// A process that lost the lease before it redeemed the refresh token leaves
// that to the new holder.
func TestLeaseLostBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.cfg.NewAuthenticator(r.store.token, losing{r.store})
		r.clock.Advance(56 * time.Minute)
		mustGet(t, a, "access-0")
		r.mustTell(t, pkce.RefreshTemporary)
		r.endpoint.mustCount(t, 0)
	})
}

type losing struct{ *store }

func (s losing) Load(ctx context.Context) (*pkce.Token, error) {
	s.loseLease()
	return s.store.Load(ctx)
}

// R38: the lease was lost during the request, and another process stored a
// newer token meanwhile: that one stays.
func TestLeaseLostDuringTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		newer := r.grant("newer", "refresh-n", time.Hour)
		r.endpoint.says(func(int, url.Values) (*http.Response, error) {
			r.store.loseLease()
			r.store.change(func(s *store) { s.token = newer })
			return granted(`{"access_token":"late","token_type":"Bearer","expires_in":3600}`), nil
		})
		mustGet(t, a, "newer")
		r.mustTell(t, pkce.RefreshAdopted)
		r.store.mustHold(t, "newer")
	})
}

// A store that is down does not take a valid token away, and an expired one is
// a temporary failure. Nothing is redeemed that could not be saved.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.store.change(func(s *store) { s.down = true })
		r.clock.Advance(59*time.Minute + 30*time.Second)
		for range 10 {
			mustGet(t, a, "access-0")
		}
		r.clock.Advance(30 * time.Second)
		_, err := a.Token(t.Context())
		if !errors.Is(err, pkce.ErrTemporary) || errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
		r.endpoint.mustCount(t, 0)
		r.store.change(func(s *store) { s.down = false })
		r.clock.Advance(2 * time.Minute)
		mustGet(t, a, "access-1")
	})
}

// Another process that hangs with the lease in hand holds nobody up for ever.
func TestLeaseThatNobodyReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		if _, err := r.store.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		began := time.Now()
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrTemporary) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
		if took := time.Since(began); took != 2*pkce.DefaultTimeout {
			t.Errorf("it took %v", took)
		}
		r.endpoint.mustCount(t, 0)
	})
}

// A session that was deleted elsewhere is over; nothing is redeemed for it.
func TestSessionDeletedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.store.change(func(s *store) { s.token = nil })
		r.clock.Advance(time.Hour)
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Token: %v, want ErrReauthorize", err)
		}
		r.mustTell(t, pkce.RefreshSuperseded)
		r.endpoint.mustCount(t, 0)
		if !a.Ended() {
			t.Error("the session has not ended")
		}
		r.store.mustBeIdle(t)
	})
}
