package pkce_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// A secret does not get into an error in disguise: taken apart by characters
// that are dropped, in the form it was sent in, or cut off.
func TestErrorsShowNoSecretInDisguise(t *testing.T) {
	const code = "AQ/secret+code=="
	for name, echo := range map[string]string{
		"taken apart": strings.Join(strings.Split(code, ""), "\u0001"),
		"as sent":     url.QueryEscape(code),
		"cut off":     strings.Repeat("x", 250) + code,
		"far behind":  strings.Repeat("\u0001", 1015) + code,
	} {
		for _, body := range []string{
			`{"error":"invalid_request","error_description":"` + echo + `"}`,
			`{"error":"` + echo + `"}`,
		} {
			cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, strings.ReplaceAll(body, "\u0001", `\u0001`))
			})
			_, err := cfg.Exchange(t.Context(), code, "verifier")
			if _, ok := errors.AsType[*pkce.TokenError](err); !ok {
				t.Fatalf("%s: %v, want a TokenError", name, err)
			}
			if text := err.Error(); strings.Contains(text, "AQ/s") || strings.Contains(text, "AQ%2Fs") {
				t.Errorf("%s: the error shows the code: %s", name, text)
			}
		}
	}
}

// P44: a token endpoint may name a token that is not ours, as when it says which
// one it revoked instead.
func TestErrorsShowNoToken(t *testing.T) {
	const other = "BQDw0lK9vX2sE4tR6yU8iO0pA1sD3fG5hJ7kL9zX1cV3bN5m-qW_eRtY"
	cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"temporarily_unavailable","error_description":"Token `+other+` is in use"}`)
	})
	_, err := cfg.Refresh(t.Context(), "refresh")
	if text := err.Error(); strings.Contains(text, other[:8]) || strings.Contains(text, other[len(other)-8:]) ||
		!strings.Contains(text, "temporarily_unavailable: Token [redacted] is in use") {
		t.Errorf("the error is %s", text)
	}
}

// What is no HTTP is not quoted: it may hold a token that was just granted.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	for _, answer := range []string{
		`{"access_token":"BQgranted","refresh_token":"AQgranted"}` + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + `{"access_token":"BQgranted"}` + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: BQgranted\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: BQgranted\r\n\r\n",
		"HTTP/1.1 BQgranted OK\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://%zz/BQgranted\r\n\r\n",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		cfg := &pkce.Config{ClientID: "client", TokenURL: "http://" + listener.Addr().String() + "/api/token", HTTPClient: new(http.Client)}
		_, err = cfg.Refresh(t.Context(), "refresh-0")
		_ = listener.Close()
		if !errors.Is(err, pkce.ErrTemporary) || strings.Contains(err.Error(), "granted") {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// What is wrong with the network is what an operator wants to read.
func TestErrorsNameTheNetwork(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()

	for _, tc := range []struct {
		name, url, text string
		is              func(error) bool
	}{
		{"nobody listens", closed.URL, "connection refused", func(err error) bool {
			_, ok := errors.AsType[*net.OpError](err)
			return ok
		}},
		{"certificate", untrusted.URL, "certificate", func(err error) bool {
			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			return ok
		}},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), "no answer that can be read", func(error) bool { return true }},
	} {
		cfg := &pkce.Config{ClientID: "client", TokenURL: tc.url, HTTPClient: &http.Client{Transport: new(http.Transport)}}
		_, err := cfg.Refresh(t.Context(), "refresh-0")
		if !errors.Is(err, pkce.ErrTemporary) || !tc.is(err) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A session without a refresh token cannot be refreshed, and nobody is asked.
func TestRefreshWithoutRefreshToken(t *testing.T) {
	cfg := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the token endpoint was asked") })
	if _, err := cfg.Refresh(t.Context(), ""); !errors.Is(err, pkce.ErrReauthorize) {
		t.Errorf("Refresh: %v, want ErrReauthorize", err)
	}
}

// R40: the wall clock is set while the answer is on its way.
func TestClockJumpsDuringRequest(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		r := newRig()
		r.cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			r.clock.Advance(5 * time.Second)
			r.clock.Jump(jump)
			return r.endpoint.RoundTrip(req)
		})}
		token, err := r.cfg.Refresh(t.Context(), "refresh-0")
		if err != nil {
			t.Fatal(err)
		}
		if left := token.Expiry().Sub(r.clock.Now()); left != time.Hour-5*time.Second {
			t.Errorf("after a jump of %v the token has %v left", jump, left)
		}
	}
}
