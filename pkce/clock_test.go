package pkce_test

import (
	"testing"
	"testing/synctest"
	"time"

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
