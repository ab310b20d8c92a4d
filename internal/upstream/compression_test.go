package upstream

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// With compression off an answer is asked for as it is, and either way its links
// lead to the proxy and the client gets what it can read.
func TestCompressionOff(t *testing.T) {
	play := recording(func(w http.ResponseWriter, req *http.Request) {
		body := `{"href":"http://` + req.Host + `/v1/me"}`
		w.Header().Set("Content-Type", "application/json")
		if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = w.Write([]byte(body))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		zw := gzip.NewWriter(w)
		_, _ = zw.Write([]byte(body))
		_ = zw.Close()
	})
	off := func(tr *rigOptions) { tr.Identity = true }
	for name, c := range map[string]struct {
		edits []func(*rigOptions)
		asks  string
	}{
		"default":            {nil, "gzip"},
		"off":                {[]func(*rigOptions){off}, "identity"},
		"off and links kept": {[]func(*rigOptions){off, func(tr *rigOptions) { tr.KeepLinks = true }}, "identity"},
		"links kept":         {[]func(*rigOptions){func(tr *rigOptions) { tr.KeepLinks = true }}, "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, play, c.edits...)
			req := r.request("GET", "/v1/me", nil)
			req.Header.Set("Accept-Encoding", "br")
			res, body := r.do(req)
			if got := r.requests()[0].Header["Accept-Encoding"]; len(got) != 1 || got[0] != c.asks {
				t.Errorf("asked for %q, want %s", got, c.asks)
			}
			kept := r.transport.keepLinks
			if strings.Contains(body, r.transport.APIURL) != kept || strings.Contains(body, "/spotify/v1/me") == kept || res.Header.Get("Content-Encoding") != "" {
				t.Errorf("got %s, %v", body, res.Header)
			}
		})
	}
}

// Where links are kept, responses come in a coding that the client takes and in
// which a refusal can be read here.
func TestAcceptEncoding(t *testing.T) {
	for asked, want := range map[string][2]string{ // with compression, and without
		"":                            {"", "identity"},
		"br":                          {"", "identity"},
		"gzip":                        {"gzip", "gzip"},
		"gzip, deflate, br, zstd":     {"gzip", "gzip"},
		"br;q=1.0, GZIP ;q=0.5, *":    {"gzip", "gzip"},
		"gzip;q=0, br":                {"", "identity"},
		"gzip; q=0.000":               {"", "identity"},
		"identity;q=0.5, *;q=0, zstd": {"", "identity"},
	} {
		for i, compression := range []bool{true, false} {
			h := http.Header{}
			if asked != "" {
				h.Set("Accept-Encoding", asked)
			}
			if setAcceptEncoding(h, compression); h.Get("Accept-Encoding") != want[i] {
				t.Errorf("%q, compression %v: asked for %q, want %q", asked, compression, h.Get("Accept-Encoding"), want[i])
			}
		}
	}
}

// P57: a 304 has the validators of the response that it stands for.
func TestValidatorsOfNotModified(t *testing.T) {
	keep := func(tr *rigOptions) { tr.KeepLinks = true }
	off := func(tr *rigOptions) { tr.Identity = true }
	for name, c := range map[string]struct {
		edits  []func(*rigOptions)
		accept string
		want   string
	}{
		"rewritten":            {nil, "", `W/"v1"`},
		"kept":                 {[]func(*rigOptions){keep}, "", `W/"v1"`},
		"kept, gzip":           {[]func(*rigOptions){keep}, "gzip", `"v1"`},
		"kept, no compression": {[]func(*rigOptions){keep, off}, "", `"v1"`},
	} {
		for _, contentType := range []string{"application/json", "image/jpeg", ""} {
			r := newRig(t, recording(func(w http.ResponseWriter, q *http.Request) {
				w.Header()["Content-Type"] = []string{contentType}
				w.Header().Set("ETag", `"v1"`)
				if q.Header.Get("If-None-Match") != "" {
					delete(w.Header(), "Content-Type")
					w.WriteHeader(http.StatusNotModified)
					return
				}
				if strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") {
					w.Header().Set("Content-Encoding", "gzip")
					zw := gzip.NewWriter(w)
					_, _ = zw.Write([]byte(`{}`))
					_ = zw.Close()
					return
				}
				_, _ = w.Write([]byte(`{}`))
			}), c.edits...)
			for _, condition := range []string{"", `W/"v1"`} {
				req := r.request("GET", "/v1/me", nil)
				if c.accept != "" {
					req.Header.Set("Accept-Encoding", c.accept)
				}
				if condition != "" {
					req.Header.Set("If-None-Match", condition)
				}
				if res, _ := r.do(req); res.Header.Get("ETag") != c.want {
					t.Errorf("%s, %q: status %d has ETag %s, want %s", name, contentType, res.StatusCode, res.Header.Get("ETag"), c.want)
				}
			}
		}
	}
}

// A refusal is read in whatever coding it comes.
func TestCodedRefusalIsRead(t *testing.T) {
	const text = `{"error":{"status":403,"message":"Insufficient client scope"}}`
	for coding, writer := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"Deflate": func(w io.Writer) io.WriteCloser {
			zw, _ := flate.NewWriter(w, 9)
			return zw
		},
	} {
		var coded bytes.Buffer
		zw := writer(&coded)
		_, _ = io.WriteString(zw, text)
		_ = zw.Close()
		r := newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", coding)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(coded.Bytes())
		}), func(tr *rigOptions) { tr.KeepLinks, tr.Identity = true, true })
		res, body := r.do(r.request("GET", "/v1/me", nil))
		if res.Header.Get(reason.Header) != "insufficient_scope" || body != coded.String() {
			t.Errorf("%s: reason %q, %d bytes of %d", coding, res.Header.Get(reason.Header), len(body), coded.Len())
		}
	}
}

// P57: JSON that does not say that it is gets its links rewritten all the same.
func TestJSONWithoutContentType(t *testing.T) {
	for text, json := range map[string]bool{
		"{\"href\":\"API\"}": true, " \r\n[{\"next\" : \"API\"}]": true, "\uFEFF{\"href\":\"API\"}": true,
		"API": false, "\"API\"": false, "": false, "<p>{": false,
	} {
		for _, chunked := range []bool{false, true} {
			var r *rig
			r = newRig(t, recording(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil
				if chunked {
					w.(http.Flusher).Flush()
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(text, "API", r.transport.APIURL+"/v1/me"))
			}))
			res, body := r.do(r.request("GET", "/v1/me", nil))
			own := "http://127.0.0.1:8080/spotify/v1/me"
			if got := res.Header.Get("Content-Type"); json != (got == "application/json") || json && body != strings.ReplaceAll(text, "API", own) {
				t.Errorf("%q: %q, %q", text, got, body)
			}
			if !json && body != strings.ReplaceAll(text, "API", r.transport.APIURL+"/v1/me") {
				t.Errorf("%q became %q", text, body)
			}
		}
	}
}
