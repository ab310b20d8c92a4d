package attack_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// What an HTTP/2 request came to.
const (
	h2Answered = "answered"
	h2Reset    = "reset"
	h2Closed   = "closed"
)

// Types of frames (RFC 9113 §6).
const (
	frameHeaders   = 1
	frameReset     = 3
	frameSettings  = 4
	frameGoAway    = 7
	flagEndStream  = 1
	flagEndHeaders = 4
)

// attackHTTP2 sends one HTTP/2 request whose fields are as given, in pairs,
// pseudo-header fields included, and says what it came to.
func attackHTTP2(b *proxytest.Browser, fields ...string) string {
	b.T.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.Origin, "http://"))
	if err != nil {
		b.T.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		b.T.Fatal(err)
	}
	replace := strings.NewReplacer("$HOST", strings.TrimPrefix(b.Origin, "http://"), "$COOKIE", cookieHeader(b))
	var block bytes.Buffer
	for i, s := range fields {
		if i%2 == 0 {
			block.WriteByte(0) // literal field without indexing, new name (RFC 7541 §6.2.2)
		}
		s = replace.Replace(s)
		if len(s) < 127 {
			block.WriteByte(byte(len(s)))
		} else {
			// a 7-bit prefix, then what is above it (RFC 7541 §5.1)
			block.WriteByte(127)
			block.Write(binary.AppendUvarint(nil, uint64(len(s)-127)))
		}
		block.WriteString(s)
	}
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = appendFrame(out, frameSettings, 0, 0, nil)
	out = appendFrame(out, frameHeaders, flagEndStream|flagEndHeaders, 1, block.Bytes())
	if _, err := conn.Write(out); err != nil {
		b.T.Fatal(err)
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			if isTimeout(err) {
				b.T.Fatalf("no answer to %q", fields)
			}
			return h2Closed
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return h2Closed
		}
		switch head[3] {
		case frameHeaders:
			return h2Answered
		case frameReset:
			return h2Reset
		case frameGoAway:
			return h2Closed
		}
	}
}

func appendFrame(out []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	out = append(out, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	out = binary.BigEndian.AppendUint32(out, stream)
	return append(out, payload...)
}

// P41, P43: HTTP/2 has its own ways to say what a request is. None of them gets
// anything to Spotify that HTTP/1.1 does not.
func TestAttackHTTP2(t *testing.T) {
	b := attacked(t, proxytest.Options{Global: "servers {\nprotocols h1 h2c\n}"})
	own := []string{"cookie", "$COOKIE", "sec-fetch-site", "same-origin"}
	get := func(path string, more ...string) []string {
		fields := []string{":method", "GET", ":scheme", "http", ":authority", "$HOST", ":path", path}
		return append(append(fields, own...), more...)
	}

	// What is allowed arrives, a cookie in crumbs included (RFC 9113 §8.2.3).
	for name, fields := range map[string][]string{
		"plain": get("/spotify/v1/me"),
		"crumbs": {
			":method", "GET", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me",
			"cookie", "theme=dark", "cookie", "$COOKIE", "cookie", "x=y", "sec-fetch-site", "same-origin",
		},
	} {
		if got := attackHTTP2(b, fields...); got != h2Answered || len(b.Sim.Requests()) != 1 {
			t.Fatalf("%s: %s, %d requests reached Spotify", name, got, len(b.Sim.Requests()))
		}
		b.Sim.ForgetRequests()
	}

	for name, fields := range map[string][]string{
		"dots":                     get("/spotify/v1/../api/token"),
		"encoded dots":             get("/spotify/v1/%2e%2e/api/token"),
		"slashes":                  get("//spotify/v1/me"),
		"an encoded slash":         get("/spotify/v1/a%2fb"),
		"an encoded backslash":     get("/spotify/v1/..%5capi"),
		"a backslash":              get(`/spotify/v1\me`),
		"an absolute path":         get("http://api.spotify.com/v1/me"),
		"no slash":                 get("spotify/v1/me"),
		"an empty path":            get(""),
		"a star":                   get("*"),
		"a NUL in the path":        get("/spotify/v1/me\x00"),
		"a newline in the path":    get("/spotify/v1/me\r\nHost: evil"),
		"two paths":                get("/spotify/v1/me", ":path", "/spotify/v1/me"),
		"two methods":              append([]string{":method", "PUT"}, get("/spotify/v1/me")...),
		"two authorities":          append([]string{":authority", "evil.example"}, get("/spotify/v1/me")...),
		"a late pseudo-header":     get("/spotify/v1/me", ":authority", "evil.example"),
		"an unknown pseudo-header": append([]string{":protocol", "websocket"}, get("/spotify/v1/me")...),
		"an upper-case name":       get("/spotify/v1/me", "X-Evil", "x"),
		"a newline in a value":     get("/spotify/v1/me", "accept", "a\r\nx-evil: b"),
		"a NUL in a value":         get("/spotify/v1/me", "accept", "a\x00b"),
		"a colon in a name":        get("/spotify/v1/me", "x:y", "z"),
		"an empty name":            get("/spotify/v1/me", "", "z"),
		"a method with a newline":  {":method", "GET /x HTTP/1.1\r\n", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"a method with a space":    {":method", "GET /v1/me", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"TRACE":                    {":method", "TRACE", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"CONNECT":                  {":method", "CONNECT", ":authority", "api.spotify.com:443", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"no method":                {":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"another authority":        {":method", "GET", ":scheme", "http", ":authority", "evil.example", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "same-origin"},
		"connection":               get("/spotify/v1/me", "connection", "keep-alive"),
		"transfer-encoding":        get("/spotify/v1/me", "transfer-encoding", "chunked"),
		"upgrade":                  get("/spotify/v1/me", "upgrade", "websocket"),
		"a session cookie twice":   get("/spotify/v1/me", "cookie", "$COOKIE"),
		"cross-site":               {":method", "GET", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "cross-site"},
		"cross-site and not":       {":method", "GET", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "cookie", "$COOKIE", "sec-fetch-site", "cross-site", "sec-fetch-site", "same-origin"},
		"no cookie":                {":method", "GET", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me", "sec-fetch-site", "same-origin"},
	} {
		t.Run(name, func(t *testing.T) {
			attackHTTP2(b, fields...)
			wantNothingSent(b.Proxy, name)
		})
	}

	// A space stays in the path, and does not begin the next thing.
	attackHTTP2(b, get("/spotify/v1/me HTTP/1.1")...)
	for _, r := range b.Sim.Requests() {
		if r.Path != "/v1/me%20HTTP/1.1" {
			t.Errorf("Spotify got %s", r.Path)
		}
	}
	b.Sim.ForgetRequests()

	// Another Host beside :authority changes nothing, and neither do headers
	// that say whose request it is.
	attackHTTP2(b, get("/spotify/v1/me", "host", "evil.example", "authorization", "Bearer evil", "x-forwarded-for", "evil", "x_forwarded_for", "evil", "forwarded", "for=evil", "te", "trailers")...)
	for _, r := range b.Sim.Requests() {
		if "http://"+r.Host != b.Sim.APIURL || len(r.Violations) != 0 || len(r.Header["Authorization"]) != 1 || strings.Contains(r.Header.Get("Authorization"), "evil") {
			t.Errorf("Spotify got a request of %s, violations %v", r.Host, r.Violations)
		}
	}
	b.Sim.ForgetRequests()

	// A body that is shorter than announced does not take the next request for
	// its rest.
	attackHTTP2(b, ":method", "PUT", ":scheme", "http", ":authority", "$HOST", ":path", "/spotify/v1/me/player/pause?short",
		"cookie", "$COOKIE", "sec-fetch-site", "same-origin", "content-length", "9000")
	for range 3 {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), 200)
	}
	for _, r := range b.Sim.Requests() {
		if (r.RawQuery != "short" || r.BodyLength != 0) && r.Method+r.Path != "GET/v1/me" {
			t.Errorf("Spotify got %s %s with %d bytes", r.Method, r.Path, r.BodyLength)
		}
	}
}
