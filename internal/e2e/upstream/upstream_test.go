package upstream_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// rawRequest sends a request as written, which no client library would, and
// returns the status.
func rawRequest(b *proxytest.Browser, text string) int {
	b.T.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.Origin, "http://"))
	if err != nil {
		b.T.Fatal(err)
	}
	defer conn.Close()
	var cookies []string
	for name, value := range b.Cookies() {
		cookies = append(cookies, name+"="+value)
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	fmt.Fprintf(conn, "%s\r\nCookie: %s\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n", text, strings.Join(cookies, "; "))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.T.Fatalf("%q: %v", text, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// P41: over a socket, written as an attacker would.
func TestPathTricksDoNotReachSpotify(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	host := strings.TrimPrefix(s.Origin, "http://")
	if status := rawRequest(b, "GET /spotify/v1/me HTTP/1.1\nHost: "+host); status != 200 {
		t.Fatalf("a plain request: %d", status)
	}
	// The authority of an absolute-form target names this server, and no other.
	if status := rawRequest(b, "GET "+s.Origin+"/spotify/v1/me HTTP/1.1\nHost: evil.example"); status != 200 {
		t.Errorf("absolute form: %d", status)
	}
	s.Sim.ForgetRequests()
	for _, target := range []string{
		"/spotify/v1/../api/token", "/spotify/v1/%2e%2e/api/token", "/spotify/v1/%2E./api/token", "/spotify/v1/..%2fapi/token",
		"/spotify/v1/..%5capi/token", `/spotify/v1/..\api/token`, "/spotify/v1//me", "/spotify//v1/me", "//spotify/v1/me",
		"/spotify/v1/me//x", "/spotify/v1/a%2fb", "/spotify/v1/me%00", "/spotify/v1/me%0d%0aX-Evil:%201", "/spotify/v1/..;/api/token",
		"/spotify/v1/./me", "/spotify/./v1/me", "/x/../spotify/v1/me", "/SPOTIFY/v1/me", "/spotify/V1/me", "/spotify/%76%31/../me",
		"http:spotify/v1/me", s.Origin + "/spotify/v1/../api/token", "http://evil.example//spotify/v1/me",
	} {
		rawRequest(b, "GET "+target+" HTTP/1.1\nHost: "+host)
	}
	for _, method := range []string{"TRACE", "OPTIONS", "CONNECT"} {
		rawRequest(b, method+" /spotify/v1/me HTTP/1.1\nHost: "+host)
	}
	for _, r := range s.Sim.Requests() {
		t.Errorf("sent to Spotify: %s %s", r.Method, r.Path)
	}
}

// P43
func TestHeaderUpPassesButNotThroughOurs(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: `
		header_up User-Agent my-app/1.0
		header_up X-Api-Key of-the-site
		header_up X-Forwarded-User {http.auth.user.id}
		header_up Authorization "Bearer of-the-site"
		header_up -Accept-Language
		header_down X-Served-By us
	`})
	b := s.NewBrowser()
	b.Login("")
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("X-Api-Key", "of-the-client"), proxytest.Header("Accept-Language", "de")), 200)
	if a.Header.Get("X-Served-By") != "us" {
		t.Error("header_down does nothing")
	}
	all := s.Sim.RequestsTo("/v1/me")
	h := all[len(all)-1].Header
	for name, want := range map[string]string{"User-Agent": "my-app/1.0", "X-Api-Key": "of-the-site", "X-Forwarded-User": "", "Accept-Language": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if v := s.Sim.Violations(); len(v) > 0 {
		t.Errorf("Spotify was sent what it must not see: %q", v[0].Violations)
	}
}

// P49, P51
func TestAnswersSpeakForThemselvesOnly(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	before := b.Cookies()
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Status: 403, Body: "forbidden", Header: http.Header{
		"Set-Cookie":                       {"spotify_session=evil; Path=/", "x=y"},
		"Access-Control-Allow-Origin":      {"https://evil.example"},
		"Access-Control-Allow-Credentials": {"true"},
		"Clear-Site-Data":                  {`"*"`},
		"Cache-Control":                    {"public, max-age=600"},
		"Vary":                             {"Accept"},
		"X-Own":                            {"kept"},
	}})
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 403)
	if a.Text != "forbidden" || a.Header.Get("X-Own") != "kept" {
		t.Errorf("%q, header %v", a.Text, a.Header)
	}
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" || name == "Clear-Site-Data" {
			t.Errorf("%s: %q", name, a.Header[name])
		}
	}
	if a.Header.Get("Cache-Control") != "private, max-age=600" || !slices.Equal(a.Header["Vary"], []string{"Accept", "Cookie", "Accept-Encoding"}) {
		t.Errorf("Cache-Control %q, Vary %q", a.Header["Cache-Control"], a.Header["Vary"])
	}
	if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("an answer shown as a page could act: %v", a.Header)
	}
	if after := b.Cookies(); len(after) != len(before) || after["spotify_session"] != before["spotify_session"] {
		t.Errorf("cookies: %v", after)
	}
}

// P51: a stream's first part arrives while the rest is held back at the source.
func TestStreamsAreNotHeldBack(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	held := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Stream: 256 << 10, Chunk: 4 << 10, Hold: true})
	req, err := http.NewRequest("GET", s.Origin+"/spotify/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := b.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1<<10)); err != nil {
		t.Fatalf("the first part: %v", err)
	}
	held.Release()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n < 200<<10 {
		t.Errorf("the rest: %d bytes, %v", n, err)
	}
}

// startByHand starts a simulator, and leaves it to the test to load a config.
// To load one over another would let requests fail that come at that moment.
func startByHand(t *testing.T) *proxytest.Proxy {
	t.Helper()
	s := &proxytest.Proxy{T: t, Storage: t.TempDir(), Log: proxytest.NewLogBuffer()}
	s.Listen()
	s.Sim = spotifytest.Start(t, spotifytest.Options{})
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		if t.Failed() {
			t.Logf("Caddy's log:\n%s", s.Log)
		}
	})
	return s
}

func loadByHand(s *proxytest.Proxy, cfg string) {
	s.T.Helper()
	if err := caddy.Load(proxytest.Adapt(s.T, cfg), true); err != nil {
		s.T.Fatalf("loading the config: %v", err)
	}
}

// byHand is the two halves of spotify_proxy, written out. proxy and transport
// are more options of reverse_proxy and of its transport.
func byHand(s *proxytest.Proxy, upstream, proxy, transport string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
	log {
		output spotifytest_buffer %s
		level DEBUG
	}
	servers {
		trusted_proxies static 127.0.0.1/32
	}
}
%s {
	%s
	route /spotify/* {
		spotify_auth {
			client_id     %s
			redirect_uri  %s/spotify/callback
			authorize_url %s
			token_url     %s
			api_url       %s
		}
		uri strip_prefix /spotify
		reverse_proxy %s {
			%s
			transport spotify {
				%s
			}
		}
	}
}
`, s.Storage, s.Log.Name, s.Origin, s.Bind, proxytest.ClientID, s.Origin, s.Sim.AuthorizeURL, s.Sim.TokenURL, s.Sim.APIURL, upstream, proxy, transport)
}

// The API over https and HTTP/2, as Spotify's is.
func TestProxyByHandOverTLS(t *testing.T) {
	s := startByHand(t)
	api := httptest.NewUnstartedServer(s.Sim.APIHandler())
	api.EnableHTTP2 = true
	api.StartTLS()
	defer api.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := byHand(s, api.URL, "", "api_url "+api.URL+"\ntls_trust_pool file "+ca)
	loadByHand(s, cfg)
	b := s.NewBrowser()
	b.Login("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	all := s.Sim.RequestsTo("/v1/me")
	if last := all[len(all)-1]; last.Proto != "HTTP/2.0" || "https://"+last.Host != api.URL {
		t.Errorf("%s to %s", last.Proto, last.Host)
	}
	// R39, over HTTP/2 and with a body.
	s.Sim.ExpireAccessTokens()
	a := b.Fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=7", "{}", proxytest.Header("Content-Type", "application/json"))
	if a.StatusCode == 401 || s.Sim.Refreshes() != 1 {
		t.Errorf("status %d after %d refreshes: %s", a.StatusCode, s.Sim.Refreshes(), a.Text)
	}
}

// Options of the http transport work, even the one that changes the URL's host.
func TestProxyProtocolToUpstream(t *testing.T) {
	s := startByHand(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	headers := make(chan string, 9)
	api := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" || r.Host != listener.Addr().String() {
				t.Errorf("Host %q, header %v", r.Host, r.Header)
			}
		}),
	}
	defer api.Close()
	go api.Serve(&proxyListener{listener, headers})
	upstream := "http://" + listener.Addr().String()
	loadByHand(s, byHand(s, upstream, "", "api_url "+upstream+"\nproxy_protocol v1"))
	b := s.NewBrowser()
	b.Login("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("X-Forwarded-For", "203.0.113.9")), 200)
	if n := len(headers); n != 2 {
		t.Fatalf("%d connections", n)
	}
	for _, client := range []string{"127.0.0.1", "203.0.113.9"} {
		if h := <-headers; !strings.HasPrefix(h, "PROXY TCP4 "+client+" ") {
			t.Errorf("the connection for %s began with %q", client, h)
		}
	}
}

// proxyListener takes the first line of each connection for itself.
type proxyListener struct {
	net.Listener
	lines chan string
}

func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	var line []byte
	for c := make([]byte, 1); c[0] != '\n'; line = append(line, c[0]) {
		if _, err := conn.Read(c); err != nil {
			return nil, err
		}
	}
	l.lines <- string(line)
	return conn, nil
}

// P41: whatever reverse_proxy is made to dial, the token does not go there.
func TestForeignUpstreamIsNotCalled(t *testing.T) {
	type options struct{ upstream, proxy, transport string }
	for name, config := range map[string]func(evil, api string) options{
		"another host": func(evil, _ string) options { return options{upstream: evil} },
		"a host header": func(evil, api string) options {
			return options{upstream: evil, proxy: "header_up Host " + api[len("http://"):]}
		},
		"by placeholder": func(_, _ string) options { return options{upstream: "{http.request.header.X-Upstream}"} },
		"one of two": func(evil, api string) options {
			return options{upstream: evil + " " + api, proxy: "lb_policy round_robin"}
		},
		"PROXY protocol": func(evil, _ string) options { return options{upstream: evil, transport: "proxy_protocol v1"} },
		"a unix socket":  func(_, _ string) options { return options{upstream: "unix//nowhere.sock"} },
	} {
		t.Run(name, func(t *testing.T) {
			evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("the other upstream was called")
			}))
			defer evil.Close()
			s := startByHand(t)
			o := config(evil.URL, s.Sim.APIURL)
			loadByHand(s, byHand(s, o.upstream, o.proxy, "api_url "+s.Sim.APIURL+"\n"+o.transport))
			b := s.NewBrowser()
			b.Login("")
			refused := 0
			for range 4 {
				a := b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("X-Upstream", evil.URL[len("http://"):]))
				if a.Header.Get("Spotify-Proxy-Reason") == "misconfigured" {
					refused++
				} else if name != "one of two" || a.StatusCode != 200 {
					t.Errorf("%d %s", a.StatusCode, a.Text)
				}
			}
			if want := map[bool]int{true: 2, false: 4}[name == "one of two"]; refused != want {
				t.Errorf("%d of 4 requests refused", refused)
			}
		})
	}
}

// Without spotify_auth in front there is no token, and so no request.
func TestTransportWithoutAuth(t *testing.T) {
	s := startByHand(t)
	cfg := byHand(s, s.Sim.APIURL, "", "api_url "+s.Sim.APIURL)
	before, rest, _ := strings.Cut(cfg, "spotify_auth {")
	_, after, _ := strings.Cut(rest, "}")
	loadByHand(s, before+after)
	a := s.NewBrowser().Fetch("GET", "/spotify/v1/me", "")
	if e := a.APIError(t); a.StatusCode != 500 || e.Reason != "misconfigured" || !strings.Contains(e.Message, "spotify_auth must come before transport spotify") {
		t.Errorf("%d %+v", a.StatusCode, e)
	}
	if n := len(s.Sim.RequestsTo("/v1/")); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if log := s.Log.String(); !strings.Contains(log, "spotify_auth must come before") {
		t.Errorf("nothing about it in the log: %s", log)
	}
}
