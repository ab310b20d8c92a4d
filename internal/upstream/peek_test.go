package upstream

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// fakeTime has a test, and the rig that it makes, go by a fake clock.
func fakeTime(t *testing.T) *fakeclock.Clock {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	return fake
}

// later sends a request in the background.
func (r *rig) later(req *http.Request) <-chan *http.Response {
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := r.transport.RoundTrip(req)
		if err != nil {
			res = nil
		}
		answered <- res
	}()
	return answered
}

// A refusal whose body stalls is passed on all the same, and the body with it.
func TestStalledRefusalIsPassedOn(t *testing.T) {
	fake := fakeTime(t)
	release := make(chan struct{})
	r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"status":403,`)
		w.(http.Flusher).Flush()
		<-release
		_, _ = io.WriteString(w, `"message":"Insufficient client scope"}}`)
	}))
	answered := r.later(r.request("GET", "/v1/me", nil))
	wait(t, func() bool { return fake.Timers() > 0 })
	fake.Advance(peekPatience)
	res := <-answered
	if res == nil || res.StatusCode != http.StatusForbidden || res.Header.Get(reason.Header) != "forbidden" {
		t.Fatalf("answer: %+v", res)
	}
	close(release)
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != `{"error":{"status":403,"message":"Insufficient client scope"}}` {
		t.Errorf("body: %q %v", body, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

// A body that was looked at can be closed while it stalls.
func TestStalledRefusalCanBeClosed(t *testing.T) {
	fake := fakeTime(t)
	hungUp := make(chan struct{})
	r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.(http.Flusher).Flush()
		<-q.Context().Done()
		close(hungUp)
	}))
	answered := r.later(r.request("GET", "/v1/me", nil))
	wait(t, func() bool { return fake.Timers() > 0 })
	fake.Advance(peekPatience)
	res := <-answered
	if res == nil {
		t.Fatal("no answer")
	}
	_ = res.Body.Close()
	<-hungUp
	if n, err := res.Body.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("read %d bytes of a closed body: %v", n, err)
	}
}

// Longer bodies than what is looked at pass whole, also if they break off.
func TestLongRefusalIsWhole(t *testing.T) {
	text := strings.Repeat("long ", 4096)
	r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, text)
	}))
	if _, body := r.do(r.request("GET", "/v1/me", nil)); body != text {
		t.Errorf("%d bytes of %d", len(body), len(text))
	}
	broken := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "cut")
	}))
	res, err := broken.transport.RoundTrip(broken.request("GET", "/v1/me", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); string(body) != "cut" || err == nil {
		t.Errorf("%q, %v, want an error at the end", body, err)
	}
}

// The one request with which a closed gate tries again may come to nothing. Then
// another one may try, at once.
func TestProbeThatHangsUp(t *testing.T) {
	fake := fakeTime(t)
	arrived := make(chan struct{})
	limited := true
	r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Query().Has("hang"):
			close(arrived)
			<-q.Context().Done()
		case limited:
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	r.ex.Site.Gate = ratelimit.New(fake)
	if res, _ := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("status %d", res.StatusCode)
	}
	limited = false
	r.wantRefused(r.request("GET", "/v1/me", nil), http.StatusTooManyRequests, "rate_limited")
	fake.Advance(10 * time.Second)
	req := r.request("GET", "/v1/me?hang", nil)
	ctx, hangUp := context.WithCancel(req.Context())
	probe := r.later(req.WithContext(ctx))
	<-arrived
	r.wantRefused(r.request("GET", "/v1/me", nil), http.StatusTooManyRequests, "rate_limited")
	hangUp()
	if <-probe != nil {
		t.Fatal("it was answered")
	}
	if res, _ := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != http.StatusOK {
		t.Errorf("after a probe that hung up: status %d", res.StatusCode)
	}
}
