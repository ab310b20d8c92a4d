package operation_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O61: requests are counted by whose fault it was that they came to nothing.
func TestMetricsTellWhoseFault(t *testing.T) {
	began := make(chan struct{}, 10) // a request has come to the API
	s := proxytest.Start(t, proxytest.Options{
		Site: withMetrics,
		Auth: "replay_body 1KiB",
		API: func(simulated http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				size := 1 << 20
				switch {
				case strings.HasSuffix(r.URL.Path, "/short"):
					size = 1000
					fallthrough
				case strings.HasSuffix(r.URL.Path, "/broken"):
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Content-Length", fmt.Sprint(size))
					_, _ = io.WriteString(w, `{"a":"`+strings.Repeat("x", size/2))
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				case strings.HasSuffix(r.URL.Path, "/endless"):
					began <- struct{}{}
					w.Header().Set("Content-Type", "text/plain")
					for r.Context().Err() == nil {
						if _, err := w.Write(make([]byte, 32<<10)); err != nil {
							return
						}
					}
				case strings.HasSuffix(r.URL.Path, "/slow"):
					began <- struct{}{}
					<-r.Context().Done()
				case strings.HasSuffix(r.URL.Path, "/upload"):
					began <- struct{}{}
					_, _ = io.Copy(io.Discard, r.Body)
				default:
					simulated.ServeHTTP(w, r)
				}
			})
		},
	})
	b := s.NewBrowser()
	b.Login("")
	counts := map[string]float64{}
	count := func(what, reason string) {
		t.Helper()
		counts[reason]++
		proxytest.Eventually(t, what+" counts as "+reason, func() bool {
			return metric(s, "requests_total", fmt.Sprintf("reason=%q", reason)) == counts[reason]
		})
		for _, other := range []string{"none", "client_gone", "response_broken", "upstream_unavailable", "other", "bad_request"} {
			if got := metric(s, "requests_total", fmt.Sprintf("reason=%q", other)); got != counts[other] {
				t.Errorf("after %s: %v of %s, want %v", what, got, other, counts[other])
			}
		}
	}
	// begin sends the beginning of a request and returns the connection.
	begin := func(request string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.Origin, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, fmt.Sprintf(request, "Host: "+strings.TrimPrefix(s.Origin, "http://")+
			"\r\nSec-Fetch-Site: same-origin\r\nCookie: spotify_session="+b.SessionCookie()+"\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}

	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	count("a response", "none")
	for _, path := range []string{"short", "broken"} {
		conn := begin("GET /spotify/v1/" + path + " HTTP/1.1\r\n%s\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
		}
		count("a response that breaks off ("+path+")", "response_broken")
	}

	conn := begin("GET /spotify/v1/endless HTTP/1.1\r\n%s\r\n")
	<-began
	_ = conn.Close()
	count("a download that the client leaves", "client_gone")
	conn = begin("GET /spotify/v1/slow HTTP/1.1\r\n%s\r\n")
	<-began
	_ = conn.Close()
	count("a client that does not wait", "client_gone")
	conn = begin("PUT /spotify/v1/upload HTTP/1.1\r\n%sContent-Length: 100000\r\n\r\nthe beginning")
	<-began
	_ = conn.Close()
	count("an upload that the client leaves", "client_gone")
	_ = begin("PUT /spotify/v1/upload HTTP/1.1\r\n%sContent-Length: 1000\r\n\r\nthe beginning").Close()
	count("a short upload that the client leaves", "client_gone")

	s.Sim.APIURL = "http://" + freeport.Address(t)
	s.Load("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusBadGateway)
	count("an API that is out of reach", "upstream_unavailable")
}

// O61: what an alert compares is there before the first login, so that it fires if
// none has worked since the start.
func TestMetricsBeginAtZero(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Site: withMetrics})
	text := scrape(s)
	site := strings.TrimPrefix(s.Origin, "http://")
	for _, want := range []string{
		`caddy_spotify_logins_total{outcome="success",site="` + site + `"} 0`,
		`caddy_spotify_logins_total{outcome="login_failed",site="` + site + `"} 0`,
		`caddy_spotify_logins_total{outcome="store_unavailable",site="` + site + `"} 0`,
		`caddy_spotify_requests_total{reason="upstream_unavailable",site="` + site + `"} 0`,
		`caddy_spotify_requests_total{reason="response_broken",site="` + site + `"} 0`,
		`caddy_spotify_requests_total{reason="client_gone",site="` + site + `"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}
