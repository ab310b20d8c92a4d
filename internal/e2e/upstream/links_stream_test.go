package upstream_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// Where a random document has a link, it has one of these instead.
const (
	plainLink   = "\x01"
	escapedLink = "\x02" // with \/ for /
)

// randomJSON returns a JSON text with links in it, and with what looks like
// links and is none.
func randomJSON(r *rand.Rand, api string) string {
	near := []string{
		"", "x", `\"`, `\\`, `\\\"` + api, " " + api, "h", api[:len(api)-1], "https://open.spotify.com/v1/", strings.ToUpper(api),
		`http:\/\/` + strings.TrimPrefix(api, "http://"), "Ж\\u0416é", "see " + api + "me", `{\"href\":\"` + api + `me\"}`,
	}
	str := func() string {
		switch r.IntN(6) {
		case 0: // somebody's words
			return `"` + api + near[r.IntN(len(near))] + `"`
		case 1:
			return `"` + strings.ReplaceAll(api, "/", `\/`) + `me\/playlists?offset=20"`
		}
		return `"` + near[r.IntN(len(near))] + `"`
	}
	var value func(depth int) string
	value = func(depth int) string {
		var items []string
		switch kind := r.IntN(7); {
		case depth > 0 && kind < 2:
			for range r.IntN(5) {
				switch r.IntN(4) {
				case 0:
					items = append(items, `"href": "`+plainLink+near[r.IntN(len(near))]+`"`)
				case 1:
					items = append(items, `"next":"`+escapedLink+`me\/playlists?offset=20"`)
				default:
					items = append(items, str()+": "+value(depth-1))
				}
			}
			return "{" + strings.Join(items, ",\n\t") + "}"
		case depth > 0 && kind < 4:
			for range r.IntN(5) {
				items = append(items, value(depth-1))
			}
			return "[" + strings.Join(items, " , ") + "]"
		case kind == 4:
			return []string{"null", "true", "-1.5e3"}[r.IntN(3)]
		}
		return str()
	}
	items := make([]string, 1+r.IntN(40))
	if r.IntN(20) == 0 {
		items = make([]string, 4000) // larger than any buffer on the way
	}
	for i := range items {
		items[i] = value(4)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func withLinks(document, prefix string) string {
	return strings.NewReplacer(plainLink, prefix, escapedLink, strings.ReplaceAll(prefix, "/", `\/`)).Replace(document)
}

// served is a document as the Web API answers with it.
type served struct {
	contentType string
	body        string
	pieces      []int // where it is flushed
	gzip, sized bool

	asked http.Header
}

func (d *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.asked = r.Header
	h := w.Header()
	h.Set("Content-Type", d.contentType)
	h.Set("ETag", `"of these very bytes"`)
	out := io.Writer(w)
	flush := func() { w.(http.Flusher).Flush() }
	if d.gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		zw := gzip.NewWriter(w)
		defer zw.Close()
		out, flush = zw, func() {
			_ = zw.Flush()
			w.(http.Flusher).Flush()
		}
	} else if d.sized {
		h.Set("Content-Length", strconv.Itoa(len(d.body)))
	}
	if r.Method == http.MethodHead {
		return
	}
	at := 0
	for _, end := range d.pieces {
		_, _ = io.WriteString(out, d.body[at:end])
		at = end
		flush()
	}
	_, _ = io.WriteString(out, d.body[at:])
}

// Through the running server, links change in JSON however it arrives, and
// nothing else does.
func TestRandomAnswersAreExact(t *testing.T) {
	const documents = 200
	var current *served // one request at a time
	s := proxytest.Start(t, proxytest.Options{Level: "WARN", API: func(simulated http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/documents" {
				current.ServeHTTP(w, r)
				return
			}
			simulated.ServeHTTP(w, r)
		})
	}})
	b := s.NewBrowser()
	b.Login("")
	api, own := s.Sim.APIURL+"/v1/", s.Origin+"/spotify/v1/"
	for seed := range uint64(documents) {
		r := rand.New(rand.NewPCG(seed, 5))
		document := randomJSON(r, api)
		current = &served{contentType: "application/json; charset=utf-8", body: withLinks(document, api), gzip: r.IntN(2) == 0, sized: r.IntN(2) == 0}
		want := withLinks(document, own)
		if seed%4 == 3 { // what is not JSON may be anything
			current.contentType = []string{"text/plain", "image/jpeg", "text/html", "application/x-protobuf"}[r.IntN(4)]
			want = current.body
		}
		for at := r.IntN(100); at < len(current.body) && len(current.pieces) < 60; at += 1 + r.IntN(1+len(current.body)/20) {
			current.pieces = append(current.pieces, at)
		}
		a := b.Fetch("GET", "/spotify/v1/documents", "", proxytest.Header("Accept-Encoding", []string{"", "identity", "br"}[r.IntN(3)]))
		if a.StatusCode != http.StatusOK || a.Text != want {
			at := 0
			for at < min(len(a.Text), len(want)) && a.Text[at] == want[at] {
				at++
			}
			t.Fatalf("document %d (%s, gzip %v): differs from byte %d of %d on: %.80q, want %.80q",
				seed, current.contentType, current.gzip, at, len(want), a.Text[at:], want[at:])
		}
		// Neither what was rewritten nor what was unpacked is of those very bytes,
		// and a 304 does not say which of them it stands for.
		if tag := a.Header.Get("ETag"); !strings.HasPrefix(tag, "W/") {
			t.Errorf("document %d: ETag %s", seed, tag)
		}
		if a.ContentLength >= 0 && a.ContentLength != int64(len(want)) {
			t.Errorf("document %d: Content-Length %d of %d", seed, a.ContentLength, len(want))
		}
	}
	// A HEAD says nothing of a length that no GET has, and a range is the whole.
	current = &served{contentType: "application/json", body: `{"href":"` + api + `me"}`, sized: true}
	head := b.WantStatus(b.Fetch("HEAD", "/spotify/v1/documents", ""), http.StatusOK)
	if head.ContentLength >= 0 || !strings.HasPrefix(head.Header.Get("ETag"), "W/") {
		t.Errorf("HEAD: length %d, ETag %s", head.ContentLength, head.Header.Get("ETag"))
	}
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/documents", "", proxytest.Header("Range", "bytes=3-9")), http.StatusOK)
	if a.Text != `{"href":"`+own+`me"}` || current.asked.Get("Range") != "" {
		t.Errorf("a range: %s, asked for as %v", a.Text, current.asked)
	}
}

// P53: a response that breaks off here breaks off at the client.
func TestTruncatedAnswers(t *testing.T) {
	const short, long = 1000, 1 << 20 // the latter is more than is read at once
	api := func(simulated http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			coding, size, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/truncated/"), "/")
			length, err := strconv.Atoi(size)
			if !ok || err != nil {
				simulated.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			body := []byte(`{"href":"http://` + r.Host + `/v1/me","name":"` + strings.Repeat("x", length))
			switch coding {
			case "gzip":
				var coded bytes.Buffer
				w.Header().Set("Content-Encoding", "gzip")
				zw := gzip.NewWriter(&coded)
				_, _ = zw.Write(append(body, `"}`...))
				_ = zw.Close()
				body = coded.Bytes()[:coded.Len()/2]
			case "sized":
				w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
			}
			_, _ = w.Write(body)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
	}
	for _, links := range []string{"", "links keep"} {
		s := proxytest.Start(t, proxytest.Options{Auth: links, API: api})
		b := s.NewBrowser()
		b.Login("")
		for _, coding := range []string{"sized", "chunked", "gzip"} {
			for _, size := range []int{short, long} {
				req, err := http.NewRequest(http.MethodGet, s.Origin+"/spotify/v1/truncated/"+coding+"/"+strconv.Itoa(size), nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				res, err := b.Client.Do(req)
				if err != nil {
					continue // it broke off before anything was sent
				}
				text, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err == nil {
					t.Errorf("%q, %s of %d: %d with Content-Length %d and %d bytes, as if whole", links, coding, size, res.StatusCode, res.ContentLength, len(text))
				}
			}
		}
	}
}

// endless is JSON of some size, made without memory of its own.
type endless struct{ size int }

func (e endless) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	piece := []byte(`"https://open.spotify.com/track/0123456789",`)
	piece = bytes.Repeat(piece, 700)
	_, _ = w.Write([]byte("["))
	for sent := 0; sent < e.size; sent += len(piece) {
		_, _ = w.Write(piece)
	}
	_, _ = w.Write([]byte("null]"))
}

// What a long answer takes of the proxy's memory does not depend on its length.
func TestLongAnswersTakeNoMemory(t *testing.T) {
	const size = 10 << 20
	s := proxytest.Start(t, proxytest.Options{Level: "WARN", API: func(simulated http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/endless" {
				endless{size}.ServeHTTP(w, r)
				return
			}
			simulated.ServeHTTP(w, r)
		})
	}})
	b := s.NewBrowser()
	b.Login("")
	buffer := make([]byte, 64<<10)
	download := func() {
		req, err := http.NewRequest(http.MethodGet, s.Origin+"/spotify/v1/endless", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := b.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, buffer); err != nil || n < size {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	download() // what is made once is made now
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocated)
	before := allocated[0].Value.Uint64()
	const times = 3
	for range times {
		download()
	}
	metrics.Read(allocated)
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	// Allocated in all, collected or not, by both ends and the proxy.
	total := allocated[0].Value.Uint64() - before
	t.Logf("%d answers of %d MiB: %d KiB allocated in all, %d MiB of heap in use", times, size>>20, total>>10, heap.HeapInuse>>20)
	if total > size {
		t.Errorf("%d bytes allocated for %d answers of %d", total, times, size)
	}
}
