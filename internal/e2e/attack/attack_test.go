package attack_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// The tests in files called attack_… write to the running server's socket what
// no client library would send, as an attacker may.

// attack sends text as it is, but for line ends, which become those of HTTP,
// and returns all the answers until the server closes the connection. $HOST
// and $COOKIE stand for the server's authority and for the browser's cookies.
func attack(b *proxytest.Browser, text string) []proxytest.Response {
	b.T.Helper()
	text = strings.NewReplacer("\r\n", "\r\n", "\n", "\r\n", "$HOST", strings.TrimPrefix(b.Origin, "http://"), "$COOKIE", cookieHeader(b)).Replace(text)
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.Origin, "http://"))
	if err != nil {
		b.T.Fatal(err)
	}
	defer conn.Close()
	// Bounds a failure: a server that waits for more would hang the test.
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		b.T.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, text) // a server may hang up before it has read all
	}()
	var answers []proxytest.Response
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if isTimeout(err) {
				b.T.Fatalf("no end after %d answers to %.200q", len(answers), text)
			}
			break
		}
		body, err := io.ReadAll(res.Body)
		if err != nil && isTimeout(err) {
			b.T.Fatalf("no end of the answer to %.200q", text)
		}
		answers = append(answers, proxytest.Response{Response: res, Text: string(body)})
	}
	conn.Close()
	<-sent
	return answers
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// cookieHeader returns the browser's cookies as it would send them.
func cookieHeader(b *proxytest.Browser) string {
	var cookies []string
	for name, value := range b.Cookies() {
		cookies = append(cookies, name+"="+value)
	}
	slices.Sort(cookies)
	return strings.Join(cookies, "; ")
}

// one returns the only answer there is, or one without a status if the server
// hung up without a word.
func one(b *proxytest.Browser, answers []proxytest.Response) proxytest.Response {
	b.T.Helper()
	switch len(answers) {
	case 0:
		return proxytest.Response{Response: new(http.Response)}
	case 1:
		return answers[0]
	}
	b.T.Fatalf("%d answers to one request", len(answers))
	return proxytest.Response{}
}

// wantNothingSent fails if anything has reached Spotify since ForgetRequests.
func wantNothingSent(s *proxytest.Proxy, what string) {
	s.T.Helper()
	for _, r := range s.Sim.Requests() {
		s.T.Errorf("%s: Spotify got %s %s", what, r.Method, r.Path)
	}
	s.Sim.ForgetRequests()
}

// attacked returns a browser that is logged in, at a simulator that has
// forgotten how.
func attacked(t *testing.T, o proxytest.Options) *proxytest.Browser {
	t.Helper()
	s := proxytest.Start(t, o)
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ForgetRequests()
	return b
}

// same are the headers of a request by the site's own script.
const same = "Host: $HOST\nCookie: $COOKIE\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors\n"
