package pkce_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R27
func TestHundredCallersShareOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		var waiting []<-chan promise
		for range 100 {
			waiting = append(waiting, ask(func() (*pkce.Token, error) { return a.Token(t.Context()) }))
		}
		synctest.Wait()
		release()
		for _, c := range waiting {
			if got := <-c; got.err != nil || got.token.AccessToken() != "access-1" {
				t.Fatalf("Token = %v, %v", got.token, got.err)
			}
		}
		r.endpoint.mustCount(t, 1)
		if ev := r.mustTell(t, pkce.RefreshRefreshed); ev.Waiters != 100 || ev.Background {
			t.Errorf("OnRefresh was told of %d waiters, background %v", ev.Waiters, ev.Background)
		}
	})
}

// R27: a caller who found the token expired, and then came late, does not
// refresh once more.
func TestLateCallerUsesTheRefreshedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		late := &lookingClock{Clock: r.clock}
		r.cfg.Clock = late
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		late.looks = func() {
			if _, err := a.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}
		mustGet(t, a, "access-1")
		r.endpoint.mustCount(t, 1)
	})
}

// lookingClock calls looks, once, after somebody was told the time.
type lookingClock struct {
	*fakeclock.Clock
	looks func()
}

func (c *lookingClock) Now() time.Time {
	now := c.Clock.Now()
	if looks := c.looks; looks != nil {
		c.looks = nil
		looks()
	}
	return now
}

// R27: many callers in the window ahead of expiry start one refresh too.
func TestOneRefreshAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(56 * time.Minute)
		release := r.endpoint.hold()
		for range 100 {
			mustGet(t, a, "access-0")
		}
		synctest.Wait()
		r.endpoint.mustCount(t, 1)
		release()
		r.mustTell(t, pkce.RefreshRefreshed)
		mustGet(t, a, "access-1")
		r.endpoint.mustCount(t, 1)
	})
}

// R32
func TestCallerHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		ctx, hangUp := context.WithCancel(t.Context())
		first := ask(func() (*pkce.Token, error) { return a.Token(ctx) })
		second := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		hangUp()
		if got := <-first; !errors.Is(got.err, context.Canceled) {
			t.Fatalf("the caller who hung up got %v, %v", got.token, got.err)
		}
		synctest.Wait()
		release()
		if got := <-second; got.err != nil || got.token.AccessToken() != "access-1" {
			t.Fatalf("the caller who stayed got %v, %v", got.token, got.err)
		}
		r.endpoint.mustCount(t, 1)
		r.store.mustHold(t, "access-1")
	})
}

// R32: with nobody left to wait the refresh still ends in the store.
func TestEveryCallerHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		ctx, hangUp := context.WithCancel(t.Context())
		only := ask(func() (*pkce.Token, error) { return a.Token(ctx) })
		synctest.Wait()
		hangUp()
		<-only
		release()
		r.mustTell(t, pkce.RefreshRefreshed)
		r.store.mustHold(t, "access-1")
		mustGet(t, a, "access-1")
		r.endpoint.mustCount(t, 1)
	})
}

// R34
func TestOmittedRefreshTokenIsKept(t *testing.T) {
	for _, body := range []string{
		`{"access_token":"access-1","token_type":"Bearer","expires_in":3600}`,
		`{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":""}`,
		`{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":null}`,
		`{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-0"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			r.endpoint.says(always(http.StatusOK, nil, body))
			a := r.authenticator()
			r.clock.Advance(time.Hour)
			mustGet(t, a, "access-1")
			if ev := r.mustTell(t, pkce.RefreshRefreshed); ev.Rotated {
				t.Errorf("%s: OnRefresh was told that the refresh token rotated", body)
			}
			if got := a.Current().RefreshToken(); got != "refresh-0" {
				t.Errorf("%s: the refresh token is %q", body, got)
			}
			if got := r.store.token.RefreshToken(); got != "refresh-0" {
				t.Errorf("%s: the stored refresh token is %q", body, got)
			}
			if got := a.Current().Scopes(); len(got) != 1 || got[0] != "user-top-read" {
				t.Errorf("%s: the scopes are %q", body, got)
			}
		})
	}
}

// A rotated refresh token is the one used next.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		for i, want := range []string{"refresh-0", "refresh-1", "refresh-2"} {
			r.clock.Advance(time.Hour)
			if _, err := a.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := r.endpoint.calls[i].Get("refresh_token"); got != want {
				t.Errorf("refresh %d used %s, want %s", i, got, want)
			}
		}
	})
}

// R35: invalid_grant, and nothing else, ends the session.
func TestInvalidGrantEndsTheSession(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			r.endpoint.says(always(status, nil, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`))
			a := r.authenticator()
			r.clock.Advance(time.Hour)
			_, err := a.Token(t.Context())
			if !errors.Is(err, pkce.ErrReauthorize) || errors.Is(err, pkce.ErrTemporary) {
				t.Fatalf("Token: %v, want ErrReauthorize", err)
			}
			ev := r.mustTell(t, pkce.RefreshReauthorize)
			if refused, ok := errors.AsType[*pkce.TokenError](ev.Err); !ok || refused.Description != "Refresh token revoked" || ev.Token != nil {
				t.Errorf("OnRefresh was told %+v", ev)
			}
			r.store.mustHold(t, "")
			r.store.mustBeIdle(t)
			if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) || !a.Ended() {
				t.Errorf("Token: %v, want ErrReauthorize", err)
			}
			r.endpoint.mustCount(t, 1)
		})
	}
}

// R35: a record that cannot be deleted does not keep the session alive.
func TestInvalidGrantWithStoreThatCannotDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(always(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`))
		a := r.cfg.NewAuthenticator(r.store.token, undeletable{r.store})
		r.clock.Advance(time.Hour)
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Token: %v, want ErrReauthorize", err)
		}
		if ev := r.mustTell(t, pkce.RefreshReauthorize); !errors.Is(ev.Err, errDown) {
			t.Errorf("OnRefresh was told %v", ev.Err)
		}
		r.store.mustBeIdle(t)
	})
}

type undeletable struct{ *store }

func (undeletable) Delete(context.Context, *pkce.Token) error { return errDown }

// A token within the margin is due, and a caller waits for its successor.
func TestRefreshTellsWhenAndHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		r.clock.Advance(3 * time.Second)
		release()
		<-waiting
		ev := r.mustTell(t, pkce.RefreshRefreshed)
		if !ev.Started.Equal(noon.Add(time.Hour)) || ev.Duration != 3*time.Second {
			t.Errorf("started %v, took %v", ev.Started, ev.Duration)
		}
		// A token's life counts from before it was asked for.
		if got := ev.Token.Expiry(); !got.Equal(noon.Add(2 * time.Hour)) {
			t.Errorf("expires %v", got)
		}
	})
}
