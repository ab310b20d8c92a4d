package upstream

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// R39
func TestUnauthorizedIsRefreshedAndReplayed(t *testing.T) {
	for _, test := range []struct{ method, body string }{
		{"GET", ""}, {"DELETE", ""}, {"PUT", ""}, {"POST", `{"name":"x"}`}, {"DELETE", `{"ids":["a"]}`}, {"PUT", strings.Repeat("x", 300<<10)},
	} {
		r := newRig(t, recording(unlessToken("token-2", ok)))
		var body io.Reader
		if test.body != "" {
			body = strings.NewReader(test.body)
		}
		res, text := r.do(r.request(test.method, "/v1/me", body))
		if res.StatusCode != 200 || text != "ok" {
			t.Fatalf("%s: %d %q", test.method, res.StatusCode, text)
		}
		got := r.requests()
		if len(got) != 2 || r.refreshes.Load() != 1 {
			t.Fatalf("%s: %d requests, %d refreshes", test.method, len(got), r.refreshes.Load())
		}
		for i, q := range got {
			if want := fmt.Sprintf("Bearer token-%d", i+1); q.Header.Get("Authorization") != want {
				t.Errorf("%s, request %d: Authorization %q", test.method, i, q.Header.Get("Authorization"))
			}
			// P50
			if q.body != test.body || q.ContentLength != int64(len(test.body)) {
				t.Errorf("%s, request %d: a body of %d bytes, Content-Length %d", test.method, i, len(q.body), q.ContentLength)
			}
		}
		wantAllGiven(t, replayMemory, ReplayBudget)
	}
}

// R39, P50: without a known length, too.
func TestChunkedBodyIsReplayed(t *testing.T) {
	r := newRig(t, recording(unlessToken("token-2", ok)))
	req := r.request("POST", "/v1/me", io.MultiReader(strings.NewReader("one "), strings.NewReader("two")))
	req.ContentLength = -1
	if res, _ := r.do(req); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	for _, q := range r.requests() {
		if q.body != "one two" || q.ContentLength != -1 {
			t.Errorf("body %q, Content-Length %d", q.body, q.ContentLength)
		}
	}
}

// R39: a second 401 is the API's answer, and asking again soon does not cause
// another refresh.
func TestSecondUnauthorizedPasses(t *testing.T) {
	const missing = `{"error":{"status":401,"message":"Permissions missing"}}`
	r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, missing)
	}))
	clock := fakeclock.New(time.Now())
	r.transport.rejected = newRejectedTokens(clock)
	for i, want := range []struct{ requests, refreshes int }{{2, 1}, {3, 1}, {4, 1}} {
		res, body := r.do(r.request("GET", "/v1/me", nil))
		if res.StatusCode != 401 || body != missing {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		if len(r.requests()) != want.requests || int(r.refreshes.Load()) != want.refreshes {
			t.Errorf("call %d: %d requests, %d refreshes, want %+v", i, len(r.requests()), r.refreshes.Load(), want)
		}
	}
	clock.Advance(rejectedFor)
	r.do(r.request("GET", "/v1/me", nil))
	if r.refreshes.Load() != 2 {
		t.Errorf("%d refreshes after a while", r.refreshes.Load())
	}
}

// R39: what another request has refreshed already is used as it is.
func TestReplacedTokenIsNotRefreshed(t *testing.T) {
	arrived, refreshed := make(chan struct{}), make(chan struct{})
	r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/v1/slow" && q.Header.Get("Authorization") == "Bearer token-1" {
			close(arrived)
			<-refreshed
		}
		unlessToken("token-2", ok)(w, q)
	}))
	slow := make(chan int)
	go func() {
		res, err := r.transport.RoundTrip(r.request("GET", "/v1/slow", nil))
		if err != nil {
			t.Error(err)
			slow <- 0
			return
		}
		_ = res.Body.Close()
		slow <- res.StatusCode
	}()
	<-arrived // with the old token
	r.do(r.request("GET", "/v1/me", nil))
	close(refreshed)
	if status := <-slow; status != 200 {
		t.Errorf("status %d", status)
	}
	if n := r.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// R27, R39
func TestManyUnauthorizedRefreshOnce(t *testing.T) {
	r := newRig(t, recording(unlessToken("token-2", ok)))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			res, err := r.transport.RoundTrip(r.request("POST", "/v1/me", strings.NewReader("body")))
			if err != nil || res.StatusCode != 200 {
				t.Errorf("%v %v", res, err)
				return
			}
			_ = res.Body.Close()
		})
	}
	wg.Wait()
	if n := r.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	for _, q := range r.requests() {
		if q.body != "body" {
			t.Errorf("body %q", q.body)
		}
	}
}

// R39: a body that is too large to be kept passes once, and the 401 is the
// answer. The next request has a new token.
func TestLargeBodyIsNotReplayed(t *testing.T) {
	size := int64(64 << 10)
	large := randomBytes(int(size) + 1)
	for _, length := range []int64{size + 1, -1} {
		r := newRig(t, recording(unlessToken("token-2", ok)), func(tr *rigOptions) { tr.ReplayBody = size })
		req := r.request("PUT", "/v1/me", bytes.NewReader(large))
		req.ContentLength = length
		if res, body := r.do(req); res.StatusCode != 401 || body != expiredToken {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		got := r.requests()
		if len(got) != 1 || sha256.Sum256([]byte(got[0].body)) != sha256.Sum256(large) || got[0].ContentLength != length {
			t.Errorf("%d requests, %d bytes", len(got), len(got[0].body))
		}
		if res, _ := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != 200 || len(r.requests()) != 2 {
			t.Errorf("next request: %d", res.StatusCode)
		}
		wantAllGiven(t, replayMemory, ReplayBudget)
	}
}

func TestReplayOff(t *testing.T) {
	r := newRig(t, recording(unlessToken("token-2", ok)), func(tr *rigOptions) { tr.ReplayBody = 0 })
	if res, _ := r.do(r.request("PUT", "/v1/me", strings.NewReader("x"))); res.StatusCode != 401 || len(r.requests()) != 1 {
		t.Errorf("with a body: %d after %d requests", res.StatusCode, len(r.requests()))
	}
	r.ex.Auth.Invalidate(r.ex.Auth.Current())
	if res, _ := r.do(r.request("PUT", "/v1/me", nil)); res.StatusCode != 200 {
		t.Errorf("without one: %d", res.StatusCode)
	}
}

// R35, R39, P54: the API's 401 would have clients send their user to log in, which
// does not help if there is merely no newer token for now.
func TestUnauthorizedWhileRefreshingFails(t *testing.T) {
	r := newRig(t, recording(unlessToken("token-2", ok)))
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	r.tokens.Store(&down)
	res, body := r.do(r.request("POST", "/v1/me", strings.NewReader("x")))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, string(reason.UpstreamUnavailable)) || len(r.requests()) != 1 {
		t.Errorf("%d %q after %d requests", res.StatusCode, body, len(r.requests()))
	}
	if got := res.Header[reason.Header]; !slices.Equal(got, []string{string(reason.UpstreamUnavailable)}) {
		t.Errorf("reason in the header: %q", got)
	}
}

// R35, R39, P54: the header has the reason that the body has, whoever asked.
func TestUnauthorizedWhenTheGrantHasEnded(t *testing.T) {
	r := newRig(t, recording(unlessToken("token-2", ok)))
	ended := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`)
	})
	r.tokens.Store(&ended)
	res, body := r.do(r.request("GET", "/v1/me", nil))
	if res.StatusCode != 401 || !strings.Contains(body, string(reason.ReauthorizationRequired)) || !strings.Contains(body, "/spotify/login") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if got := res.Header[reason.Header]; !slices.Equal(got, []string{string(reason.ReauthorizationRequired)}) {
		t.Errorf("reason in the header: %q", got)
	}
}

// R39, P50: the API may say 401 before it has read the body. A body that has
// been read is sent again in full.
func TestEarlyUnauthorized(t *testing.T) {
	body := randomBytes(900 << 10) // more than a connection holds
	r := newRig(t, func(r *rig) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			if q.Header.Get("Authorization") == "Bearer token-1" {
				unlessToken("token-2", nil)(w, q)
				return
			}
			recording(ok)(r)(w, q)
		}
	})
	res, text := r.do(r.request("POST", "/v1/me", bytes.NewReader(body)))
	if res.StatusCode != 200 || text != "ok" {
		t.Fatalf("%d %q", res.StatusCode, text)
	}
	if got := r.requests()[0].body; got != string(body) {
		t.Errorf("%d bytes of %d, or others", len(got), len(body))
	}
}

// A body that is too large to be kept reaches the API while it is still on its
// way here.
func TestLargeBodyStreams(t *testing.T) {
	const size = 64 << 10
	arrived := make(chan struct{})
	r := newRig(t, func(r *rig) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			_, _ = io.ReadFull(q.Body, make([]byte, size))
			close(arrived)
			rest, err := io.ReadAll(q.Body)
			if err != nil || string(rest) != "!the end" {
				t.Errorf("the rest: %q, %v", rest, err)
			}
		}
	}, func(tr *rigOptions) { tr.ReplayBody = int64(size) })
	client, upload := io.Pipe()
	go func() {
		_, _ = upload.Write(append(make([]byte, size), '!'))
		<-arrived
		_, _ = io.WriteString(upload, "the end")
		_ = upload.Close()
	}()
	if res, _ := r.do(r.request("POST", "/v1/me", client)); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	wantAllGiven(t, replayMemory, ReplayBudget)
}

// P50: a server that closes an idle connection just as a body is sent on it
// costs nothing; the transport sends it on another.
func TestBodySurvivesStaleConnection(t *testing.T) {
	var once sync.Once
	r := newRig(t, recording(ok))
	inner := r.transport.next
	stale := errors.New("stale")
	r.transport.next = roundTripper(func(q *http.Request) (res *http.Response, err error) {
		once.Do(func() {
			_, _ = io.ReadFull(q.Body, make([]byte, 2))
			_ = q.Body.Close()
			err = stale
		})
		if err != nil {
			// What http.Transport does when it knows that nothing was processed.
			if q.Body, err = q.GetBody(); err != nil {
				return nil, err
			}
		}
		return inner.RoundTrip(q)
	})
	if res, _ := r.do(r.request("PATCH", "/v1/me", strings.NewReader("body"))); res.StatusCode != 200 || r.requests()[0].body != "body" {
		t.Errorf("%d, body %q", res.StatusCode, r.requests()[0].body)
	}
}

// O55
func TestUploadsShareTheirMemory(t *testing.T) {
	const budget = 4 * replayChunk
	reached := make(chan struct{})
	release := make(chan struct{})
	r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/v1/first" {
			reached <- struct{}{}
			<-release
		}
		unlessToken("token-2", ok)(w, q)
	}))
	r.transport.memory = semaphore.NewWeighted(budget)
	var wg sync.WaitGroup
	wg.Go(func() {
		res, err := r.transport.RoundTrip(r.request("PUT", "/v1/first", bytes.NewReader(make([]byte, budget))))
		if err != nil || res.StatusCode != 200 {
			t.Errorf("first: %v %v", res, err)
		}
	})
	<-reached
	// There is no room for this one's body, so it is sent once.
	if res, _ := r.do(r.request("PUT", "/v1/me", strings.NewReader("x"))); res.StatusCode != 401 {
		t.Errorf("second: %d", res.StatusCode)
	}
	go func() { <-reached }()
	close(release)
	wg.Wait()
	wantAllGiven(t, r.transport.memory, budget)
}
