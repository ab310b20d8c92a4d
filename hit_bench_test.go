package caddyspotify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// benchSite is a Handler and a Transport over a round trip that does nothing,
// with sessions that are logged in.
type benchSite struct {
	handler   *Handler
	transport *Transport
	api       nowhere
	cookies   []string
}

// nowhere answers every request at once.
type nowhere struct {
	contentType string
	body        string
}

func (n nowhere) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {n.contentType}, "Cache-Control": {"private, max-age=0"}},
		Body:          io.NopCloser(strings.NewReader(n.body)),
		ContentLength: int64(len(n.body)),
		Request:       req,
	}, nil
}

func newBenchSite(b *testing.B, n int) *benchSite {
	b.Helper()
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin:      &caddy.AdminConfig{Disabled: true},
		StorageRaw: []byte(fmt.Sprintf(`{"module":"file_system","root":%q}`, b.TempDir())),
	})
	if err != nil {
		b.Fatal(err)
	}
	s := &benchSite{
		handler: &Handler{
			ClientID:    "0123456789abcdef0123456789abcdef",
			RedirectURI: "http://127.0.0.1:8080/spotify/callback",
			StoreRaw:    []byte(`{"module":"forgetful"}`),
		},
		transport: &Transport{},
		api:       nowhere{contentType: "text/plain", body: "ok"},
	}
	if err := s.handler.Provision(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.handler.Cleanup() })
	if err := s.transport.Provision(ctx); err != nil {
		b.Fatal(err)
	}
	api, err := upstream.ParseOrigin(defaultAPIURL)
	if err != nil {
		b.Fatal(err)
	}
	s.transport.engine = upstream.New(upstream.Options{
		Next: s.api, API: api, ReplayBody: defaultReplayBody, Logger: ctx.Logger(), Clock: clock.Get(),
	})
	s.fill(b, n)
	return s
}

// fill logs n sessions in.
func (s *benchSite) fill(b *testing.B, n int) {
	b.Helper()
	m := s.handler.site.Sessions
	now := time.Now()
	for i := range n {
		sess, err := m.Create(b.Context(), benchToken(i, now), session.Account{ID: fmt.Sprintf("account-%07d", i), DisplayName: "Some Name"})
		if err != nil {
			b.Fatal(err)
		}
		// More sessions in use than a processor's caches hold, but no more
		// cookies than leave the garbage collector alone.
		if i%(n>>16+1) == 0 {
			s.cookies = append(s.cookies, "spotify_session="+sess.ID.Cookie())
		}
	}
}

// forgetful is a token store that takes every record and keeps none, so that what
// sessions cost in memory is theirs alone.
type forgetful struct{}

func init() { caddy.RegisterModule(forgetful{}) }

// CaddyModule returns the Caddy module information.
func (forgetful) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth.stores.forgetful",
		New: func() caddy.Module { return new(forgetful) },
	}
}

func (f forgetful) Store() (tokenstore.Store, error) { return f, nil }
func (forgetful) UsageKey() string                   { return "forgetful" }

func (forgetful) Load(context.Context, string) (*tokenstore.Record, error) {
	return nil, tokenstore.ErrNotFound
}

func (forgetful) Create(_ context.Context, key string, rec *tokenstore.Record) error {
	rec.Version = key[:32]
	return nil
}

func (forgetful) Update(context.Context, string, *tokenstore.Record) error { return nil }
func (forgetful) Delete(context.Context, string) error                     { return nil }

func (forgetful) Lease(context.Context, string) (tokenstore.Lease, error) {
	return nil, errors.ErrUnsupported
}

// Watch implements tokenstore.Watcher, so that no session is confirmed: how long it
// took to log all of them in does not count.
func (forgetful) Watch(ctx context.Context, _ func(string), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func (forgetful) Walk(context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(func(tokenstore.Entry, error) bool) {}
}

// benchToken has the sizes of Spotify's.
func benchToken(i int, now time.Time) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken:  fmt.Sprintf("BQ%0200d", i),
		RefreshToken: fmt.Sprintf("AQ%0129d", i),
		Scope:        "user-read-private user-top-read playlist-read-private",
		Expiry:       now.Add(30 * 24 * time.Hour),
		Lifetime:     30 * 24 * time.Hour,
	})
}

// request returns what a server hands to the first handler.
func (s *benchSite) request(cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080/spotify/v1/me", nil)
	r.Header = http.Header{
		"Accept": {"*/*"}, "User-Agent": {"Mozilla/5.0"}, "Cookie": {cookie},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"},
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, new(caddyhttp.Server))
}

// BenchmarkSessionHit is what the session costs a request: spotify_auth and
// the transport over a round trip that does nothing, to be compared with that
// round trip alone, and with a no-op of the same shape: a handler that passes a
// value on in the request's context, and the Transport of golang.org/x/oauth2
// with one token for all, which is what there is without sessions.
func BenchmarkSessionHit(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := newBenchSite(b, n)
			template := s.request(s.cookies[0])
			b.Run("nothing", func(b *testing.B) {
				next := sendBy(s.api)
				hit(b, template, s.cookies, next.ServeHTTP)
			})
			b.Run("same-shape", func(b *testing.B) {
				token := benchToken(0, time.Now()).OAuth2()
				next := sendBy(&oauth2.Transport{Source: oauth2.StaticTokenSource(token), Base: s.api})
				hit(b, template, s.cookies, func(w http.ResponseWriter, r *http.Request) error {
					ctx := context.WithValue(r.Context(), sameShape{}, token)
					return next.ServeHTTP(w, r.WithContext(ctx))
				})
			})
			b.Run("hit", func(b *testing.B) {
				next := sendBy(s.transport)
				hit(b, template, s.cookies, func(w http.ResponseWriter, r *http.Request) error {
					return s.handler.ServeHTTP(w, r, next)
				})
			})
		})
	}
}

// sameShape is the key of the value that the handler of the same shape passes on.
type sameShape struct{}

// sendBy is what reverse_proxy does, as far as the benchmark goes.
func sendBy(rt http.RoundTripper) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/spotify")
		r.URL.Scheme, r.URL.Host = "https", "api.spotify.com"
		res, err := rt.RoundTrip(r)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return res.Body.Close()
	})
}

func hit(b *testing.B, template *http.Request, cookies []string, serve func(http.ResponseWriter, *http.Request) error) {
	b.Helper()
	w := httptest.NewRecorder()
	header, url := template.Header, *template.URL
	values := [1]string{}
	ctx := &requestContext{Context: template.Context()}
	template = template.WithContext(ctx)
	settleHeap()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		// What a handler changes is put back by hand, since making a new
		// request would cost more than what is measured.
		u := url
		r := *template
		r.URL = &u
		values[0] = cookies[i%len(cookies)]
		header["Cookie"] = values[:]
		ctx.replace()
		i++
		if err := serve(w, &r); err != nil {
			b.Fatal(err)
		}
	}
}

// settleHeap brings the heap to what it is in a process that has run for a
// while: all of the memory that is in use between two collections was in use
// before. To get it from the system costs several times what is measured.
func settleHeap() {
	const piece = 4 << 10
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
		runtime.ReadMemStats(&m)
		for n := uint64(0); n < m.NextGC-m.HeapAlloc; n += piece {
			garbage = make([]byte, piece)
		}
	}
	runtime.GC()
}

var garbage []byte // so that it is really allocated

// requestContext gives each request a Replacer of its own, as the server does.
// One that served all of them would keep something of every one.
type requestContext struct {
	context.Context
	replacer *caddy.Replacer
}

func (c *requestContext) replace() {
	c.replacer = caddy.NewReplacer()
	c.replacer.Map(func(string) (any, bool) { return nil, false }) // the server's own
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if key == caddy.ReplacerCtxKey {
		return c.replacer
	}
	return c.Context.Value(key)
}

// BenchmarkSessionLookup is the way from a cookie's value to its session, each
// session in turn.
func BenchmarkSessionLookup(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := newBenchSite(b, n)
			m := s.handler.site.Sessions
			var values []string
			for _, cookie := range s.cookies {
				_, value, _ := strings.Cut(cookie, "=")
				values = append(values, value)
			}
			now := time.Now().Unix()
			settleHeap()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := m.GetAt(b.Context(), values[i%len(values)], now); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkSessionMemory reports the live heap that a cached session takes, and
// what a full collection of garbage costs with so many: the time of all cores
// together while requests go on, and the pause in which they do not.
func BenchmarkSessionMemory(b *testing.B) {
	for _, n := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			var size, collecting, pause float64
			for b.Loop() {
				s := newBenchSite(b, 0)
				var before, after, collected runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				s.fill(b, n)
				runtime.GC()
				runtime.ReadMemStats(&after)
				began := time.Now()
				runtime.GC()
				collecting = float64(time.Since(began)) / float64(time.Millisecond)
				runtime.ReadMemStats(&collected)
				pause = float64(collected.PauseTotalNs-after.PauseTotalNs) / float64(time.Microsecond)
				size = float64(after.HeapAlloc-before.HeapAlloc) / float64(max(1, n))
				runtime.KeepAlive(s)
			}
			if n > 0 {
				b.ReportMetric(size, "B/session")
			}
			b.ReportMetric(collecting, "ms/collection")
			b.ReportMetric(pause, "µs-paused/collection")
		})
	}
}
