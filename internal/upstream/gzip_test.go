package upstream

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// gzipping is an API that compresses a text for who accepts that, after its
// URLs are made the API's.
func gzipping(contentType, text string, withLength bool, more ...string) func(*rig) http.HandlerFunc {
	return recording(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("ETag", `"v1"`)
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		body := []byte(strings.ReplaceAll(text, "API", "http://"+req.Host))
		if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = gzipped(body)
		}
		if req.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if withLength {
			h.Set("Content-Length", strconv.Itoa(len(body)))
		}
		if req.Method == http.MethodHead {
			return
		}
		for ; len(body) > 100 && !withLength; body = body[100:] {
			_, _ = w.Write(body[:100])
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(body)
	})
}

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = zw.Write(text)
	_ = zw.Close()
	return b.Bytes()
}

// A client gets what it can read, compressed if it can read that, and with links
// that lead to the proxy. A HEAD and a 304 have the headers of that response.
// P57
func TestGzipForWhoTakesIt(t *testing.T) {
	const page = `{"href":"API/v1/me/tracks","items":[{"href":"API/v1/tracks/1"},{"name":"API/v1/"}],"next":"API/v1/me/tracks?offset=20"}`
	for accept, want := range map[string]bool{
		"":                           false,
		"gzip":                       true,
		"gzip, deflate, br, zstd":    true,
		"GZIP;q=0.1":                 true,
		"x-gzip":                     true,
		"br, zstd":                   false,
		"gzip;q=0":                   false,
		"gzip;q=0.5, identity":       false,
		"gzip;q=0.5, identity;q=0.2": true,
		"gzip;q=0, *":                false,
		"*":                          false,
		"identity;q=0":               false, // then there is nothing that it takes
		"identity;q=0, *":            true,
		"*;q=0, gzip;q=1":            true,
		"identity;q=0, *;q=0.3, br":  true,
	} {
		for _, withLength := range []bool{true, false} {
			r := newRig(t, gzipping("application/json", page, withLength, "Cache-Control", "private, no-transform"))
			ask := func(method, condition string) (*http.Response, string) {
				req := r.request(method, "/v1/me/tracks", nil)
				if accept != "" {
					req.Header.Set("Accept-Encoding", accept)
				}
				if condition != "" {
					req.Header.Set("If-None-Match", condition)
				}
				return r.do(req)
			}
			res, body := ask("GET", "")
			coding := res.Header.Get("Content-Encoding")
			if (coding == "gzip") != want || coding != "" && !want {
				t.Errorf("%q: coding %q", accept, coding)
				continue
			}
			if length := res.Header.Get("Content-Length"); withLength != (length == strconv.Itoa(len(body))) || !withLength && length != "" {
				t.Errorf("%q, with length %v: length %q of %d", accept, withLength, length, len(body))
			}
			if want {
				zr, err := gzip.NewReader(strings.NewReader(body))
				if err != nil {
					t.Fatalf("%q: %v", accept, err)
				}
				text, err := io.ReadAll(zr)
				if err != nil {
					t.Fatalf("%q: %v", accept, err)
				}
				body = string(text)
			}
			own, api := "http://127.0.0.1:8080/spotify", r.transport.APIURL
			if wanted := strings.ReplaceAll(strings.ReplaceAll(page, `"name":"API`, `"name":"`+api), "API", own); body != wanted {
				t.Errorf("%q: %s, want %s", accept, body, wanted)
			}
			head, _ := ask("HEAD", "")
			notModified, _ := ask("GET", `W/"v1"`)
			for name, other := range map[string]*http.Response{"HEAD": head, "304": notModified} {
				for _, h := range []string{"Content-Encoding", "Etag", "Vary"} {
					if got := other.Header.Values(h); strings.Join(got, ", ") != strings.Join(res.Header.Values(h), ", ") {
						t.Errorf("%q: %s has %s %q, and a GET %q", accept, name, h, got, res.Header.Values(h))
					}
				}
			}
			if !problem.HasToken(res.Header["Vary"], "accept-encoding") {
				t.Errorf("%q: Vary %q", accept, res.Header["Vary"])
			}
		}
	}
}

// What is not JSON is unpacked for who cannot read it, and else stays as it is.
func TestGzipOfOtherTypes(t *testing.T) {
	const text = `<a href="API/v1/me">`
	for _, accept := range []string{"", "gzip"} {
		r := newRig(t, gzipping("text/html", text, true))
		req := r.request("GET", "/v1/me", nil)
		want := strings.ReplaceAll(text, "API", r.transport.APIURL)
		if accept != "" {
			req.Header.Set("Accept-Encoding", accept)
			want = string(gzipped([]byte(want)))
		}
		if res, body := r.do(req); body != want || res.Header.Get("Content-Encoding") != accept {
			t.Errorf("%q: %q, %v", accept, body, res.Header)
		}
	}
}

// Without a type it is JSON all the same if it reads like that. P57
func TestGzipWithoutContentType(t *testing.T) {
	r := newRig(t, gzipping("", `{"href":"API/v1/me"}`, true))
	r.ex.Header = http.Header{}
	res, body := r.do(r.request("GET", "/v1/me", nil))
	if want := `{"href":"http://127.0.0.1:8080/spotify/v1/me"}`; body != want || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %v", body, res.Header)
	}
}

// What has no links is passed on to the byte.
func TestGzipWithoutLinks(t *testing.T) {
	for _, withLength := range []bool{true, false} {
		text := `{"devices":[` + strings.Repeat(`{"id":"0d1841b0976bae2a3a310dd74c0f3df354899bc8"},`, 50) + `{}]}`
		r := newRig(t, gzipping("application/json", text, withLength))
		req := r.request("GET", "/v1/me/player/devices", nil)
		req.Header.Set("Accept-Encoding", "gzip")
		if res, body := r.do(req); body != string(gzipped([]byte(text))) || res.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("with length %v: %d bytes, %v", withLength, len(body), res.Header)
		}
	}
}

// A response that says it is gzip and is nothing at all is nothing.
func TestGzipOfNothing(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			w.(http.Flusher).Flush()
		}))
		req := r.request("GET", "/v1/me", nil)
		if accept != "" {
			req.Header.Set("Accept-Encoding", accept)
		}
		if _, body := r.do(req); body != "" {
			t.Errorf("%q: %q", accept, body)
		}
	}
}

// P53: what breaks off upstream, or is no gzip, breaks off at the client.
func TestGzipThatBreaksOff(t *testing.T) {
	text := []byte(`{"href":"https://api.spotify.com/v1/me","name":"` + strings.Repeat("x", 1000) + `"}`)
	whole := gzipped(text)
	for name, c := range map[string]struct {
		body   []byte
		length int
	}{
		"cut off within its length": {whole[:40], len(whole)},
		"cut off":                   {whole[:40], -1},
		"without an end":            {whole[:len(whole)-8], -1},
		"another checksum":          {append(bytes.Clone(whole[:len(whole)-8]), 1, 2, 3, 4, 5, 6, 7, 8), len(whole)},
		"not gzip":                  {text, len(text)},
		"nothing of its length":     {nil, len(whole)},
	} {
		for _, accept := range []string{"", "gzip"} {
			r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Encoding", "gzip")
				if c.length >= 0 {
					w.Header().Set("Content-Length", strconv.Itoa(c.length))
				}
				_, _ = w.Write(c.body)
				if c.length < 0 {
					w.(http.Flusher).Flush()
				}
			}))
			req := r.request("GET", "/v1/me", nil)
			if accept != "" {
				req.Header.Set("Accept-Encoding", accept)
			}
			res, err := r.transport.RoundTrip(req)
			if err != nil {
				t.Fatalf("%s, %q: %v", name, accept, err)
			}
			if _, err = io.ReadAll(res.Body); err == nil || res.Header.Get("Content-Length") != "" {
				t.Errorf("%s, %q: %v, length %q", name, accept, err, res.Header.Get("Content-Length"))
			}
			_ = res.Body.Close()
		}
	}
}
