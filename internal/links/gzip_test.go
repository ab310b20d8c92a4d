package links_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// pack compresses a text, and flushes at random places if r is not nil.
func pack(t testing.TB, text string, level int, r *rand.Rand) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for text != "" {
		n := len(text)
		if r != nil {
			n = min(n, 1+r.IntN(1<<(1+r.IntN(16))))
		}
		_, _ = io.WriteString(w, text[:n])
		if text = text[n:]; r != nil && r.IntN(2) == 0 {
			_ = w.Flush()
		}
	}
	_ = w.Close()
	return b.Bytes()
}

func unpack(packed []byte) (string, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(zr)
	return string(text), err
}

// longDocument is of about so many bytes, in which links come again.
func longDocument(r *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(document(r, true))
		if r.IntN(3) == 0 {
			b.Write(page(r.IntN(4000)))
		}
	}
	return b.String()
}

// prefixes are what links become, longer and shorter ones, and with what is
// common to both at either end or not.
var prefixes = []string{
	proxy, "https://music.example.com/spotify/v1/", "https://x/v1/", "/v1/", "", "https://api.spotify.com/spotify/v1/", "https://spotify.com/v1/",
	"https://api.spotify.com/", "https://api.spotify.com/v1/v1/", "https://" + strings.Repeat("long", 200) + ".example/v1/", api + "/",
}

// A text says the same whether its links were rewritten in the clear or while it
// was compressed.
func TestGzipAndGunzip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 100 {
		to := prefixes[i%len(prefixes)]
		doc := longDocument(r, r.IntN(1<<(4+r.IntN(15))))
		level := []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression}[r.IntN(5)]
		flushing := r
		if r.IntN(2) == 0 {
			flushing = nil
		}
		packed := pack(t, doc, level, flushing)
		rw := links.New(api, to)
		want := rewrite(t, rw, strings.NewReader(doc))
		for _, length := range []int64{int64(len(packed)), -1} {
			src := &body{Reader: bytes.NewReader(packed)}
			if r.IntN(2) == 0 {
				src.Reader = chunked(r, string(packed), io.EOF)
			}
			rd, n := rw.Gzip(src, length)
			out, err := drain(r, rd)
			got, errOut := unpack([]byte(out))
			if !errors.Is(err, io.EOF) || errOut != nil || got != want {
				t.Fatalf("document %d to %.40q: %d bytes of %d, %v, %v", i, to, len(got), len(want), err, errOut)
			}
			if known := length >= 0 && length <= links.MaxWhole; known != (n >= 0) || known && n != int64(len(out)) {
				t.Errorf("document %d: length %d of %d", i, n, len(out))
			}
			_ = rd.Close()

			rd, n = rw.Gunzip(io.NopCloser(chunked(r, string(packed), io.EOF)), length)
			if got, err = drain(r, rd); !errors.Is(err, io.EOF) || got != want {
				t.Fatalf("document %d unpacked: %d bytes of %d, %v", i, len(got), len(want), err)
			}
			if known := length >= 0 && length <= links.MaxWhole && len(doc) < links.MaxWhole; known != (n >= 0) || known && n != int64(len(got)) {
				t.Errorf("document %d unpacked: length %d of %d", i, n, len(got))
			}
			_ = rd.Close()
		}
	}
	if n := links.MemoryInUse(); n != 0 {
		t.Errorf("%d bytes are in use", n)
	}
}

// Links that are further apart than a match can reach are each written out.
func TestGzipOfLinksFarApart(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	var b strings.Builder
	for _, apart := range []int{40_000, 32_700, 32_768, 32_800, 0} {
		b.WriteString(`{"href":"` + api + `me"}`)
		for range apart {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
	}
	for _, to := range prefixes {
		rw := links.New(api, to)
		packed := pack(t, b.String(), gzip.DefaultCompression, nil)
		rd, _ := rw.Gzip(io.NopCloser(bytes.NewReader(packed)), int64(len(packed)))
		out, err := io.ReadAll(rd)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpack(out); err != nil || got != rewrite(t, rw, strings.NewReader(b.String())) {
			t.Errorf("to %.40q: %v", to, err)
		}
		_ = rd.Close()
	}
}

// What has no links stays as it came, to the byte.
func TestGzipWithoutLinks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	rw := links.New(api, proxy)
	for _, size := range []int{0, 10, 10_000, 400_000} {
		doc := strings.ReplaceAll(longDocument(r, size), "api.spotify", "api.example")
		packed := pack(t, doc, gzip.BestCompression, nil)
		for _, length := range []int64{int64(len(packed)), -1} {
			if length < 0 && len(packed) > 10_000 {
				continue // it leaves before all has come
			}
			rd, n := rw.Gzip(io.NopCloser(bytes.NewReader(packed)), length)
			if got, err := io.ReadAll(rd); err != nil || !bytes.Equal(got, packed) || length >= 0 && n != length {
				t.Errorf("%d bytes: %d bytes of %d with length %d, %v", size, len(got), len(packed), n, err)
			}
			_ = rd.Close()
		}
	}
}

// P53: what breaks off upstream ends with an error, after all that came.
func TestGzipTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	doc := longDocument(r, 5000)
	rw := links.New(api, proxy)
	want := rewrite(t, rw, strings.NewReader(doc))
	packed := pack(t, doc, gzip.DefaultCompression, r)
	broken := errors.New("broken")
	// The beginning of a link that is cut off stays as it is.
	isStart := func(got string) bool { return strings.HasPrefix(want, got[:max(0, len(got)-len(api))]) }
	for n := 0; n < len(packed); n += 1 + r.IntN(20) {
		for _, length := range []int64{int64(len(packed)), links.MaxWhole + 1, -1} {
			if n == 0 && length < 0 {
				continue // it is empty
			}
			for wantErr, tail := range map[error]io.Reader{io.ErrUnexpectedEOF: strings.NewReader(""), broken: iotest.ErrReader(broken)} {
				src := func() io.ReadCloser { return io.NopCloser(io.MultiReader(bytes.NewReader(packed[:n]), tail)) }
				rd, size := rw.Gzip(src(), length)
				out, err := drain(r, rd)
				got, errOut := unpack([]byte(out))
				if !errors.Is(err, wantErr) || size != -1 || errOut == nil || !isStart(got) {
					t.Fatalf("%d of %d: %d bytes, length %d, %v and not %v, %v", n, len(packed), len(got), size, err, wantErr, errOut)
				}
				_ = rd.Close()
				rd, size = rw.Gunzip(src(), length)
				if got, err = drain(r, rd); !errors.Is(err, wantErr) || size != -1 || !isStart(got) {
					t.Fatalf("%d of %d unpacked: %d bytes, length %d, %v and not %v", n, len(packed), len(got), size, err, wantErr)
				}
				_ = rd.Close()
			}
		}
	}
	if n := links.MemoryInUse(); n != 0 {
		t.Errorf("%d bytes are in use", n)
	}
}

// P51: what was flushed upstream leaves before more is read.
func TestGzipFlush(t *testing.T) {
	rw := links.New(api, proxy)
	from, to := io.Pipe()
	t.Cleanup(func() { _ = from.Close() })
	zw := gzip.NewWriter(to)
	go func() {
		_, _ = io.WriteString(zw, `{"href":"`+api+`me","next":"https://api.spo`)
		_ = zw.Flush()
		// No more comes.
	}()
	rd, _ := rw.Gzip(from, -1)
	zr, err := gzip.NewReader(rd)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"href":"` + proxy + `me","next":` // the rest may be the start of a link
	got := make([]byte, len(want))
	if _, err := io.ReadFull(zr, got); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if err := rd.Close(); err != nil {
		t.Error(err)
	}
	if n := links.MemoryInUse(); n != 0 {
		t.Errorf("%d bytes are in use", n)
	}
}

// Close may be called while a Read waits, ends it, and leaves no memory in use.
func TestGzipCloseDuringRead(t *testing.T) {
	rw := links.New(api, proxy)
	packed := pack(t, string(page(3000)), gzip.DefaultCompression, nil)
	for name, open := range map[string]func(io.ReadCloser, int64) (io.ReadCloser, int64){"Gzip": rw.Gzip, "Gunzip": rw.Gunzip} {
		for range 50 {
			from, to := io.Pipe()
			rd, _ := open(from, -1)
			done := make(chan error)
			go func() {
				_, err := io.Copy(io.Discard, rd)
				done <- err
			}()
			_, _ = to.Write(packed[:100]) // so that the Read is under way
			if err := rd.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err == nil {
				t.Errorf("%s: no error", name)
			}
			if n := links.MemoryInUse(); n != 0 {
				t.Fatalf("%s: %d bytes are in use", name, n)
			}
		}
	}
}

// Memory is bounded, and what finds none is unpacked by other means.
func TestGzipMemory(t *testing.T) {
	rw := links.New(api, proxy)
	packed := pack(t, string(page(3000)), gzip.DefaultCompression, nil)
	var open []io.Closer
	for {
		rd, _ := rw.Gzip(io.NopCloser(bytes.NewReader(packed)), -1)
		if rd == nil {
			break
		}
		if open = append(open, rd); len(open) > 1000 {
			t.Fatal("memory is not bounded")
		}
	}
	if len(open) < 50 {
		t.Errorf("%d bodies at once", len(open))
	}
	for links.Reserve(1 << 10) { // what is left
		defer links.Reserve(-1 << 10)
	}
	rd, n := rw.Gunzip(io.NopCloser(bytes.NewReader(packed)), int64(len(packed)))
	if got, err := io.ReadAll(rd); err != nil || n != -1 || string(got) != rewrite(t, rw, bytes.NewReader(page(3000))) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, rd := range open {
		_ = rd.Close()
	}
}

// P53: a stream that expands a thousandfold takes no more memory than any other.
func TestGzipOfZeros(t *testing.T) {
	packed := pack(t, strings.Repeat(" ", 50<<20), gzip.BestCompression, nil)
	rw := links.New(api, proxy)
	for _, length := range []int64{int64(len(packed)), -1} {
		rd, _ := rw.Gzip(io.NopCloser(bytes.NewReader(packed)), length)
		if n, err := io.Copy(io.Discard, rd); err != nil || n > 2*int64(len(packed)) {
			t.Errorf("%d bytes became %d, %v", len(packed), n, err)
		}
		if used := links.MemoryInUse(); used > 1<<20 {
			t.Errorf("%d bytes in use", used)
		}
		_ = rd.Close()
		rd, n := rw.Gunzip(io.NopCloser(bytes.NewReader(packed)), length)
		if size, err := io.Copy(io.Discard, rd); err != nil || size != 50<<20 || n != -1 {
			t.Errorf("%d bytes of length %d, %v", size, n, err)
		}
		_ = rd.Close()
	}
}

// FuzzGzip compares the rewriting of a compressed text with that of the text,
// JSON or not.
func FuzzGzip(f *testing.F) {
	r := rand.New(rand.NewPCG(11, 12))
	for i := range 8 {
		f.Add(longDocument(r, 2000), uint8(i), uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, doc string, to, level uint8, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		rw := links.New(api, prefixes[int(to)%len(prefixes)])
		packed := pack(t, doc, int(level)%12-2, r)
		rd, _ := rw.Gzip(io.NopCloser(chunked(r, string(packed), io.EOF)), -1)
		defer rd.Close()
		out, err := drain(r, rd)
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got, err := unpack([]byte(out)); err != nil || got != rewrite(t, rw, strings.NewReader(doc)) {
			t.Fatalf("%q became %q, %v", doc, got, err)
		}
	})
}
