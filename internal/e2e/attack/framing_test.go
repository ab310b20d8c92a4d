package attack_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P41: nothing in how a request is framed lets a second one slip to Spotify in
// its body, past the checks and with the first one's session.
func TestAttackRequestSmuggling(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	const hidden = "PUT /v1/me/player/volume?hidden HTTP/1.1\nHost: x\nContent-Length: 0\n\n"
	const put = "PUT /spotify/v1/me/player/volume?$TAG HTTP/1.1\n" + same
	names := make(map[string]string) // by tag
	for name, request := range map[string]string{
		"length and chunks":       put + "Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n" + hidden,
		"chunks and length":       put + "Transfer-Encoding: chunked\nContent-Length: 200\n\n0\n\n" + hidden,
		"two lengths":             put + "Content-Length: 0\nContent-Length: 90\n\n" + hidden,
		"two equal lengths":       put + "Content-Length: 0\nContent-Length: 0\n\n" + hidden,
		"a list of lengths":       put + "Content-Length: 0, 90\n\n" + hidden,
		"a signed length":         put + "Content-Length: +0\n\n" + hidden,
		"a negative length":       put + "Content-Length: -1\n\n" + hidden,
		"a hexadecimal length":    put + "Content-Length: 0x5\n\n" + hidden,
		"a long length":           put + "Content-Length: 18446744073709551616\n\n" + hidden,
		"an underscored length":   put + "Content_Length: 90\n\n" + hidden,
		"a spaced name":           put + "Content-Length : 0\n\n" + hidden,
		"a spaced encoding":       put + "Transfer-Encoding : chunked\nContent-Length: 0\n\n" + hidden,
		"an unknown encoding":     put + "Transfer-Encoding: xchunked\nContent-Length: 0\n\n" + hidden,
		"two encodings":           put + "Transfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n" + hidden,
		"a list of encodings":     put + "Transfer-Encoding: identity, chunked\n\n0\n\n" + hidden,
		"an encoding with a tab":  put + "Transfer-Encoding:\tchunked\n\n0\n\n" + hidden,
		"a control character":     put + "Transfer-Encoding: \x0bchunked\nContent-Length: 0\n\n" + hidden,
		"a folded line":           put + "X-A: b\n Transfer-Encoding: chunked\nContent-Length: 0\n\n" + hidden,
		"a chunk's extension":     put + "Transfer-Encoding: chunked\n\n0;a=\"\n\n" + hidden,
		"a negative chunk":        put + "Transfer-Encoding: chunked\n\n-1\n\n" + hidden,
		"a chunk that is too big": put + "Transfer-Encoding: chunked\n\nfffffffffffffffff\n\n" + hidden,
		"a trailer":               put + "Transfer-Encoding: chunked\nTrailer: Authorization\n\n0\nAuthorization: Bearer evil\nCookie: x=y\n\n" + hidden,
		"a bare carriage return":  put + "X: y\rContent-Length: 90\nContent-Length: 0\n\n" + hidden,
		"HTTP/1.0 with chunks":    strings.Replace(put, "HTTP/1.1", "HTTP/1.0", 1) + "Transfer-Encoding: chunked\n\n0\n\n" + hidden,
		"another version":         strings.Replace(put, "HTTP/1.1", "HTTP/1.9", 1) + "Content-Length: 0\n\n" + hidden,
		"an upgrade":              put + "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\nContent-Length: 0\n\n" + hidden,
		"a websocket":             put + "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: x\nSec-WebSocket-Version: 13\nContent-Length: 0\n\n" + hidden,
		"a body that expects":     put + "Expect: 100-continue\nContent-Length: 0\n\n" + hidden,
	} {
		tag := fmt.Sprintf("attack=%d", len(names))
		names[tag] = name
		attack(b, strings.ReplaceAll(request, "$TAG", tag)+"GET /closing HTTP/1.1\nHost: $HOST\nConnection: close\n\n")
	}
	// Spotify may see a request that was broken off only after its answer.
	seen := make(map[string]int)
	for _, r := range b.Sim.Requests() {
		seen[r.RawQuery]++
		name, known := names[r.RawQuery]
		if !known || seen[r.RawQuery] > 1 {
			t.Errorf("%s: Spotify got %s %s?%s, %d times", name, r.Method, r.Path, r.RawQuery, seen[r.RawQuery])
		}
		if auth := r.Header["Authorization"]; len(auth) != 1 || strings.Contains(auth[0], "evil") {
			t.Errorf("%s: %d times Authorization", name, len(auth))
		}
	}
	if v := b.Sim.Violations(); len(v) != 0 {
		t.Errorf("violations: %+v", v)
	}
}

// P50: a body that is broken off does not count as a whole one, however much of
// it was announced.
func TestAttackBrokenBodies(t *testing.T) {
	for name, head := range map[string]string{
		"shorter than announced": "Content-Length: 100\n\n{\"uris\":[]}",
		"an unfinished chunk":    "Transfer-Encoding: chunked\n\n64\n{\"uris\":[]}",
		"no last chunk":          "Transfer-Encoding: chunked\n\nb\n{\"uris\":[]}\n",
		"half a trailer":         "Transfer-Encoding: chunked\n\nb\n{\"uris\":[]}\n0\nX: ",
	} {
		for _, replay := range []string{"", "replay_body off"} {
			t.Run(name+" "+replay, func(t *testing.T) {
				b := attacked(t, proxytest.Options{Auth: replay})
				conn, err := net.Dial("tcp", strings.TrimPrefix(b.Origin, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				text := strings.NewReplacer("\n", "\r\n", "$HOST", strings.TrimPrefix(b.Origin, "http://"), "$COOKIE", cookieHeader(b)).
					Replace("PUT /spotify/v1/me/player/play HTTP/1.1\n" + same + "Content-Type: application/json\n" + head)
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				// Whatever the answer is, it comes after all that is sent to Spotify.
				answer, err := io.ReadAll(conn)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(string(answer), "HTTP/1.1 2") {
					t.Errorf("answer: %.80s", answer)
				}
				for _, r := range b.Sim.Requests() {
					if r.Status != 0 && r.Status < 400 { // 0 is an answer that never came
						t.Errorf("Spotify took %d bytes for the whole and answered %d", r.BodyLength, r.Status)
					}
				}
			})
		}
	}
}

// P41: what a request expects, or whom it asks to be sent on to, changes nothing.
func TestAttackExpectations(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	for name, c := range map[string]struct {
		headers string
		want    int
	}{
		"to be told to go on":  {"Expect: 100-continue\nContent-Length: 0", 204},
		"something else":       {"Expect: 200-ok\nContent-Length: 0", 417},
		"a range of an answer": {"Range: bytes=0-0,-1,5-,0-0,0-0\nContent-Length: 0", 204},
		"to be sent on":        {"Max-Forwards: 0\nContent-Length: 0", 204},
	} {
		t.Run(name, func(t *testing.T) {
			answers := attack(b, "PUT /spotify/v1/me/player/volume?volume_percent=30 HTTP/1.1\n"+same+c.headers+"\nConnection: close\n\n")
			if len(answers) == 0 || answers[len(answers)-1].StatusCode != c.want {
				t.Errorf("%d answers: %+v", len(answers), answers)
			}
			all := b.Sim.Requests()
			if want := c.want == 204; (len(all) == 1) != want || want && (all[0].Header.Get("Max-Forwards") != "" || len(all[0].Violations) != 0) {
				t.Errorf("Spotify got %+v", all)
			}
			b.Sim.ForgetRequests()
		})
	}
}

// P45: one connection's requests are judged one by one: that the first may use
// a session says nothing about the next.
func TestAttackPipeline(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	answers := attack(b, "GET /spotify/v1/me HTTP/1.1\n"+same+"\n"+
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nSec-Fetch-Site: same-origin\n\n"+
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nCookie: $COOKIE\nSec-Fetch-Site: cross-site\n\n"+
		"POST /spotify/logout HTTP/1.1\n"+same+"Content-Length: 0\n\n"+
		"GET /spotify/v1/me HTTP/1.1\n"+same+"Connection: close\n\n")
	var got []int
	for _, a := range answers {
		got = append(got, a.StatusCode)
	}
	want := []int{http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusNoContent, http.StatusUnauthorized}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if n := len(b.Sim.Requests()); n != 1 {
		t.Errorf("%d requests reached Spotify", n)
	}
}
