package caddyspotify

import (
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
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
		"off and links kept": {[]func(*rigOptions){off, func(tr *rigOptions) { tr.KeepLinks = true }}, "br"},
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
