package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// P41, P43
func TestRoundTripSendsTheToken(t *testing.T) {
	r := newRig(t, recording(ok))
	req := r.request("GET", "/v1/search?q=a+b%2F..&type=track", nil)
	req.Host = "evil.example"
	req.Header = browserHeaders()
	r.ex.Header = req.Header.Clone()
	res, body := r.do(req)
	if res.StatusCode != 200 || body != "ok" {
		t.Fatalf("%d %q", res.StatusCode, body)
	}
	got := r.requests()[0]
	if a := got.Header["Authorization"]; len(a) != 1 || a[0] != "Bearer token-1" {
		t.Errorf("Authorization: %q", a)
	}
	if "http://"+got.Host != r.transport.APIURL {
		t.Errorf("Host: %s", got.Host)
	}
	if got.RequestURI != "/v1/search?q=a+b%2F..&type=track" {
		t.Errorf("target: %s", got.RequestURI)
	}
	if len(got.Header["Cookie"])+len(got.Header["Origin"]) != 0 {
		t.Errorf("header: %v", got.Header)
	}
	// The token is in no request but the one that left.
	if req.Header.Get("Authorization") != "Bearer of-the-client" || res.Request != req || req.Host != "evil.example" {
		t.Error("the caller's request was changed or replaced")
	}
}

// P43: trailers are headers that come later.
func TestTrailersAreNotSent(t *testing.T) {
	r := newRig(t, recording(ok))
	req := r.request("POST", "/v1/me", strings.NewReader("x"))
	req.ContentLength = -1
	req.Trailer = http.Header{"Cookie": {"secret"}}
	r.do(req)
	if got := r.requests()[0]; got.body != "x" || len(got.Trailer) != 0 {
		t.Errorf("body %q, trailer %v", got.body, got.Trailer)
	}
}

// P41
func TestBadPathIsNotSent(t *testing.T) {
	r := newRig(t, recording(ok))
	for _, target := range []string{
		"/", "/v1", "/v2/me", "/V1/me", "/api/token", "/v1x/me", "/spotify/v1/me",
		"/v1/../api/token", "/v1/%2e%2e/api/token", "/v1//me", "//v1/me", "/v1/a%2fb", "/v1/a%5cb", "/v1/me%00", "/v1/..;/x",
	} {
		r.wantRefused(r.request("GET", target, nil), 400, reason.BadPath)
	}
}

// P41
func TestForeignUpstreamGetsNoToken(t *testing.T) {
	r := newRig(t, recording(ok))
	for _, edit := range []func(*http.Request){
		func(q *http.Request) { q.URL.Host = "evil.example" },
		func(q *http.Request) { q.URL.Host = "localhost:" + q.URL.Port() },
		func(q *http.Request) { q.URL.Host = q.URL.Hostname() + ":1" },
		func(q *http.Request) { q.URL.Host = "" },
		func(q *http.Request) { q.URL.Scheme = "https" },
		func(q *http.Request) { q.URL.Scheme = "h2c" },
	} {
		req := r.request("GET", "/v1/me", nil)
		edit(req)
		r.wantRefused(req, 500, reason.Misconfigured)
	}
}

func TestNoExchangeNoRequest(t *testing.T) {
	r := newRig(t, recording(ok))
	body := &testBody{Reader: strings.NewReader("x")}
	req := r.request("POST", "/v1/me", body).WithContext(r.inServer())
	r.wantRefused(req, 500, reason.Misconfigured)
	if body.closed.Load() != 1 {
		t.Error("the body was not closed")
	}
}

// reverse_proxy's own health checks have no session and need none.
func TestHealthCheckHasNoToken(t *testing.T) {
	r := newRig(t, recording(ok))
	req := r.request("GET", "/healthz", nil).WithContext(t.Context())
	if res, _ := r.do(req); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	if got := r.requests()[0]; got.Header.Get("Authorization") != "" || got.URL.Path != "/healthz" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
}

// P44: the answer to TRACE would show the token.
func TestMethodsThatAreNotSent(t *testing.T) {
	r := newRig(t, recording(ok))
	for _, method := range []string{"TRACE", "CONNECT", "TRACK", "OPTIONS", "PROPFIND", "get"} {
		r.wantRefused(r.request(method, "/v1/me", nil), 405, reason.MethodNotAllowed)
	}
}

func TestEndedSessionIsTold(t *testing.T) {
	r := newRig(t, recording(ok))
	r.ex.Auth.End()
	r.wantRefused(r.request("GET", "/v1/me", nil), 401, reason.ReauthorizationRequired)
	_, body := r.do(r.request("GET", "/v1/me", nil))
	if !strings.Contains(body, `"login_url":"/spotify/login"`) {
		t.Errorf("body: %s", body)
	}
}

// A token that cannot be had for now is no reason to log anybody out.
func TestTemporaryTrouble(t *testing.T) {
	r := newRig(t, recording(ok))
	r.ex.Auth.Invalidate(r.ex.Auth.Current())
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r.tokens.Store(&down)
	req := r.request("GET", "/v1/me", nil)
	r.wantRefused(req, 503, reason.UpstreamUnavailable)
	res, _ := r.do(r.request("GET", "/v1/me", nil))
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	gone, cancel := context.WithCancel(req.Context())
	cancel()
	if _, err := r.transport.RoundTrip(req.WithContext(gone)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the client has gone: %v", err)
	}
}

// P42
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/v1/other", status)
		}))
		res, _ := r.do(r.request("GET", "/v1/me", nil))
		if res.StatusCode != status || res.Header.Get("Location") != "/v1/other" || len(r.requests()) != 1 {
			t.Errorf("%d: %d, Location %q, %d requests", status, res.StatusCode, res.Header.Get("Location"), len(r.requests()))
		}
	}
}

// P51: neither informational answers nor trailers are a way around the rules
// for headers.
func TestSideDoorsOfAnswers(t *testing.T) {
	r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "session=evil")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "Set-Cookie")
		_, _ = io.WriteString(w, "ok")
		w.Header().Set("Set-Cookie", "session=evil")
	}))
	var interim []int
	var connected bool
	req := r.request("GET", "/v1/me", nil)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			interim = append(interim, code)
			return nil
		},
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}))
	res, body := r.do(req)
	if body != "ok" || len(res.Trailer) != 0 || len(res.Header["Set-Cookie"]) != 0 {
		t.Errorf("%q, trailer %v, header %v", body, res.Trailer, res.Header)
	}
	if interim != nil {
		t.Errorf("informational answers passed on: %d", interim)
	}
	if !connected {
		t.Error("the rest of the trace was lost")
	}
}

func TestSwitchingProtocols(t *testing.T) {
	r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = rw.Flush()
	}))
	req := r.request("GET", "/v1/me", nil)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	res, _ := r.do(req)
	if res.StatusCode != http.StatusBadGateway || len(r.requests()[0].Header["Upgrade"]) != 0 {
		t.Errorf("status %d after %v", res.StatusCode, r.requests()[0].Header)
	}
}

func TestAPIBelowAPath(t *testing.T) {
	r := newRig(t, recording(ok), func(tr *rigOptions) { tr.APIURL += "/music/api/" })
	base := r.transport.APIURL
	r.transport.APIURL = strings.TrimSuffix(base, "/music/api/")
	r.do(r.request("GET", "/v1/a%24b?x=y", nil))
	if got := r.requests()[0].RequestURI; got != "/music/api/v1/a%24b?x=y" {
		t.Errorf("target: %s", got)
	}
}

// P54: connection trouble passes reverse_proxy as an error, so that its retries and
// health checks see it, and says what it is.
func TestConnectionErrorsPass(t *testing.T) {
	r := newRig(t, recording(ok))
	broken := errors.New("broken")
	r.transport.next = roundTripper(func(*http.Request) (*http.Response, error) { return nil, broken })
	body := &testBody{Reader: strings.NewReader("x")}
	req := r.request("PUT", "/v1/me", body)
	_, err := r.transport.RoundTrip(req)
	if e, ok := errors.AsType[*UnreachableError](err); !ok || e.Unwrap() != broken {
		t.Errorf("error: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// BenchmarkRoundTrip measures what the transport adds to a request of a session.
func BenchmarkRoundTrip(b *testing.B) {
	r := newRig(b, recording(ok))
	res := &http.Response{StatusCode: 200, Body: http.NoBody}
	answer := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"2048"}, "Cache-Control": {"private, max-age=0"},
		"Vary": {"Accept-Encoding"}, "Strict-Transport-Security": {"max-age=31536000"}, "Access-Control-Allow-Origin": {"*"},
		"Date": {"Mon, 02 Nov 2026 10:00:00 GMT"}, "Server": {"envoy"},
	}
	res.Header = make(http.Header, 16)
	r.transport.next = roundTripper(func(*http.Request) (*http.Response, error) {
		clear(res.Header)
		for name, values := range answer {
			res.Header[name] = values
		}
		return res, nil
	})
	req := r.request("GET", "/v1/me/playlists?limit=50", nil)
	req.Header = browserHeaders()
	r.ex.Header = req.Header.Clone()
	req.Header["X-Forwarded-For"], req.Header["X-Forwarded-Proto"] = []string{"203.0.113.9"}, []string{"https"}
	req.Header["X-Forwarded-Host"], req.Header["Via"] = []string{"app.example"}, []string{"2.0 Caddy"}
	ctx := context.WithValue(req.Context(), caddyhttp.VarsCtxKey, map[string]any{})
	req = req.WithContext(httptrace.WithClientTrace(ctx, new(httptrace.ClientTrace)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.transport.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}
