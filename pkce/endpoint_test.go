package pkce_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// endpoint is a token endpoint without a network. It rotates refresh tokens
// unless a test says what to answer.
type endpoint struct {
	mu     sync.Mutex
	calls  []url.Values
	answer func(call int, form url.Values) (*http.Response, error)
	gate   chan struct{} // if not nil, answers wait until it is closed
}

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.calls = append(e.calls, form)
	call, answer, gate := len(e.calls), e.answer, e.gate
	e.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if answer == nil {
		return granted(fmt.Sprintf(`{"access_token":"access-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-%d"}`, call, call)), nil
	}
	return answer(call, form)
}

// says has the endpoint give one answer from now on; nil is the usual one.
func (e *endpoint) says(answer func(call int, form url.Values) (*http.Response, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// hold makes answers wait until the function returned is called.
func (e *endpoint) hold() (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gate := make(chan struct{})
	e.gate = gate
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.gate = nil
		close(gate)
	}
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

func (e *endpoint) mustCount(t *testing.T, want int) {
	t.Helper()
	if got := e.count(); got != want {
		t.Fatalf("the token endpoint was called %d times, want %d", got, want)
	}
}

func answered(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader(body)),
	}
}

func granted(body string) *http.Response { return answered(http.StatusOK, nil, body) }

// always answers the same each time.
func always(status int, header http.Header, body string) func(int, url.Values) (*http.Response, error) {
	return func(int, url.Values) (*http.Response, error) {
		return answered(status, header.Clone(), body), nil
	}
}

var errNoRoute = errors.New("no route to host")

func unreachable(int, url.Values) (*http.Response, error) { return nil, errNoRoute }
