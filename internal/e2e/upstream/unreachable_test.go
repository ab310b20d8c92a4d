package upstream_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// outage is a Web API that cannot be reached, and what clients are told of it.
type outage struct {
	url       string
	transport string // more options of the transport
	status    int
}

// outages are the ways in which the Web API can be out of reach.
func outages(t *testing.T) map[string]outage {
	t.Helper()
	listen := func(handle func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = conn.Close() })
				go handle(conn)
			}
		}()
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	silent := listen(func(net.Conn) {})
	reset := listen(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	nonsense := listen(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
		_ = c.Close()
	})
	return map[string]outage{
		"refused":            {url: "http://" + nobody, status: 502},
		"no DNS":             {url: "https://spotify.invalid", transport: "resolvers " + nobody, status: 502},
		"untrusted":          {url: untrusted.URL, status: 502},
		"reset":              {url: "http://" + reset, status: 502},
		"no HTTP":            {url: "http://" + nonsense, status: 502},
		"silent":             {url: "http://" + silent, transport: "response_header_timeout 100ms", status: 504},
		"silent in TLS":      {url: "https://" + silent, transport: "tls_timeout 100ms", status: 504},
		"not even connected": {url: "https://spotify.invalid", transport: "resolvers " + nobody + "\ndial_timeout 1ns", status: 504},
	}
}

// P54: whatever keeps the proxy from the Web API, clients get JSON or a page, with
// the reason in header and body alike, and when to try again.
func TestUnreachableAPI(t *testing.T) {
	for name, out := range outages(t) {
		t.Run(name, func(t *testing.T) {
			s := startByHand(t)
			loadByHand(s, byHand(s, out.url, "", "api_url "+out.url+"\n"+out.transport))
			b := s.NewBrowser()
			b.Login("")
			for _, method := range []string{"GET", "PUT"} {
				a := b.WantStatus(b.Fetch(method, "/spotify/v1/me/player/volume?volume_percent=7", ""), out.status)
				if e := a.APIError(t); e.Reason != "upstream_unavailable" || e.Status != out.status || e.Message == "" || e.LoginURL != "" {
					t.Errorf("error: %+v", e)
				}
				if a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("header: %v", a.Header)
				}
			}
			a := b.WantStatus(b.Navigate("/spotify/v1/me"), out.status)
			if !strings.Contains(a.Text, "<h1>Please try again in a moment</h1>") || !strings.Contains(a.Text, "<code>upstream_unavailable</code>") ||
				a.Header.Get("Spotify-Proxy-Reason") != "upstream_unavailable" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Retry-After") == "" {
				t.Errorf("header %v, page %s", a.Header, a.Text)
			}
			if !strings.Contains(s.Log.String(), "request not served") {
				t.Error("the operator is told nothing")
			}
			b.WantStatus(b.Fetch("GET", "/spotify/session", ""), 200)
			if !b.Session().Authenticated {
				t.Error("the visitor was logged out")
			}
		})
	}
}

// P54: reverse_proxy's retries and passive health checks go on working, and an
// upstream that they have taken out is unreachable, too.
func TestUnreachableAPIAndLoadBalancing(t *testing.T) {
	var dials atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			_ = conn.Close()
		}
	}()
	url := "http://" + l.Addr().String()
	for name, test := range map[string]struct {
		proxy         string
		first, second int // status
		dials         int32
	}{
		"neither": {"", 502, 502, 2},
		"retries": {"lb_retries 2\nlb_try_interval 1ms", 502, 502, 6},
		"health":  {"max_fails 1\nfail_duration 1h", 502, 503, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := startByHand(t)
			loadByHand(s, byHand(s, url, test.proxy, "api_url "+url+"\nkeepalive off"))
			b := s.NewBrowser()
			b.Login("")
			dials.Store(0)
			for _, want := range []int{test.first, test.second} {
				a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), want)
				if e := a.APIError(t); e.Reason != "upstream_unavailable" || a.Header.Get("Retry-After") == "" {
					t.Errorf("error: %+v, header %v", e, a.Header)
				}
			}
			if n := dials.Load(); n != test.dials {
				t.Errorf("%d connections, want %d", n, test.dials)
			}
		})
	}
}

// P54: error routes get it, under the path that the browser asked for, and what
// another handler refuses is left to that.
func TestUnreachableAPIAndErrorRoutes(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys", Site: `
		handle_errors {
			@api path /spotify/*
			respond @api "{err.status_code} {err.message}"
		}`})
	b := s.NewBrowser()
	b.Login("")
	program := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/", Cut: true})
	a := b.WantStatus(b.Fetch("PUT", "/spotify/v1/me/player/volume", ""), 502)
	if a.Text != "502 Spotify cannot be reached just now. Try again in a moment." || a.Header.Get("Spotify-Proxy-Reason") != "upstream_unavailable" {
		t.Errorf("%q, header %v", a.Text, a.Header)
	}
	s.Site = ""
	s.Load("")
	// A program gets JSON, whatever it accepts.
	if e := program.WantStatus(program.Do("GET", "/spotify/v1/me", "", proxytest.Header("Accept", "text/html")), 502).APIError(t); e.Reason != "upstream_unavailable" {
		t.Errorf("error: %+v", e)
	}
	s.Auth = "request_buffers 1KiB"
	s.Site = "request_body {\nmax_size 10\n}"
	s.Load("")
	if a := b.Fetch("PUT", "/spotify/v1/me/player/volume", strings.Repeat("x", 100)); a.StatusCode != 413 || a.Header.Get("Spotify-Proxy-Reason") != "" {
		t.Errorf("too long a body: status %d, header %v", a.StatusCode, a.Header)
	}
}
