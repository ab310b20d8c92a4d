package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// rig is a Transport with a session, in front of an API that a test plays, and
// without the handlers that guard it in a site.
type rig struct {
	t         testing.TB
	transport *rigTransport
	ex        *Exchange
	refreshes atomic.Int32
	// tokens answers a refresh; nil grants token-2, token-3, …
	tokens atomic.Pointer[http.HandlerFunc]

	mu   sync.Mutex
	seen []sent
}

// rigTransport is the engine of a rig, over an HTTP transport as reverse_proxy has.
type rigTransport struct {
	*Transport
	APIURL string
	http   *reverseproxy.HTTPTransport
}

// rigOptions are what a test may choose before the rig starts.
type rigOptions struct {
	Options
	APIURL string
	TLS    *reverseproxy.TLSConfig
}

// sent is a request as the API got it.
type sent struct {
	*http.Request
	body string
}

// newRig starts an API and provisions a Transport for it. The session's token
// is token-1.
func newRig(t testing.TB, play func(*rig) http.HandlerFunc, edits ...func(*rigOptions)) *rig {
	t.Helper()
	r := &rig{t: t}
	api := play(r)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			n := r.refreshes.Add(1)
			if answer := r.tokens.Load(); answer != nil {
				(*answer)(w, req)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1"}`, n+1)
			return
		}
		api(w, req)
	}))
	t.Cleanup(server.Close)
	o := rigOptions{
		Options: Options{ReplayBody: 1 << 20, Logger: zap.NewNop(), Clock: clock.Get()},
		APIURL:  server.URL,
	}
	for _, e := range edits {
		e(&o)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	upstream := &reverseproxy.HTTPTransport{TLS: o.TLS}
	if err := upstream.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = upstream.Cleanup() })
	var err error
	if o.API, err = ParseOrigin(o.APIURL); err != nil {
		t.Fatal(err)
	}
	if o.Next == nil {
		o.Next = upstream
	}
	r.transport = &rigTransport{New(o.Options), o.APIURL, upstream}
	cfg := &pkce.Config{ClientID: "client", TokenURL: server.URL + "/token"}
	r.ex = &Exchange{
		Auth: cfg.NewAuthenticator(pkce.NewToken(pkce.TokenFields{
			AccessToken: "token-1", RefreshToken: "refresh-1", Lifetime: time.Hour, Expiry: time.Now().Add(time.Hour),
		}), nil),
		Site: &Site{
			Links:    NewLinkRewriter(server.URL, "http://127.0.0.1:8080", "/spotify"),
			Gate:     ratelimit.New(clock.Get()),
			LoginFor: func([]string) string { return "" },
		},
		Policy: visitor{},
		Header: http.Header{},
	}
	return r
}

// recording is an API that remembers what it was sent before next answers.
func recording(next http.HandlerFunc) func(*rig) http.HandlerFunc {
	return func(r *rig) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			r.mu.Lock()
			r.seen = append(r.seen, sent{req, string(body)})
			r.mu.Unlock()
			next(w, req)
		}
	}
}

func (r *rig) requests() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// inServer is the context of a request that came through a server.
func (r *rig) inServer() context.Context {
	return context.WithValue(r.t.Context(), caddyhttp.ServerCtxKey, new(caddyhttp.Server))
}

// request returns a request of the session, as reverse_proxy would direct it.
func (r *rig) request(method, target string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(withExchange(r.inServer(), r.ex), method, r.transport.APIURL+target, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.GetBody = nil // a server's requests have none
	return req
}

// do sends a request and reads the answer.
func (r *rig) do(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	res, err := r.transport.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: reading the answer: %v", req.Method, req.URL, err)
	}
	return res, string(body)
}

// wantRefused fails unless a request is answered here, with a reason, and
// nothing is sent.
func (r *rig) wantRefused(req *http.Request, status int, why reason.Reason) {
	r.t.Helper()
	before := len(r.requests())
	res, body := r.do(req)
	if res.StatusCode != status || res.Header.Get(reason.Header) != string(why) || !strings.Contains(body, `"reason":"`+string(why)+`"`) {
		r.t.Errorf("%s %s: %d %q, want %d %s", req.Method, req.URL, res.StatusCode, body, status, why)
	}
	if n := len(r.requests()); n != before {
		r.t.Errorf("%s %s was sent", req.Method, req.URL)
	}
}

// unlessToken answers 401 to every token but one, as Spotify does.
func unlessToken(token string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer "+token {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, expiredToken)
			return
		}
		next(w, req)
	}
}

const expiredToken = `{"error":{"status":401,"message":"The access token expired"}}`

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// withExchange is the context of a request that spotify_auth let through.
func withExchange(ctx context.Context, ex *Exchange) context.Context {
	return &Exchange{Context: ctx, Auth: ex.Auth, Site: ex.Site, Session: ex.Session, Policy: ex.Policy, Header: ex.Header, Now: ex.Now}
}

// visitor may do what the site allows.
type visitor struct{}

func (visitor) Permits(*session.Session, *http.Request) *problem.Problem { return nil }

func (visitor) Ended(err error) *problem.Problem {
	p := problem.LoginRequired("/spotify/login", reason.ReauthorizationRequired)
	p.Err = err
	return p
}

// wait waits for what is to come soon.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
