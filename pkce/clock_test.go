package pkce_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// wrapped is the system's clock, in a type that the package does not know.
type wrapped struct{ pkce.SystemClock }

// The system's clock counts as any other does, on both of its hands.
func TestSystemClock(t *testing.T) {
	for name, clock := range map[string]pkce.Clock{"default": nil, "system's": pkce.SystemClock{}, "another": wrapped{}} {
		for hand, lives := range map[string]struct{ wall, granted time.Duration }{
			"wall":      {time.Hour, 100 * time.Hour},
			"monotonic": {100 * time.Hour, time.Hour},
		} {
			t.Run(name+" "+hand, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig()
					r.cfg.Clock = clock
					a := r.cfg.NewAuthenticator(pkce.NewToken(pkce.TokenFields{
						AccessToken: "access-0", RefreshToken: "refresh-0",
						Expiry: time.Now().Add(lives.wall), Lifetime: lives.granted,
					}), nil)
					time.Sleep(55*time.Minute - time.Second) // in the bubble's time
					mustGet(t, a, "access-0")
					synctest.Wait()
					r.endpoint.mustCount(t, 0)
					time.Sleep(2 * time.Second)
					mustGet(t, a, "access-0")
					synctest.Wait()
					mustGet(t, a, "access-1")
					r.endpoint.mustCount(t, 1)
				})
			})
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fakeclock.New(noon)
		for _, d := range []time.Duration{0, -time.Second} {
			if err := pkce.Sleep(t.Context(), clock, d); err != nil {
				t.Errorf("Sleep of %s: %v", d, err)
			}
		}
		slept := make(chan error, 1)
		go func() { slept <- pkce.Sleep(t.Context(), clock, time.Minute) }()
		synctest.Wait()
		clock.Advance(time.Minute - 1)
		synctest.Wait()
		select {
		case <-slept:
			t.Fatal("Sleep came back early")
		default:
		}
		clock.Advance(1)
		if err := <-slept; err != nil {
			t.Errorf("Sleep: %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() { slept <- pkce.Sleep(ctx, clock, time.Minute) }()
		synctest.Wait()
		cancel()
		if err := <-slept; !errors.Is(err, context.Canceled) {
			t.Errorf("Sleep: %v, want context.Canceled", err)
		}
		if err := pkce.Sleep(ctx, clock, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("Sleep with a context that has ended: %v", err)
		}
		if n := clock.Timers(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}
