package proxytest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience bounds what would otherwise hang when it fails. Nothing takes so long.
const patience = time.Minute

// Watch returns a function that waits until the server at an origin is told to
// stop, which it must be within patience. Caddy does not wait for that: the next request could still be the old
// config's, or could be dropped by it. A server closes its idle connections when it
// has closed its listeners.
func Watch(t testing.TB, origin string) (gone func()) {
	t.Helper()
	host := strings.TrimPrefix(origin, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	bound(t, conn)
	r := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "OPTIONS /spotify/health/live HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return func() {
		t.Helper()
		bound(t, conn)
		_, err := r.ReadByte()
		_ = conn.Close()
		if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
			t.Fatalf("the server at %s was not shut down", origin)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
}

// bound lets reads from conn and writes to it fail after patience.
func bound(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until holds returns true, and lets the test fail if it does not
// within patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
