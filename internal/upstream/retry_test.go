package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// retrying has a transport hold requests back.
func retrying(times int, maxWait time.Duration) func(*rigOptions) {
	return func(o *rigOptions) { o.Retries, o.MaxWait = times, maxWait }
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
	r.ex.Site.Gate = ratelimit.New(fake)
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
			req := r.request(test.method, "/v1/me", body)
			// A request that waits here fails the test, which would hang otherwise.
			ctx, hangUp := context.WithTimeout(req.Context(), time.Minute)
			defer hangUp()
			res, text := r.do(req.WithContext(ctx))
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

// advanced is the answer that comes once the clock has moved on far enough.
func advanced(answered <-chan *http.Response, fake *fakeclock.Clock, step time.Duration) *http.Response {
	for {
		select {
		case res := <-answered:
			return res
		case <-time.After(time.Millisecond):
			fake.Advance(step)
		}
	}
}

// A connection that is reset before there is a response is tried again, if that
// is safe.
func TestRetryAfterALostConnection(t *testing.T) {
	for name, lose := range map[string]func(*net.TCPConn){
		"closed": func(c *net.TCPConn) { _ = c.Close() },
		"reset": func(c *net.TCPConn) {
			_ = c.SetLinger(0)
			_ = c.Close()
		},
	} {
		for method, want := range map[string]int{"GET": 2, "HEAD": 2, "PUT": 1} {
			t.Run(name+" "+method, func(t *testing.T) {
				fake := fakeTime(t)
				var seen atomic.Int32
				r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
					if seen.Add(1) > 1 {
						return
					}
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					lose(conn.(*net.TCPConn))
				}), retrying(2, 10*time.Second))
				res := advanced(r.later(r.request(method, "/v1/me", nil)), fake, time.Second)
				if n := len(r.requests()); n != want || (res != nil) != (want == 2) {
					t.Errorf("%+v after %d requests, want %d", res, n, want)
				}
			})
		}
	}
}

// An error that is not a lost connection comes back at once.
func TestRetryOfOtherErrors(t *testing.T) {
	fakeTime(t)
	r := newRig(t, recording(ok), retrying(2, 10*time.Second))
	times := 0
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	r.transport.next = roundTripper(func(*http.Request) (*http.Response, error) {
		times++
		return nil, refused
	})
	if _, err := r.transport.RoundTrip(r.request("GET", "/v1/me", nil)); !errors.Is(err, refused) || times != 1 {
		t.Errorf("%v after %d requests", err, times)
	}
}

// answers is an API, without connections, that gives one response after another.
type answers struct {
	responses []*http.Response
	asked     []*http.Request
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, req)
	res := a.responses[0]
	a.responses = a.responses[1:]
	return res, nil
}

func answering(status int, header http.Header, body string) (*http.Response, *testBody) {
	b := &testBody{Reader: strings.NewReader(body)}
	if header == nil {
		header = make(http.Header)
	}
	return &http.Response{StatusCode: status, Header: header, Body: b, ContentLength: int64(len(body))}, b
}

// Responses that are not passed on are closed, and their reason is forgotten.
func TestRetryDropsResponses(t *testing.T) {
	fake := fakeTime(t)
	r := newRig(t, recording(ok), retrying(3, 10*time.Second))
	limited, first := answering(429, http.Header{"Retry-After": {"1"}}, `{"error":{"status":429,"reason":"QUOTA_EXCEEDED"}}`)
	expired, second := answering(401, nil, expiredToken)
	broken, third := answering(502, nil, "")
	last, passed := answering(200, nil, "ok")
	r.transport.next = &answers{responses: []*http.Response{limited, expired, broken, last}}

	res := advanced(r.later(r.request("GET", "/v1/me", nil)), fake, time.Second)
	if res == nil || res.StatusCode != 200 || res.Header.Get(reason.Header) != "" {
		t.Fatalf("answer: %+v", res)
	}
	for i, b := range []*testBody{first, second, third} {
		if b.closed.Load() == 0 {
			t.Errorf("response %d was not closed", i)
		}
	}
	if passed.closed.Load() != 0 {
		t.Error("the response that is passed on was closed")
	}
}

// All the waits of a request together are no longer than max_wait.
func TestRetryWaitsAddUp(t *testing.T) {
	fake := fakeTime(t)
	begun := fake.Now()
	r := newRig(t, recording(failing(http.StatusServiceUnavailable, 100, 4)), retrying(10, 10*time.Second))
	res := advanced(r.later(r.request("GET", "/v1/me", nil)), fake, 100*time.Millisecond)
	if n := len(r.requests()); res == nil || res.StatusCode != 503 || n != 3 {
		t.Errorf("%+v after %d requests, want 3: two waits of 4 s fit into 10 s", res, n)
	}
	if waited := fake.Now().Sub(begun); waited > 11*time.Second {
		t.Errorf("it was held back for %s", waited)
	}
}

// A Retry-After so far away that the sum of it and anything overflows is not
// waited for, and not taken for none.
func TestRetryAfterInTheFarFuture(t *testing.T) {
	for _, after := range []string{"Fri, 31 Dec 9999 23:59:59 GMT", "9223372036", "99999999999999999999"} {
		fakeTime(t)
		r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusServiceUnavailable)
		}), retrying(3, 10*time.Second))
		if res, _ := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != 503 || len(r.requests()) != 1 {
			t.Errorf("%s: %d after %d requests", after, res.StatusCode, len(r.requests()))
		}
	}
}

// P58: a client that waits as long as Retry-After says is not told to wait again.
func TestRetryAfterIsRoundedUp(t *testing.T) {
	fake := fakeTime(t)
	r := newRig(t, recording(failing(http.StatusTooManyRequests, 1, 5)))
	r.ex.Site.Gate = ratelimit.New(fake)
	r.do(r.request("GET", "/v1/me", nil))
	fake.Advance(1500 * time.Millisecond)
	res, _ := r.do(r.request("GET", "/v1/me", nil))
	if after := res.Header.Get("Retry-After"); res.StatusCode != 429 || after != "4" || len(r.requests()) != 1 {
		t.Errorf("%d, Retry-After %q, 3.5 s before the gate opens", res.StatusCode, after)
	}
}

// A response whose body stalls is given up soon, whether it is dropped for a
// retry or for a newer token.
func TestDroppedResponseStalls(t *testing.T) {
	for _, status := range []int{401, 429, 500, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			fake := fakeTime(t)
			var seen atomic.Int32
			closed := make(chan struct{})
			r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
				if seen.Add(1) > 1 {
					return
				}
				w.Header().Set("Content-Length", "50")
				w.WriteHeader(status)
				w.(http.Flusher).Flush()
				<-q.Context().Done()
				close(closed)
			}), retrying(2, time.Hour))
			res := advanced(r.later(r.request("GET", "/v1/me", nil)), fake, 100*time.Millisecond)
			if res == nil || res.StatusCode != 200 {
				t.Errorf("answer: %+v", res)
			}
			<-closed
		})
	}
}

// The transport may still be writing a request when its response has come, so
// no attempt changes what another sends.
func TestAttemptsShareNoHeaders(t *testing.T) {
	fake := fakeTime(t)
	r := newRig(t, recording(ok), retrying(3, 10*time.Second))
	busy, _ := answering(503, nil, "")
	expired, _ := answering(401, nil, expiredToken)
	again, _ := answering(503, nil, "")
	last, _ := answering(200, nil, "ok")
	api := &answers{responses: []*http.Response{busy, expired, again, last}}
	r.transport.next = api
	if res := advanced(r.later(r.request("GET", "/v1/me", nil)), fake, time.Second); res == nil || res.StatusCode != 200 {
		t.Fatalf("answer: %+v", res)
	}
	for i, req := range api.asked {
		if want := []string{"token-1", "token-1", "token-2", "token-2"}[i]; req.Header.Get("Authorization") != "Bearer "+want {
			t.Errorf("request %d has %s", i, req.Header.Get("Authorization"))
		}
		if req.Header.Set("X-Seen", "x"); i+1 < len(api.asked) && api.asked[i+1].Header.Get("X-Seen") != "" {
			t.Errorf("requests %d and %d share their headers", i, i+1)
		}
	}
}
