package pkce_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R27 R28: two processes share a store, the server revokes the grant when it
// sees a used refresh token again, and in each of ten rounds a hundred requests
// come to either at expiry. There is one refresh a round.
func TestTwoHundredCallersOfTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		good := "refresh-0"
		r.endpoint.says(func(call int, form url.Values) (*http.Response, error) {
			if form.Get("refresh_token") != good {
				t.Errorf("call %d used %s, the good one is %s", call, form.Get("refresh_token"), good)
				return answered(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`), nil
			}
			good = fmt.Sprintf("refresh-%d", call)
			return granted(fmt.Sprintf(`{"access_token":"access-%d","token_type":"Bearer","expires_in":3600,"refresh_token":%q}`, call, good)), nil
		})
		processes := []*pkce.Authenticator{r.authenticator(), r.authenticator()}
		for round := 1; round <= 10; round++ {
			r.clock.Advance(time.Hour)
			var waiting []<-chan promise
			for i := range 200 {
				a := processes[i%2]
				waiting = append(waiting, ask(func() (*pkce.Token, error) { return a.Token(t.Context()) }))
			}
			want := fmt.Sprintf("access-%d", round)
			for _, c := range waiting {
				if got := <-c; got.err != nil || got.token.AccessToken() != want {
					t.Fatalf("round %d: Token = %v, %v", round, got.token, got.err)
				}
			}
			r.endpoint.mustCount(t, round)
			r.store.mustHold(t, want)
		}
		synctest.Wait()
		r.store.mustBeIdle(t)
	})
}
