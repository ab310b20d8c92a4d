package pkce_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// faults is what a token endpoint may answer without ending a grant.
var faults = map[string]func(int, url.Values) (*http.Response, error){
	"unreachable":       unreachable,
	"500":               always(500, nil, ""),
	"502 page":          always(502, http.Header{"Content-Type": {"text/html"}}, "<h1>invalid_grant</h1>"),
	"503 invalid_grant": always(503, nil, `{"error":"invalid_grant"}`),
	"429":               always(429, nil, `{"error":"too_many_requests"}`),
	"200 page":          always(200, http.Header{"Content-Type": {"text/html"}}, "<h1>log in to the hotel</h1>"),
	"200 empty":         always(200, nil, ""),
	"200 cut off":       always(200, nil, `{"access_token":"acc`),
	"200 no token":      always(200, nil, `{"token_type":"Bearer"}`),
	"200 error":         always(200, nil, `{"error":"invalid_grant"}`),
	"400 no error":      always(400, nil, `{"message":"invalid_grant"}`),
	"400 page":          always(400, http.Header{"Content-Type": {"text/html"}}, "invalid_grant"),
	"400 other error":   always(400, nil, `{"error":"invalid_request","error_description":"invalid_grant"}`),
	"401 client":        always(401, nil, `{"error":"invalid_client"}`),
	"403 invalid_grant": always(403, nil, `{"error":"invalid_grant"}`),
	"302":               always(302, http.Header{"Location": {"https://elsewhere.example/"}}, ""),
	"307":               always(307, http.Header{"Location": {"https://elsewhere.example/"}}, ""),
	"bad header value":  always(200, nil, `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}`),
	"not a bearer":      always(200, nil, `{"access_token":"a","token_type":"mac","expires_in":3600}`),
}

// R35 R36: no fault ends the session, and a token that is still valid is
// served, ahead of its expiry and within the margin.
func TestValidTokenIsServedWhileRefreshingFails(t *testing.T) {
	for name, fault := range faults {
		for _, age := range []time.Duration{56 * time.Minute, 59*time.Minute + 30*time.Second, time.Hour - time.Nanosecond} {
			t.Run(name+" at "+age.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig()
					r.endpoint.says(fault)
					a := r.authenticator()
					r.clock.Advance(age)
					for range 50 {
						mustGet(t, a, "access-0")
						synctest.Wait()
					}
					r.endpoint.mustCount(t, 1) // no stampede on a sick endpoint
					if ev := r.mustTell(t, pkce.RefreshTemporary); ev.Err == nil || ev.Token.AccessToken() != "access-0" {
						t.Errorf("OnRefresh was told %+v", ev)
					}
					r.store.mustHold(t, "access-0")
					r.store.mustBeIdle(t)

					r.endpoint.says(nil)
					r.clock.Advance(2 * time.Minute)
					if _, err := a.Token(t.Context()); err != nil {
						t.Fatalf("Token after the fault: %v", err)
					}
					r.mustTell(t, pkce.RefreshRefreshed)
				})
			})
		}
	}
}

// R35: when the token has expired, a fault is temporary and says when to come
// back; nobody asks the endpoint before.
func TestExpiredTokenWhileRefreshingFails(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.endpoint.says(fault)
				a := r.authenticator()
				r.clock.Advance(time.Hour)
				var wait time.Duration
				for i := range 50 {
					_, err := a.Token(t.Context())
					temporary, ok := errors.AsType[*pkce.TemporaryError](err)
					if !ok || !errors.Is(err, pkce.ErrTemporary) || errors.Is(err, pkce.ErrReauthorize) {
						t.Fatalf("Token: %v, want a TemporaryError", err)
					}
					if i > 0 && temporary.RetryAfter != wait || temporary.RetryAfter <= 0 {
						t.Fatalf("RetryAfter is %v, then %v", wait, temporary.RetryAfter)
					}
					wait = temporary.RetryAfter
				}
				r.endpoint.mustCount(t, 1)
				r.store.mustHold(t, "access-0")

				r.clock.Advance(wait - time.Nanosecond)
				if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrTemporary) {
					t.Fatalf("Token: %v, want ErrTemporary", err)
				}
				r.endpoint.mustCount(t, 1)
				r.endpoint.says(nil)
				r.clock.Advance(time.Nanosecond)
				mustGet(t, a, "access-2")
			})
		})
	}
}

// R36: a refresh that an operator forces and that fails takes nothing away.
func TestForcedRefreshThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(unreachable)
		a := r.authenticator()
		if _, err := a.Refresh(t.Context()); !errors.Is(err, pkce.ErrTemporary) {
			t.Fatalf("Refresh: %v, want ErrTemporary", err)
		}
		mustGet(t, a, "access-0")
	})
}

// A token that the API refused is of no use, however long it would have lived.
func TestRefusedTokenWhileRefreshingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(unreachable)
		a := r.authenticator()
		a.Invalidate(a.Current())
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrTemporary) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
	})
}

// failures makes n refreshes fail one after the other, each as soon as the one
// before allows, and returns how long each said to wait.
func failures(t *testing.T, r *rig, n int) []time.Duration {
	t.Helper()
	a := r.authenticator()
	r.clock.Advance(time.Hour)
	var waits []time.Duration
	for range n {
		_, err := a.Token(t.Context())
		temporary, ok := errors.AsType[*pkce.TemporaryError](err)
		if !ok {
			t.Fatalf("Token: %v, want a TemporaryError", err)
		}
		waits = append(waits, temporary.RetryAfter)
		r.clock.Advance(temporary.RetryAfter)
	}
	return waits
}

func TestBackoffDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(unreachable)
		least := time.Second
		for i, wait := range failures(t, r, 12) {
			if wait < least || wait > least*5/4 {
				t.Errorf("back-off %d is %v, want %v and up to a quarter more", i, wait, least)
			}
			least = min(2*least, time.Minute)
		}
	})
}

// A success ends the series.
func TestBackoffStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		for _, fails := range []bool{true, true, true, false, true} {
			r.endpoint.says(nil)
			if fails {
				r.endpoint.says(unreachable)
			}
			r.clock.Advance(2 * time.Hour)
			_, err := a.Token(t.Context())
			if (err != nil) != fails {
				t.Fatalf("Token: %v", err)
			}
			temporary, _ := errors.AsType[*pkce.TemporaryError](err)
			if last := r.endpoint.count() == 5; last && temporary.RetryAfter > 1250*time.Millisecond {
				t.Errorf("the first back-off after a success is %v", temporary.RetryAfter)
			}
		}
		r.endpoint.mustCount(t, 5)
	})
}

// What is wrong with the app does not get better by haste.
func TestBackoffOfRefusedApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(always(http.StatusBadRequest, nil, `{"error":"invalid_client","error_description":"Invalid client"}`))
		if wait := failures(t, r, 1)[0]; wait < time.Minute {
			t.Errorf("the back-off is %v", wait)
		}
		ev := r.mustTell(t, pkce.RefreshTemporary)
		if refused, ok := errors.AsType[*pkce.TokenError](ev.Err); !ok || refused.Code != "invalid_client" {
			t.Errorf("OnRefresh was told %v", ev.Err)
		}
		r.store.mustHold(t, "access-0")
	})
}

// R37
func TestRetryAfterOfTokenEndpoint(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		least        time.Duration
	}{
		{"seconds", "30", 30 * time.Second},
		{"an hour", "3600", time.Hour},
		{"date", noon.Add(time.Hour + 40*time.Second).Format(http.TimeFormat), 40 * time.Second},
		{"past date", noon.Format(http.TimeFormat), time.Second},
		{"zero", "0", time.Second},
		{"negative", "-5", time.Second},
		{"nonsense", "soon", time.Second},
		{"none", "", time.Second},
		{"without end", "99999999999", 24 * time.Hour},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig()
					r.endpoint.says(always(status, http.Header{"Retry-After": {tc.header}}, ""))
					wait := failures(t, r, 1)[0]
					if wait < tc.least || wait > tc.least*5/4 {
						t.Errorf("waits %v, want %v and up to a quarter more", wait, tc.least)
					}
				})
			})
		}
	}
}

// R37: sessions that were refused together do not come back together.
func TestRetryAfterHasJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := make(map[time.Duration]bool)
		for range 20 {
			r := newRig()
			r.endpoint.says(always(http.StatusTooManyRequests, http.Header{"Retry-After": {"30"}}, ""))
			waits[failures(t, r, 1)[0]] = true
		}
		if len(waits) < 10 {
			t.Errorf("20 sessions wait for only %d different times", len(waits))
		}
	})
}

// The token endpoint has its time, and no more.
func TestTokenEndpointThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		release := r.endpoint.hold()
		defer release()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		began := time.Now()
		_, err := a.Token(t.Context())
		if !errors.Is(err, pkce.ErrTemporary) {
			t.Fatalf("Token: %v, want ErrTemporary", err)
		}
		if took := time.Since(began); took != pkce.DefaultTimeout {
			t.Errorf("it took %v", took)
		}
		r.store.mustBeIdle(t)
	})
}

// Everyone learns why there is no token, also those who come while it is too
// early for another attempt, and learns it once.
func TestBackoffNamesTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.endpoint.says(always(http.StatusServiceUnavailable, nil, ""))
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		for range 2 {
			_, err := a.Token(t.Context())
			if want := "no token can be had just now: token endpoint answered with status 503"; err == nil || err.Error() != want {
				t.Errorf("Token: %v, want %s", err, want)
			}
		}
		r.endpoint.mustCount(t, 1)
	})
}

// R37: jitter spreads the sessions; it does not add hours to a long Retry-After.
func TestJitterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			r := newRig()
			r.endpoint.says(always(http.StatusTooManyRequests, http.Header{"Retry-After": {"43200"}}, ""))
			if wait := failures(t, r, 1)[0]; wait < 12*time.Hour || wait > 12*time.Hour+15*time.Second {
				t.Fatalf("waits %v, want 12h and up to 15s more", wait)
			}
		}
	})
}
