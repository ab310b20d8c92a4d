package deflate_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddyspotify/caddy-spotify/internal/deflate"
)

// copied is a stream as the Reader finds it and the Writer writes it, and its text.
func copied(r *deflate.Reader) (stream, text []byte, err error) {
	var w deflate.Writer
	w.Reset()
	for {
		b, err := r.Next()
		at := b.From
		for _, s := range b.Sequences {
			w.Literals(b.Text[at : at+int(s.Literals)])
			w.Match(int(s.Length), int(s.Distance))
			at += int(s.Literals) + int(s.Length)
		}
		w.Literals(b.Text[at:])
		w.Sum(b.Text[b.From:])
		text = append(text, b.Text[b.From:]...)
		if err != nil {
			if err == io.EOF {
				w.End()
				return w.Out, text, nil
			}
			return nil, text, err
		}
		if w.EndBatch(); b.Flush {
			w.Flush()
		}
	}
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func pack(t testing.TB, level int, texts ...[]byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if i > 0 {
			_ = w.Flush()
		}
		_, _ = w.Write(text)
	}
	_ = w.Close()
	return b.Bytes()
}

// samples are texts of several sizes and kinds.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 200_000)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	words := []string{`{"href":"`, `"https://api.spotify.com/v1/`, `tracks/`, `"id":`, `,`, "x", "Ümlaut", "\n", `}`}
	var text, skewed bytes.Buffer
	for text.Len() < 400_000 {
		text.WriteString(words[rng.IntN(len(words))])
		if rng.IntN(5) == 0 {
			fmt.Fprint(&text, rng.Uint32())
		}
	}
	// Frequencies like Fibonacci's numbers make codes as long as they come.
	for i, a, b := 0, 1, 1; i < 22; i, a, b = i+1, b, a+b {
		skewed.Write(bytes.Repeat([]byte{byte('A' + i)}, a))
	}
	shuffled := skewed.Bytes()
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return map[string][]byte{
		"empty": {}, "one byte": []byte("x"), "a few": []byte("{\"a\":1}"), "not ASCII": []byte("Ж é \x80\xff"), "run": bytes.Repeat([]byte("a"), 300_000),
		"pairs": bytes.Repeat([]byte("ab"), 1000), "random": random, "text": text.Bytes(), "short text": text.Bytes()[:3000], "skewed": shuffled,
	}
}

// What is read and written again says the same, in about as many bytes.
func TestCopy(t *testing.T) {
	for name, text := range samples() {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression} {
			packed := pack(t, level, text)
			sources := map[string]func(*deflate.Reader){
				"bytes":        func(r *deflate.Reader) { r.ResetBytes(packed, io.EOF) },
				"reader":       func(r *deflate.Reader) { r.Reset(bytes.NewReader(packed)) },
				"byte by byte": func(r *deflate.Reader) { r.Reset(iotest.OneByteReader(bytes.NewReader(packed))) },
				"with EOF":     func(r *deflate.Reader) { r.Reset(iotest.DataErrReader(bytes.NewReader(packed))) },
			}
			r := new(deflate.Reader)
			for source, reset := range sources {
				reset(r)
				again, decoded, err := copied(r)
				if err != nil || !bytes.Equal(decoded, text) {
					t.Fatalf("%s, level %d, %s: %d bytes of %d, %v", name, level, source, len(decoded), len(text), err)
				}
				if got, err := unpack(again); err != nil || !bytes.Equal(got, text) {
					t.Fatalf("%s, level %d, %s: what was written has %d bytes of %d, %v", name, level, source, len(got), len(text), err)
				}
				// A batch ends a block as well, which then describes its code.
				if len(again) > len(packed)+len(packed)/20+16*(1+len(text)>>16) {
					t.Errorf("%s, level %d, %s: %d bytes became %d", name, level, source, len(packed), len(again))
				}
				if raw := r.Raw(); raw != nil && !bytes.Equal(raw, packed) || raw == nil && len(packed) < 16<<10 {
					t.Errorf("%s, level %d, %s: %d raw bytes of %d", name, level, source, len(raw), len(packed))
				}
			}
		}
	}
}

// Several members are one text, and headers may have fields.
func TestMembers(t *testing.T) {
	var b bytes.Buffer
	for i := range 3 {
		w := gzip.NewWriter(&b)
		w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
		fmt.Fprint(w, strings.Repeat("text", 1000*i))
		_ = w.Close()
	}
	r := new(deflate.Reader)
	r.Reset(&b)
	again, text, err := copied(r)
	if want := strings.Repeat("text", 3000); err != nil || string(text) != want {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if got, err := unpack(again); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// P53: however a stream breaks off, that is an error, after what came before.
func TestTruncated(t *testing.T) {
	text := samples()["text"][:2000]
	for _, level := range []int{gzip.NoCompression, gzip.DefaultCompression} {
		packed := pack(t, level, text[:900], text[900:])
		r := new(deflate.Reader)
		broken := errors.New("broken")
		for n := 1; n < len(packed); n++ {
			r.ResetBytes(packed[:n], io.EOF)
			if _, got, err := copied(r); err != io.ErrUnexpectedEOF || !bytes.HasPrefix(text, got) || n > len(packed)-8 && len(got) != len(text) {
				t.Fatalf("%d bytes of %d: %d bytes, %v", n, len(packed), len(got), err)
			}
			r.Reset(io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(broken)))
			if _, got, err := copied(r); err != broken || !bytes.HasPrefix(text, got) {
				t.Fatalf("%d bytes of %d: %d bytes, %v", n, len(packed), len(got), err)
			}
		}
	}
}

// One bit that is wrong does not go unnoticed.
func TestCorrupt(t *testing.T) {
	text := samples()["short text"]
	packed := pack(t, gzip.DefaultCompression, text)
	r := new(deflate.Reader)
	const unused = 10 // a header has fields that say nothing about the text
	for bit := 8 * unused; bit < 8*len(packed); bit++ {
		bad := bytes.Clone(packed)
		bad[bit/8] ^= 1 << (bit % 8)
		r.ResetBytes(bad, io.EOF)
		padding := bit/8 == len(packed)-13 // before the stored block that gzip.Writer ends with
		if _, got, err := copied(r); err == nil && !(padding && bytes.Equal(got, text)) {
			t.Fatalf("bit %d: %d bytes and no error", bit, len(got))
		}
	}
	// What a match refers to is in the same member.
	var w deflate.Writer
	w.Reset()
	w.Match(5, 3)
	w.Sum([]byte("aaaaa"))
	w.End()
	before := pack(t, gzip.DefaultCompression, []byte("aaaaaaaa"))
	for name, bad := range map[string][]byte{
		"match before the text": w.Out,
		"match before a member": bytes.Join([][]byte{before, w.Out, before}, nil),
		"the same at the end":   append(before, w.Out...),
		"trailing garbage":      append(bytes.Clone(packed), "garbage"...),
		"not gzip":              []byte(`{"href":"https://api.spotify.com/v1/me"}`),
		"reserved block":        append(bytes.Clone(packed[:10]), 7),
		"too many literals":     append(bytes.Clone(packed[:10]), 0xfd, 0xff, 0, 0, 0),
	} {
		r.ResetBytes(bad, io.EOF)
		if _, _, err := copied(r); !errors.Is(err, deflate.ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// P51: what was flushed is returned before more is read, and written so that it
// can be read.
func TestFlush(t *testing.T) {
	pieces := [][]byte{[]byte(`{"a":1,`), bytes.Repeat([]byte("text "), 3000), []byte(`"b":2}`)}
	packed := pack(t, gzip.DefaultCompression, pieces...)
	r, w := new(deflate.Reader), new(deflate.Writer)
	from, to := io.Pipe()
	go func() {
		_, _ = to.Write(packed)
		<-t.Context().Done()
		_ = to.Close()
	}()
	r.Reset(from)
	w.Reset()
	var text []byte
	decoder, source := flate.NewReader(nil), new(bytes.Buffer)
	for flushes := 0; flushes < 2; {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b.Text[b.From:]...)
		w.Literals(b.Text[b.From:])
		if !b.Flush {
			continue
		}
		flushes++
		w.Flush()
		source.Reset()
		source.Write(w.Out[10:])
		_ = decoder.(flate.Resetter).Reset(source, nil)
		want := bytes.Join(pieces[:flushes], nil)
		if got, err := io.ReadAll(decoder); err != io.ErrUnexpectedEOF || !bytes.Equal(got, want) || !bytes.Equal(text, want) {
			t.Errorf("after flush %d: %d and %d bytes of %d, %v", flushes, len(text), len(got), len(want), err)
		}
	}
}

// Whatever comes in, this agrees with the standard library about it. The input
// has no header and no trailer, since hardly any would have the right checksum.
func FuzzReader(f *testing.F) {
	for _, text := range samples() {
		if len(text) < 10_000 {
			for _, packed := range [][]byte{
				pack(f, gzip.DefaultCompression, text), pack(f, gzip.NoCompression, text, text), pack(f, gzip.HuffmanOnly, text), pack(f, gzip.BestSpeed, text, text),
			} {
				f.Add(packed[10 : len(packed)-8])
			}
		}
	}
	r := new(deflate.Reader)
	f.Fuzz(func(t *testing.T, raw []byte) {
		const longest = 4 << 20
		src := bytes.NewReader(raw)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(src), longest))
		if len(want) == longest {
			return
		}
		packed := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), raw[:len(raw)-src.Len()]...)
		packed = binary.LittleEndian.AppendUint32(packed, crc32.ChecksumIEEE(want))
		packed = binary.LittleEndian.AppendUint32(packed, uint32(len(want)))
		r.ResetBytes(packed, io.EOF)
		again, got, err := copied(r)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, and the standard library: %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got, err = unpack(again); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("written again: %q, %v, want %q", got, err, want)
		}
	})
}
