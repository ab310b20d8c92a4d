package caddyspotify

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// retrying has a transport hold requests back.
func retrying(times int, maxWait time.Duration) func(*Transport) {
	return func(t *Transport) { t.Retry = &RetryConfig{Times: times, MaxWait: caddy.Duration(maxWait)} }
}

// failing answers a status so many times, then 200.
func failing(status, times, retryAfter int) http.HandlerFunc {
	var seen atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		if int(seen.Add(1)) > times {
			return
		}
		if retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "not now")
	}
}

// A request that Spotify limits is held back for as long as it says, and so is
// one that comes meanwhile, which is not even sent.
func TestRetryWaitsForTheGate(t *testing.T) {
	fake := fakeTime(t)
	r := newRig(t, recording(failing(http.StatusTooManyRequests, 1, 5)), retrying(3, 10*time.Second))
	r.ex.site.gate = ratelimit.New(fake)
	first := r.later(r.request("GET", "/v1/me", nil))
	wait(t, func() bool { return heldBack.Load() == 1 && fake.Timers() == 1 })
	second := r.later(r.request("GET", "/v1/me", nil))
	wait(t, func() bool { return heldBack.Load() == 2 && fake.Timers() == 2 })
	if n := len(r.requests()); n != 1 {
		t.Fatalf("%d requests were sent", n)
	}
	for _, answered := range []<-chan *http.Response{first, second} {
		for done := false; !done; {
			select {
			case res := <-answered:
				if res == nil || res.StatusCode != http.StatusOK {
					t.Errorf("answer: %+v", res)
				}
				done = true
			case <-time.After(time.Millisecond):
				fake.Advance(500 * time.Millisecond)
			}
		}
	}
	if heldBack.Load() != 0 {
		t.Errorf("%d requests count as held back", heldBack.Load())
	}
}

// What would wait for too long, or with too many others, is answered at once, as
// is whatever is not safe to send twice.
func TestRetryHasItsLimits(t *testing.T) {
	for name, test := range map[string]struct {
		method     string
		body       string
		status     int
		retryAfter int
		held       int64
	}{
		"too long":       {method: "GET", status: 503, retryAfter: 11},
		"429, too long":  {method: "GET", status: 429, retryAfter: 3600},
		"too many":       {method: "GET", status: 503, held: maxHeld},
		"POST":           {method: "POST", status: 503},
		"PUT":            {method: "PUT", status: 503, body: "x"},
		"DELETE":         {method: "DELETE", status: 503},
		"GET with body":  {method: "GET", status: 503, body: "x"},
		"its own answer": {method: "GET", status: 404},
		"504":            {method: "GET", status: 504},
	} {
		t.Run(name, func(t *testing.T) {
			fakeTime(t) // nothing that waits goes on
			heldBack.Store(test.held)
			defer heldBack.Store(0)
			r := newRig(t, recording(failing(test.status, 1, test.retryAfter)), retrying(3, 10*time.Second))
			var body io.Reader
			if test.body != "" {
				body = strings.NewReader(test.body)
			}
			res, text := r.do(r.request(test.method, "/v1/me", body))
			if res.StatusCode != test.status || text != "not now" || len(r.requests()) != 1 {
				t.Errorf("%d %q after %d requests", res.StatusCode, text, len(r.requests()))
			}
			if heldBack.Load() != test.held {
				t.Errorf("%d requests count as held back", heldBack.Load())
			}
		})
	}
}

// A client that hangs up is not waited for.
func TestRetryEndsWithTheClient(t *testing.T) {
	fakeTime(t)
	r := newRig(t, recording(failing(http.StatusServiceUnavailable, 1, 0)), retrying(3, 10*time.Second))
	req := r.request("GET", "/v1/me", nil)
	ctx, hangUp := context.WithCancel(req.Context())
	answered := r.later(req.WithContext(ctx))
	wait(t, func() bool { return heldBack.Load() == 1 })
	hangUp()
	if res := <-answered; res != nil {
		t.Errorf("answer: %+v", res)
	}
	if heldBack.Load() != 0 || len(r.requests()) != 1 {
		t.Errorf("%d held back, %d requests", heldBack.Load(), len(r.requests()))
	}
}

// After so many times the last answer is the answer.
func TestRetryGivesUp(t *testing.T) {
	fake := fakeTime(t)
	r := newRig(t, recording(failing(http.StatusBadGateway, 100, 0)), retrying(2, 10*time.Second))
	answered := r.later(r.request("HEAD", "/v1/me", nil))
	for {
		select {
		case res := <-answered:
			if res == nil || res.StatusCode != http.StatusBadGateway || len(r.requests()) != 3 {
				t.Errorf("%+v after %d requests, want 3", res, len(r.requests()))
			}
			return
		case <-time.After(time.Millisecond):
			fake.Advance(time.Second)
		}
	}
}
