package pkce_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R31 R33 R38: whatever happens to the store, and in whatever order three
// processes refresh, a server that revokes a used refresh token at once never
// sees one twice, nobody is logged out, and the newest token ends up stored.
func TestDisorder(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { disorder(t, rand.New(rand.NewPCG(seed, 0)), -1) })
		})
	}
}

// R38: the same with a logout in the midst of it: nothing undoes that.
func TestLogoutInDisorder(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { disorder(t, rand.New(rand.NewPCG(seed, 1)), 100) })
		})
	}
}

// disorder lets 200 things happen, and a logout after so many of them unless
// that is negative.
func disorder(t *testing.T, random *rand.Rand, logout int) {
	r := newRig()
	newest := "refresh-0"
	r.endpoint.says(func(call int, form url.Values) (*http.Response, error) {
		if form.Get("refresh_token") != newest {
			t.Errorf("call %d used %s, the good one is %s", call, form.Get("refresh_token"), newest)
			return answered(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`), nil
		}
		if call%5 == 0 {
			return unreachable(call, form)
		}
		newest = fmt.Sprintf("refresh-%d", call)
		return granted(fmt.Sprintf(`{"access_token":"access-%d","token_type":"Bearer","expires_in":3600,"refresh_token":%q}`, call, newest)), nil
	})
	processes := []*pkce.Authenticator{r.authenticator(), r.authenticator(), r.authenticator()}

	for i := range 200 {
		a := processes[random.IntN(len(processes))]
		if i == logout {
			r.store.change(func(s *store) { s.token = nil })
			a.End()
		}
		switch random.IntN(9) {
		case 0, 1, 2:
			ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		case 3:
			ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		case 4:
			a.Invalidate(a.Current())
		case 5:
			broken := random.IntN(2) == 0
			r.store.change(func(s *store) { s.readOnly = broken })
		case 6:
			broken := random.IntN(4) == 0
			r.store.change(func(s *store) { s.down = broken })
		case 7:
			broken := random.IntN(2) == 0
			r.store.change(func(s *store) { s.lossy = broken })
		case 8:
			r.clock.Advance(time.Duration(random.Int64N(int64(40 * time.Minute))))
		}
		if random.IntN(3) == 0 {
			synctest.Wait()
		}
	}

	r.store.change(func(s *store) { s.readOnly, s.down, s.lossy = false, false, false })
	synctest.Wait() // so that all who were asked have begun
	for i, a := range processes {
		if err := a.Flush(t.Context()); err != nil {
			t.Errorf("Flush of process %d: %v", i, err)
		}
		if logout >= 0 {
			_, _ = a.Refresh(t.Context()) // by now each process has to find out
		}
		if a.Ended() != (logout >= 0) {
			t.Errorf("process %d has ended: %v", i, a.Ended())
		}
	}
	synctest.Wait()
	switch {
	case logout >= 0:
		r.store.mustHold(t, "")
	case r.store.token == nil:
		t.Error("the session was deleted")
	case r.store.token.RefreshToken() != newest:
		t.Errorf("stored is %s, the good one is %s", r.store.token.RefreshToken(), newest)
	}
	r.store.mustBeIdle(t)
	if n := r.clock.Timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// Sessions have no goroutine of their own, not even with a save pending.
func TestNoGoroutinePerSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		var rigs []*rig
		var sessions []*pkce.Authenticator
		for range 50 {
			r, a := readOnly(t)
			rigs, sessions = append(rigs, r), append(sessions, a)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("50 sessions have %d goroutines", n)
		}
		for i, a := range sessions {
			if i%2 == 0 {
				a.End()
			} else {
				rigs[i].store.change(func(s *store) { s.readOnly = false })
			}
			if err := a.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			rigs[i].store.mustBeIdle(t)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d goroutines are left", n)
		}
	})
}
