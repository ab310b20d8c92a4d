package interop

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// recorder is an HTTP proxy between a browser and everything else. What the
// browser sent and was sent is known from outside of the browser.
type recorder struct {
	url string

	mu        sync.Mutex
	exchanges []exchange
}

// exchange is a request and its answer. Bodies are decoded.
type exchange struct {
	method string
	url    *url.URL
	sent   http.Header
	status int
	header http.Header
	body   []byte
}

func startRecorder(t *testing.T) *recorder {
	t.Helper()
	r := new(recorder)
	server := httptest.NewServer(&httputil.ReverseProxy{
		// A browser names the whole URL to a proxy, so there is nothing to rewrite.
		Rewrite:        func(*httputil.ProxyRequest) {},
		ModifyResponse: r.record,
		Transport:      &http.Transport{DisableCompression: true},
	})
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *recorder) record(answer *http.Response) error {
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		answer.Body = &recordedStream{answer.Body, r, r.add(answer, nil)}
		return nil
	}
	raw, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(raw))
	body := raw
	if answer.Header.Get("Content-Encoding") == "gzip" && len(raw) > 0 {
		unzipped, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(unzipped); err != nil {
			return err
		}
	}
	r.add(answer, body)
	return nil
}

// add adds an exchange and returns its number.
func (r *recorder) add(answer *http.Response, body []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, exchange{
		method: answer.Request.Method, url: answer.Request.URL, sent: answer.Request.Header.Clone(),
		status: answer.StatusCode, header: answer.Header.Clone(), body: body,
	})
	return len(r.exchanges) - 1
}

// recordedStream is a body that is recorded as it comes, since it does not end by itself.
type recordedStream struct {
	io.ReadCloser
	r      *recorder
	number int // of the exchange
}

func (s *recordedStream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	e := &s.r.exchanges[s.number]
	e.body = append(e.body, p[:n]...)
	return n, err
}

// with returns the exchanges with an origin, in order.
func (r *recorder) with(origin string) []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []exchange
	for _, e := range r.exchanges {
		if e.url.Scheme+"://"+e.url.Host == origin {
			list = append(list, e)
		}
	}
	return list
}

// received is all that came with the answer: header and body.
func (e exchange) received() string {
	var all strings.Builder
	_ = e.header.Write(&all)
	all.Write(e.body)
	return all.String()
}
