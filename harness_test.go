package caddyspotify_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const testClientID = "0123456789abcdef0123456789abcdef"

// setup is a simulator and a real Caddy in front of it. Caddy runs one config
// at a time in a process, so tests that use it do not run in parallel.
type setup struct {
	t       *testing.T
	sim     *spotifytest.Running
	origin  string // of the proxy
	bind    string // the directive that has it listen there
	storage string // directory of Caddy's storage
	logs    *logBuffer
	options string
	site    string
	global  string
	level   string
	https   bool
	loaded  bool
}

// options of start.
type startOptions struct {
	sim spotifytest.Options
	// api, if any, stands in front of the simulator's Web API.
	api func(simulated http.Handler) http.Handler
	// auth is put into the spotify_proxy block.
	auth string
	// site is put into the site block, beside spotify_proxy.
	site string
	// global is put into the global options.
	global string
	// level is what is logged at least; empty means DEBUG, which is everything.
	level string
	// https makes the public origin https://app.example.com, behind a proxy
	// that ends TLS.
	https bool
}

// start runs Caddy with a spotify_proxy whose Spotify is a simulator.
func start(t *testing.T, o startOptions) *setup {
	t.Helper()
	s := &setup{
		t:       t,
		storage: t.TempDir(),
		logs:    newLogBuffer(),
		options: o.auth,
		site:    o.site,
		global:  o.global,
		level:   cmp.Or(o.level, "DEBUG"),
		https:   o.https,
	}
	s.listen()
	s.sim = spotifytest.Start(t, o.sim)
	if o.api != nil {
		server := httptest.NewServer(o.api(s.sim.APIHandler()))
		t.Cleanup(server.Close)
		s.sim.APIURL = server.URL
	}
	s.load("")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		if t.Failed() {
			t.Logf("Caddy's log:\n%s", s.logs)
		}
	})
	return s
}

// caddyfile returns the config that load runs.
func (s *setup) caddyfile(extra string) string {
	site, public := s.site, s.origin
	if s.https {
		public = "https://app.example.com"
	}
	if site == "" {
		site = "respond /app* \"the app\"\nrespond / home"
	}
	address := s.origin
	if s.https {
		// Requests come in under any name.
		_, port, _ := strings.Cut(strings.TrimPrefix(s.origin, "http://"), ":")
		address = "http://:" + port
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
	log {
		output spotifytest_buffer %s
		format json
		level %s
	}
	%s
}
%s {
	%s
	log
	spotify_proxy {
		client_id     %s
		redirect_uri  %s/spotify/callback
		scopes        user-read-private user-top-read playlist-read-private user-read-playback-state user-modify-playback-state playlist-modify-private ugc-image-upload
		authorize_url %s
		token_url     %s
		api_url       %s
		%s
	}
	%s
}
`, s.storage, s.logs.name, s.level, s.global+"\n"+extra, address, s.bind, testClientID, public, s.sim.AuthorizeURL, s.sim.TokenURL, s.sim.APIURL, s.options, site)
}

// restart stops Caddy and starts it anew, as another process would.
func (s *setup) restart() {
	s.t.Helper()
	gone := s.watch(s.origin)
	if err := caddy.Stop(); err != nil {
		s.t.Fatalf("stopping Caddy: %v", err)
	}
	gone()
	s.loaded = false
	s.load("")
}

// load loads the config, again if it is loaded already, with more global options.
// The one before answers nobody when load returns.
func (s *setup) load(extra string) {
	s.t.Helper()
	if s.loaded {
		defer s.watch(s.origin)()
	}
	s.loaded = true
	if err := caddy.Load(adapt(s.t, s.caddyfile(extra)), true); err != nil {
		s.t.Fatalf("loading the config: %v", err)
	}
	// The old config's server may not be through with closing.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func adapt(t testing.TB, text string) []byte {
	t.Helper()
	cfg, err := tryAdapt(text)
	if err != nil {
		t.Fatalf("adapting the Caddyfile: %v\n%s", err, text)
	}
	return cfg
}

func tryAdapt(text string) ([]byte, error) {
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return cfg, err
}

// listen opens the socket that Caddy listens on, whatever configs it loads until
// the test ends. By itself it would open one for each config, and at a reload
// the connections that the system has queued for the old one are reset. One
// that it inherits, as from systemd, it keeps.
func (s *setup) listen() {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close() // its copy listens on
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = file.Close() })
	s.origin = "http://" + l.Addr().String()
	s.bind = fmt.Sprintf("bind fd/%d", file.Fd())
}

// watch returns a function that waits until the server at an origin is told to
// stop. Caddy does not wait for that: the next request could still be the old
// config's, or could be dropped by it. A server closes its idle connections when it
// has closed its listeners.
func (s *setup) watch(origin string) (gone func()) {
	s.t.Helper()
	host := strings.TrimPrefix(origin, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		s.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "OPTIONS /spotify/health/live HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return func() {
		_, _ = r.ReadByte()
		_ = conn.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
}

// browser is a client that behaves as one person's browser does: it keeps
// cookies and sends Fetch Metadata.
type browser struct {
	*setup
	client *http.Client
	jar    *cookiejar.Jar
}

func (s *setup) newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{
		setup: s,
		jar:   jar,
		client: &http.Client{
			Jar:           jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// answer is a response, read.
type answer struct {
	*http.Response
	body string
}

// apiError is the error in an answer's JSON.
type apiError struct {
	Status   int    `json:"status"`
	Message  string `json:"message"`
	Reason   string `json:"reason"`
	LoginURL string `json:"login_url"`
}

func (a answer) apiError(t testing.TB) apiError {
	t.Helper()
	var e struct{ Error apiError }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("not an error in JSON: %v: %q", err, a.body)
	}
	return e.Error
}

// edit changes a request before it is sent.
type edit func(*http.Request)

func header(name, value string) edit {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

func (b *browser) do(method, target, body string, edits ...edit) answer {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.origin + target
	}
	send := func() (*http.Response, error) {
		var reader io.Reader
		if body != "" {
			reader = strings.NewReader(body)
		}
		req, err := http.NewRequest(method, target, reader)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range edits {
			e(req)
		}
		return b.client.Do(req)
	}
	resp, err := send()
	for tries := 0; errors.Is(err, io.EOF) && method == http.MethodGet && tries < 5; tries++ {
		// A server that is shutting down hangs up on a connection that it had
		// accepted, before any handler sees the request.
		resp, err = send()
	}
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: reading the body: %v", method, target, err)
	}
	return answer{resp, string(text)}
}

// fetch does what the page's own script would.
func (b *browser) fetch(method, target, body string, edits ...edit) answer {
	b.t.Helper()
	return b.do(method, target, body, append([]edit{
		header("Sec-Fetch-Site", "same-origin"), header("Sec-Fetch-Mode", "cors"), header("Sec-Fetch-Dest", "empty"),
	}, edits...)...)
}

// navigate does what a person's click does.
func (b *browser) navigate(target string, edits ...edit) answer {
	b.t.Helper()
	return b.do(http.MethodGet, target, "", append([]edit{
		header("Sec-Fetch-Site", "none"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document"),
		header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
	}, edits...)...)
}

// login logs in through the consent page and returns the callback's answer.
func (b *browser) login(user string) answer {
	b.t.Helper()
	a := b.navigate(spotifytest.Approve(b.t, b.client, b.origin+"/spotify/login", user), header("Sec-Fetch-Site", "cross-site"))
	if a.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("the login ended with %d: %s", a.StatusCode, a.body)
	}
	return a
}

// cookies returns the browser's cookies for the proxy, by name.
func (b *browser) cookies() map[string]string {
	u, err := url.Parse(b.origin)
	if err != nil {
		b.t.Fatal(err)
	}
	cookies := make(map[string]string)
	for _, c := range b.jar.Cookies(u) {
		cookies[c.Name] = c.Value
	}
	return cookies
}

func (b *browser) wantStatus(a answer, status int) answer {
	b.t.Helper()
	if a.StatusCode != status {
		b.t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	return a
}

// logBuffer is a log output of Caddy's that keeps what is written. It outlives
// the configs of one test.
type logBuffer struct {
	name string
	mu   sync.Mutex
	buf  bytes.Buffer
}

var logBuffers sync.Map

func newLogBuffer() *logBuffer {
	b := &logBuffer{name: fmt.Sprintf("b%d", os.Getpid())}
	for i := 0; ; i++ {
		b.name = fmt.Sprintf("buffer%d", i)
		if _, taken := logBuffers.LoadOrStore(b.name, b); !taken {
			return b
		}
	}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) Close() error { return nil }

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
