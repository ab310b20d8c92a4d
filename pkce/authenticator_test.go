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

func TestTokenByAge(t *testing.T) {
	for _, tc := range []struct {
		name       string
		age        time.Duration
		access     string // what Token returns
		background bool   // whether a refresh runs beside it
	}{
		{"new", 0, "access-0", false},
		{"just before it is refreshed ahead", 55*time.Minute - time.Second, "access-0", false},
		{"refreshed ahead", 55 * time.Minute, "access-0", true},
		{"just outside the margin", 59*time.Minute - time.Second, "access-0", true},
		{"within the margin", 59 * time.Minute, "access-1", false},
		{"expired", time.Hour, "access-1", false},
		{"long expired", 1000 * time.Hour, "access-1", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				a := r.authenticator()
				r.clock.Advance(tc.age)
				mustGet(t, a, tc.access)
				if tc.access == "access-0" && !tc.background {
					synctest.Wait()
					r.endpoint.mustCount(t, 0)
					return
				}
				ev := r.mustTell(t, pkce.RefreshRefreshed)
				if ev.Background != tc.background || !ev.Rotated || ev.Token.AccessToken() != "access-1" || ev.Err != nil {
					t.Errorf("OnRefresh was told %+v", ev)
				}
				mustGet(t, a, "access-1")
				r.endpoint.mustCount(t, 1)
				r.store.mustHold(t, "access-1")
				r.store.mustBeIdle(t)
			})
		})
	}
}

// Tokens that live shorter than the margins must neither wait nor be refreshed
// all the time.
func TestTokenOfShortLife(t *testing.T) {
	for _, tc := range []struct {
		name  string
		token func(r *rig) *pkce.Token
	}{
		{"known", func(r *rig) *pkce.Token { return r.grant("access-0", "refresh-0", 4*time.Second) }},
		{"from its expiry", func(r *rig) *pkce.Token {
			return pkce.NewToken(pkce.TokenFields{AccessToken: "access-0", RefreshToken: "refresh-0", Expiry: r.clock.Now().Add(4 * time.Second)})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				a := r.cfg.NewAuthenticator(tc.token(r), nil)
				for range 10 {
					mustGet(t, a, "access-0")
				}
				r.clock.Advance(1900 * time.Millisecond)
				mustGet(t, a, "access-0")
				synctest.Wait()
				r.endpoint.mustCount(t, 0)
				r.clock.Advance(200 * time.Millisecond)
				mustGet(t, a, "access-0") // half its life is over
				synctest.Wait()
				r.endpoint.mustCount(t, 1)
			})
		})
	}
}

func TestTokenWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.cfg.NewAuthenticator(pkce.NewToken(pkce.TokenFields{AccessToken: "access-0", RefreshToken: "refresh-0"}), nil)
		r.clock.Advance(10_000 * time.Hour)
		mustGet(t, a, "access-0")
		a.Invalidate(a.Current())
		mustGet(t, a, "access-1")
	})
}

// A token that cannot be refreshed is used to its end.
func TestTokenWithoutRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.cfg.NewAuthenticator(r.grant("access-0", "", time.Hour), nil)
		r.clock.Advance(time.Hour - time.Second)
		mustGet(t, a, "access-0")
		r.clock.Advance(time.Second)
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Token: %v, want ErrReauthorize", err)
		}
		r.endpoint.mustCount(t, 0)
	})
}

func TestInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		first := a.Current()

		// The same token read again is the same token.
		a.Invalidate(pkce.NewToken(first.Fields()))
		mustGet(t, a, "access-1")
		a.Invalidate(first) // a late 401 for a token that is gone
		a.Invalidate(nil)
		mustGet(t, a, "access-1")
		r.endpoint.mustCount(t, 1)
	})
}

func TestRefreshNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		token, err := a.Refresh(t.Context())
		if err != nil || token.AccessToken() != "access-1" {
			t.Fatalf("Refresh = %v, %v", token, err)
		}
		mustGet(t, a, "access-1")

		// A Refresh joins the one under way.
		release := r.endpoint.hold()
		one := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		two := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		synctest.Wait()
		release()
		for _, c := range []<-chan promise{one, two} {
			if got := <-c; got.err != nil || got.token.AccessToken() != "access-2" {
				t.Errorf("Refresh = %v, %v", got.token, got.err)
			}
		}
		r.endpoint.mustCount(t, 2)
	})
}

func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		older := r.grant("older", "refresh-x", 30*time.Minute)
		newer := r.grant("newer", "refresh-y", 2*time.Hour)

		a.Adopt(older)
		mustGet(t, a, "access-0")
		a.Adopt(newer)
		mustGet(t, a, "newer")

		// What a refresh in flight brings counts more: it read the store itself.
		release := r.endpoint.hold()
		r.store.change(func(s *store) { s.token = newer })
		waiting := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		synctest.Wait()
		a.Adopt(r.grant("newest", "refresh-z", 3*time.Hour))
		if got := a.Current().AccessToken(); got != "newer" {
			t.Errorf("adopted %s during a refresh", got)
		}
		release()
		if got := <-waiting; got.err != nil {
			t.Errorf("Refresh: %v", got.err)
		}
		synctest.Wait()
		a.End()
		a.Adopt(r.grant("newest", "refresh-z", 3*time.Hour))
		if !a.Ended() {
			t.Error("Adopt brought an ended session back")
		}
	})
}

// A token found in the store ends the waiting for a sick token endpoint.
func TestAdoptEndsBackingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		r.endpoint.says(unreachable)
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrTemporary) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
		newer := r.grant("newer", "refresh-0", time.Second)
		a.Adopt(newer)
		r.store.change(func(s *store) { s.token = newer })
		mustGet(t, a, "newer")
		r.endpoint.says(nil)
		r.clock.Advance(900 * time.Millisecond) // less than the first back-off, within the margin
		mustGet(t, a, "access-2")
	})
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		if a.Ended() || a.Persister() != r.store {
			t.Fatal("a new session has ended, or has another persister")
		}
		a.End()
		a.End()
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Errorf("Token: %v, want ErrReauthorize", err)
		}
		if _, err := a.Refresh(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Errorf("Refresh: %v, want ErrReauthorize", err)
		}
		if _, err := a.TokenSource().Token(); !errors.Is(err, pkce.ErrReauthorize) {
			t.Errorf("TokenSource: %v, want ErrReauthorize", err)
		}
		a.Invalidate(r.store.token)
		if a.Current() != nil || !a.Ended() {
			t.Error("the session has not ended")
		}
		r.endpoint.mustCount(t, 0)
	})
}

func TestTokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		got, err := r.authenticator().TokenSource().Token()
		if err != nil {
			t.Fatal(err)
		}
		if got.AccessToken != "access-0" || got.Type() != "Bearer" || !got.Expiry.Equal(noon.Add(time.Hour)) {
			t.Errorf("Token = %v, expires %v", got.AccessToken, got.Expiry)
		}
	})
}

// The values of the caller's context reach the token endpoint's client, for
// tracing; its end does not.
func TestRefreshKeepsContextValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		r := newRig()
		seen := make(chan any, 1)
		r.cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			seen <- req.Context().Value(key{})
			return r.endpoint.RoundTrip(req)
		})}
		if _, err := r.authenticator().Refresh(context.WithValue(t.Context(), key{}, "value")); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != "value" {
			t.Errorf("the context's value is %v", got)
		}
	})
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
