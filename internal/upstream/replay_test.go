package upstream

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"golang.org/x/sync/semaphore"
)

// testBody is a request body that counts what is done to it.
type testBody struct {
	io.Reader
	closed atomic.Int32
}

func (b *testBody) Close() error {
	b.closed.Add(1)
	return nil
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p)
	return p
}

func wantAllGiven(t *testing.T, m *semaphore.Weighted, budget int64) {
	t.Helper()
	if !m.TryAcquire(budget) {
		t.Errorf("less than %d bytes are available", budget)
		return
	}
	m.Release(budget)
	if m.TryAcquire(budget + 1) {
		t.Errorf("more than %d bytes are available", budget)
	}
}

// readCall is a call whose body has been read, of a length that is known if it
// is not negative.
func readCall(r *rig, source io.Reader, length, limit int64) (*call, error) {
	req := r.request("PUT", "/v1/me", source)
	req.ContentLength = length
	c := newCall(r.transport.Transport, &Exchange{Site: r.ex.Site, Header: http.Header{}}, req)
	return c, c.readBody(limit)
}

// P50
func TestReadBodyIsTheSameAgain(t *testing.T) {
	r := newRig(t, recording(ok))
	for _, size := range []int{0, 1, replayChunk - 1, replayChunk, replayChunk + 1, 5*replayChunk + 7} {
		for _, known := range []bool{true, false} {
			for name, slow := range map[string]func(io.Reader) io.Reader{
				"plain": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "error with the end": iotest.DataErrReader,
			} {
				const budget = 10 * replayChunk
				r.transport.memory = semaphore.NewWeighted(budget)
				content := randomBytes(size)
				source := &testBody{Reader: slow(bytes.NewReader(content))}
				length := int64(-1)
				if known {
					length = int64(size)
				}
				c, err := readCall(r, source, length, budget)
				if err != nil || !c.repeatable() {
					t.Fatalf("%d bytes, %s: %v", size, name, err)
				}
				if c.out.ContentLength != length || source.closed.Load() != 1 {
					t.Errorf("%d bytes, %s: Content-Length %d, closed %d times", size, name, c.out.ContentLength, source.closed.Load())
				}
				for range 3 {
					body, err := c.out.GetBody()
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content) {
						t.Errorf("%d bytes, %s: got %d bytes, %v", size, name, len(got), err)
					}
				}
				c.release()
				wantAllGiven(t, r.transport.memory, budget)
			}
		}
	}
}

// O55, P50: a body beyond the limit or the budget passes through whole, once.
func TestReadBodyIsBounded(t *testing.T) {
	const size = 6*replayChunk + 1
	r := newRig(t, recording(ok))
	content := randomBytes(size)
	for name, bounds := range map[string]struct{ limit, budget, length int64 }{
		"limit":         {size - 1, 100 * replayChunk, -1},
		"known":         {size - 1, 100 * replayChunk, size},
		"off":           {0, 100 * replayChunk, size},
		"budget":        {size, 3 * replayChunk, -1},
		"budget, known": {size, 3 * replayChunk, size},
		"no budget":     {size, 0, size},
	} {
		r.transport.memory = semaphore.NewWeighted(bounds.budget)
		source := &testBody{Reader: bytes.NewReader(content)}
		c, err := readCall(r, source, bounds.length, bounds.limit)
		if err != nil || c.repeatable() || c.held > bounds.budget {
			t.Fatalf("%s: %v, repeatable %v, %d bytes held", name, err, c.repeatable(), c.held)
		}
		got, err := io.ReadAll(c.out.Body)
		if err != nil || !bytes.Equal(got, content) || c.out.ContentLength != bounds.length {
			t.Errorf("%s: %d bytes, Content-Length %d, %v", name, len(got), c.out.ContentLength, err)
		}
		if _ = c.out.Body.Close(); source.closed.Load() != 1 {
			t.Errorf("%s: the source was closed %d times", name, source.closed.Load())
		}
		c.release()
		wantAllGiven(t, r.transport.memory, bounds.budget)
	}
}

// A client that announces a large body and sends little takes little memory.
func TestReadBodyTakesWhatItReads(t *testing.T) {
	r := newRig(t, recording(ok))
	broken := errors.New("the client went away")
	c, err := readCall(r, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), ReplayBudget, ReplayBudget)
	if !errors.Is(err, broken) || c.held > replayChunk {
		t.Errorf("%v, %d bytes held", err, c.held)
	}
	c.release()
	wantAllGiven(t, replayMemory, ReplayBudget)
}

// P50: half a body is never sent as if it were whole.
func TestBodyThatBreaksOffIsNotSent(t *testing.T) {
	broken := errors.New("the client went away")
	for name, test := range map[string]struct {
		source io.Reader
		length int64
		want   error
	}{
		"chunked":  {io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), -1, broken},
		"known":    {io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), 8, broken},
		"short":    {strings.NewReader("half"), 8, io.ErrUnexpectedEOF},
		"at once":  {iotest.ErrReader(broken), 8, broken},
		"no bytes": {strings.NewReader(""), 8, io.ErrUnexpectedEOF},
	} {
		r := newRig(t, recording(ok))
		source := &testBody{Reader: test.source}
		req := r.request("PUT", "/v1/me", source)
		req.ContentLength = test.length
		if _, err := r.transport.RoundTrip(req); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if n := len(r.requests()); n != 0 || source.closed.Load() == 0 {
			t.Errorf("%s: %d requests were sent, the body was closed %d times", name, n, source.closed.Load())
		}
		wantAllGiven(t, replayMemory, ReplayBudget)
	}
}

// O55: whatever becomes of a call, the memory of its body is given back.
func TestReplayMemoryComesBack(t *testing.T) {
	const budget = 4 * replayChunk
	broken := errors.New("connection reset")
	for name, test := range map[string]struct {
		play   func(r *rig, w http.ResponseWriter, q *http.Request)
		broken bool
		status int // 0 for an error
	}{
		"answered": {play: func(_ *rig, w http.ResponseWriter, q *http.Request) { ok(w, q) }, status: 200},
		"replayed": {play: func(_ *rig, w http.ResponseWriter, q *http.Request) { unlessToken("token-2", ok)(w, q) }, status: 200},
		"the gate refuses the replay": {play: func(r *rig, w http.ResponseWriter, q *http.Request) {
			gate := r.ex.Site.Gate
			gate.Report(gate.Admit("another", "PUT /me", "users"), http.StatusTooManyRequests, "60", false)
			unlessToken("token-2", ok)(w, q)
		}, status: 429},
		"no newer token": {play: func(r *rig, w http.ResponseWriter, q *http.Request) {
			down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			r.tokens.Store(&down)
			unlessToken("token-2", ok)(w, q)
		}, status: 503},
		"the session is over": {play: func(r *rig, w http.ResponseWriter, q *http.Request) {
			r.ex.Auth.End()
			unlessToken("token-2", ok)(w, q)
		}, status: 401},
		"not sent": {broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) http.HandlerFunc {
				return recording(func(w http.ResponseWriter, q *http.Request) { test.play(r, w, q) })(r)
			})
			if test.broken {
				r.transport.next = roundTripper(func(*http.Request) (*http.Response, error) { return nil, broken })
			}
			r.transport.memory = semaphore.NewWeighted(budget)
			res, err := r.transport.RoundTrip(r.request("PUT", "/v1/me", bytes.NewReader(make([]byte, 3*replayChunk))))
			if test.status == 0 {
				if !errors.Is(err, broken) {
					t.Errorf("error %v", err)
				}
			} else if err != nil || res.StatusCode != test.status {
				t.Errorf("%+v, %v, want %d", res, err, test.status)
			} else {
				_ = res.Body.Close()
			}
			wantAllGiven(t, r.transport.memory, budget)
		})
	}
}
