package spotifytest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// writeAPIAnswer sends v as JSON with a validator, compressed if the client
// takes gzip and the body is worth it.
func writeAPIAnswer(w http.ResponseWriter, r *http.Request, v any, cacheControl string) {
	h := w.Header()
	h.Set("Cache-Control", cacheControl)
	h.Set("Vary", "Authorization, Accept-Encoding")
	status := http.StatusOK
	switch answer := v.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case bare:
		h.Set("Content-Length", "0")
		w.WriteHeader(int(answer))
		return
	case created:
		status, v = http.StatusCreated, answer.value
	}
	body := encodeJSON(v)
	zip := len(body) > 512 && acceptsGzip(r)
	if status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		tag := entityTag(body, zip)
		h.Set("ETag", tag)
		if matchesTag(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", jsonType)
	if zip {
		h.Set("Content-Encoding", "gzip")
		body = compress(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client went away
	}
}

// encodeJSON does not escape the & of links, as Spotify does not.
func encodeJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // our own structs
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// compressors are kept because one is most of a megabyte, which takes the race
// detector longer than the compression.
var compressors = sync.Pool{New: func() any {
	zw, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a valid level
	return zw
}}

func compress(body []byte) []byte {
	var buf bytes.Buffer
	zw := compressors.Get().(*gzip.Writer)
	defer compressors.Put(zw)
	zw.Reset(&buf)
	_, _ = zw.Write(body) // a bytes.Buffer takes all
	_ = zw.Close()
	return buf.Bytes()
}

func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(part, ";")
			if strings.TrimSpace(name) == "gzip" && strings.TrimSpace(params) != "q=0" {
				return true
			}
		}
	}
	return false
}

// entityTag is strong, so it differs between codings (RFC 9110 §8.8.3.3).
func entityTag(body []byte, zip bool) string {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	if zip {
		tag += "-gzip"
	}
	return `"` + tag + `"`
}

func matchesTag(fields []string, tag string) bool {
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			part = strings.TrimSpace(part)
			// If-None-Match compares weakly (RFC 9110 §13.1.2).
			if part == "*" || strings.TrimPrefix(part, "W/") == tag {
				return true
			}
		}
	}
	return false
}
