package links_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// reference rewrites a whole JSON text with a tokenizer of strings: it knows
// which quote opens a string and which member it is the value of, and looks at
// nothing else.
func reference(doc, from, to string) string {
	escape := func(s string) string { return strings.ReplaceAll(s, "/", `\/`) }
	var out strings.Builder
	inString := false
	var opened, keyAt int // where the last string began, and the last name
	var last, key string  // what it was
	var before byte       // the last byte outside of strings that is not white space
	for i := 0; i < len(doc); i++ {
		c := doc[i]
		out.WriteByte(c)
		switch {
		case inString && c == '\\' && i+1 < len(doc):
			i++
			out.WriteByte(doc[i])
		case inString && c == '"':
			inString, last, before = false, doc[opened+1:i], '"'
		case inString:
		case c == '"':
			inString, opened = true, i
			if before != ':' || !slices.Contains(linkMembers, key) || i-keyAt >= 64 {
				continue
			}
			if strings.HasPrefix(doc[i+1:], from) {
				out.WriteString(to)
				i += len(from)
			} else if strings.HasPrefix(doc[i+1:], escape(from)) {
				out.WriteString(escape(to))
				i += len(escape(from))
			}
		case c == ':':
			key, keyAt, before = last, opened, c
		case c > ' ':
			before = c
		}
	}
	return out.String()
}

var linkMembers = []string{"href", "next", "previous", "track_href", "analysis_url"}

// document returns a random JSON text. Without links, nothing in it is to be
// rewritten.
func document(r *rand.Rand, withLinks bool) string {
	near := []string{
		"https://api.spotify.com/v1", "https://api.spotify.com/v2/x", "https://api.spotify.co", "http", "h",
		"https://open.spotify.com/track/7", " " + api, `\"` + api, `\\` + api, `\\\"` + api, "x" + api + "me",
		`https:\/\/api.spotify.com/v1/mixed`, `https:/\/api.spotify.com\/v1\/`, "", `\\`, `\"`, `\\\\`, "Ж\\u0416é",
		"ab67616d0000b273e8e28219724c2423afa4d320", ".", "..", `a.b`, "HTTPS://API.SPOTIFY.COM/V1/",
	}
	link := []string{
		api + "me/playlists?offset=20&limit=20", api, api + api, api + `\"` + api,
		strings.ReplaceAll(api+"me/tracks", "/", `\/`), strings.ReplaceAll(api, "/", `\/`),
	}
	space := func() string { return []string{"", "", "", " ", "\n\t", "  "}[r.IntN(6)] }
	str := func() string {
		if r.IntN(6) == 0 { // a URL that is somebody's words
			return `"` + link[r.IntN(len(link))] + `"`
		}
		return `"` + near[r.IntN(len(near))] + strings.Repeat("y", r.IntN(4)) + near[r.IntN(len(near))] + `"`
	}
	name := func() string {
		near := []string{"name", "hre", "href ", `\"href`, `\\href`, "xhref", "HREF", "Next", "", "external_href", `h\u0072ef`, "url"}
		return `"` + near[r.IntN(len(near))] + `"`
	}
	var value func(depth int) string
	value = func(depth int) string {
		kind := r.IntN(8)
		if depth == 0 && kind < 2 {
			kind = 7
		}
		var b strings.Builder
		switch kind {
		case 0, 1:
			open, end := "[", "]"
			if kind == 0 {
				open, end = "{", "}"
			}
			b.WriteString(open)
			for i := range r.IntN(6) {
				if i > 0 {
					b.WriteString(",")
				}
				b.WriteString(space())
				if kind == 0 && withLinks && r.IntN(3) > 0 {
					b.WriteString(`"` + linkMembers[r.IntN(len(linkMembers))] + `"` + space() + ":" + space())
					if r.IntN(2) == 0 {
						b.WriteString(`"` + link[r.IntN(len(link))] + `"` + space())
						continue
					}
				} else if kind == 0 {
					b.WriteString([]string{str(), name()}[r.IntN(2)] + space() + ":" + space())
				}
				b.WriteString(value(depth-1) + space())
			}
			b.WriteString(end)
			return b.String()
		case 2:
			return fmt.Sprintf("%d.%d", r.IntN(1000), r.IntN(1000))
		case 3:
			return []string{"null", "true", "false"}[r.IntN(3)]
		default:
			return str()
		}
	}
	n := 1 + r.IntN(30)
	if r.IntN(100) == 0 {
		n = 3000 // larger than the reader's buffer
	}
	items := make([]string, n)
	for i := range items {
		items[i] = value(4)
	}
	return "[" + strings.Join(items, ","+space()) + "]"
}

// chunked returns doc in random pieces, and its last error sometimes together
// with the last piece.
func chunked(r *rand.Rand, doc string, last error) io.ReadCloser {
	most := []int{1, 2, 7, 40, 1000, 40000}[r.IntN(6)]
	together := r.IntN(2) == 0
	return io.NopCloser(readerFunc(func(p []byte) (int, error) {
		n := copy(p[:min(len(p), r.IntN(most)+r.IntN(2))], doc)
		doc = doc[n:]
		if doc == "" && (together || n == 0) {
			return n, last
		}
		return n, nil
	}))
}

// drain reads with random sizes until the error.
func drain(r *rand.Rand, rd io.Reader) (string, error) {
	var out strings.Builder
	most := []int{1, 3, 64, 5000, 70000}[r.IntN(5)]
	p := make([]byte, most)
	for {
		n, err := rd.Read(p[:1+r.IntN(most)])
		out.Write(p[:n])
		if err != nil {
			return out.String(), err
		}
	}
}

func TestReaderEqualsReference(t *testing.T) {
	rw := links.New(api, proxy)
	broken := errors.New("connection reset")
	rewritten, untouched := 0, 0
	for i := range 1000 {
		r := rand.New(rand.NewPCG(uint64(i), 5))
		doc := document(r, i%4 != 0)
		if !json.Valid([]byte(doc)) {
			t.Fatalf("document %d is not JSON: %.300s", i, doc)
		}
		want := reference(doc, api, proxy)
		got, err := drain(r, rw.Reader(chunked(r, doc, io.EOF)))
		if got != want || !errors.Is(err, io.EOF) {
			t.Fatalf("document %d (%v):\n  in %.2000s\n got %.2000s\nwant %.2000s", i, err, doc, got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("document %d is no longer JSON", i)
		}
		if want == doc {
			untouched++
		} else {
			rewritten++
		}
		// The same, cut off anywhere by an error.
		cut := r.IntN(len(doc) + 1)
		got, err = drain(r, rw.Reader(chunked(r, doc[:cut], broken)))
		if want := reference(doc[:cut], api, proxy); got != want || !errors.Is(err, broken) {
			t.Fatalf("document %d cut at %d (%v):\n got %.2000s\nwant %.2000s", i, cut, err, got, want)
		}
		// The same, read at once.
		whole, length := rw.Whole(chunked(r, doc, io.EOF), int64(len(doc)))
		got, err = drain(r, whole)
		known := int64(len(want))
		if len(doc) > links.MaxWhole {
			known = -1
		}
		if got != want || !errors.Is(err, io.EOF) || length != known {
			t.Fatalf("document %d read at once (length %d, not %d, %v):\n got %.2000s\nwant %.2000s", i, length, known, err, got, want)
		}
		whole, length = rw.Whole(chunked(r, doc[:cut], broken), int64(len(doc)))
		if cut == len(doc) {
			continue // the error comes too late to matter
		}
		got, err = drain(r, whole)
		if want := reference(doc[:cut], api, proxy); got != want || !errors.Is(err, broken) || length != -1 {
			t.Fatalf("document %d read at once and cut at %d (length %d, %v):\n got %.2000s\nwant %.2000s", i, cut, length, err, got, want)
		}
	}
	if rewritten < 500 || untouched < 250 {
		t.Errorf("%d documents rewritten, %d untouched: the generator is not what it was", rewritten, untouched)
	}
}
