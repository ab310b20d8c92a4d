package links_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// body is a source that records whether it was closed.
type body struct {
	io.Reader
	closed   int
	closeErr error
}

func (b *body) Close() error { b.closed++; return b.closeErr }

func rewrite(t *testing.T, rw *links.Rewriter, src io.Reader) string {
	t.Helper()
	out, err := io.ReadAll(rw.Reader(io.NopCloser(src)))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return string(out)
}

// P57: people's words are not links, whatever they look like.
func TestReaderRewritesLinks(t *testing.T) {
	const escapedAPI, escapedProxy = `https:\/\/api.spotify.com\/v1\/`, `http:\/\/127.0.0.1:8080\/spotify\/v1\/`
	for _, tc := range []struct{ name, in, want string }{
		{"value", `{"href":"` + api + `me"}`, `{"href":"` + proxy + `me"}`},
		{"several", `{"next": "` + api + `a?offset=2", "previous" :"` + api + `b"}`, `{"next": "` + proxy + `a?offset=2", "previous" :"` + proxy + `b"}`},
		{"adjacent", `{"href":"` + api + `","next":"` + api + `"}`, `{"href":"` + proxy + `","next":"` + proxy + `"}`},
		{"of audio features", `{"track_href":"` + api + `a","analysis_url":"` + api + `b"}`, `{"track_href":"` + proxy + `a","analysis_url":"` + proxy + `b"}`},
		{"indented", "{\r\n\t\"href\" :\n\t\"" + api + `me"}`, "{\r\n\t\"href\" :\n\t\"" + proxy + `me"}`},
		{"the whole text", `"` + api + `"`, `"` + api + `"`},
		{"in a list", `["` + api + `"]`, `["` + api + `"]`},
		{"a name", `{"name":"` + api + `me/player/next"}`, `{"name":"` + api + `me/player/next"}`},
		{"a description", `{"description":"` + api + `","href":"` + api + `"}`, `{"description":"` + api + `","href":"` + proxy + `"}`},
		{"a list of links", `{"href":["` + api + `"]}`, `{"href":["` + api + `"]}`},
		{"a member that ends alike", `{"\"href":"` + api + `","xhref":"` + api + `"}`, `{"\"href":"` + api + `","xhref":"` + api + `"}`},
		{"JSON in a string", `{"name":"{\"href\":\"` + api + `\"}"}`, `{"name":"{\"href\":\"` + api + `\"}"}`},
		{"a member in a string", `{"name":",\"href\":","id":"` + api + `"}`, `{"name":",\"href\":","id":"` + api + `"}`},
		{"escaped slashes", `{"href":"` + escapedAPI + `me\/player"}`, `{"href":"` + escapedProxy + `me\/player"}`},
		{"both styles", `{"href":"` + escapedAPI + `","next":"` + api + `"}`, `{"href":"` + escapedProxy + `","next":"` + proxy + `"}`},
		{"key", `{"` + api + `":1}`, `{"` + api + `":1}`},
		{"in the middle of a text", `{"name":"see ` + api + `me"}`, `{"name":"see ` + api + `me"}`},
		{"after an escaped quote", `{"name":"\"` + api + `me\""}`, `{"name":"\"` + api + `me\""}`},
		{"after a backslash and a quote", `{"name":"\\\"` + api + `"}`, `{"name":"\\\"` + api + `"}`},
		{"after a string that ends in a backslash", `["\\",{"href":"` + api + `"}]`, `["\\",{"href":"` + proxy + `"}]`},
		{"other host", `{"spotify":"https://open.spotify.com/v1/"}`, `{"spotify":"https://open.spotify.com/v1/"}`},
		{"cut short", `{"href":"https://api.spotify.com/v1`, `{"href":"https://api.spotify.com/v1`},
		{"only a quote", `"`, `"`},
		{"empty", ``, ``},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rw := links.New(api, proxy)
			for name, src := range map[string]io.Reader{
				"at once":       strings.NewReader(tc.in),
				"byte by byte":  iotest.OneByteReader(strings.NewReader(tc.in)),
				"data with EOF": iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				if got := rewrite(t, rw, src); got != tc.want {
					t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
				}
			}
		})
	}
}

func TestReaderPrefixes(t *testing.T) {
	for _, tc := range []struct{ name, from, to string }{
		{"longer", "https://api.spotify.com/v1/", "https://music.example.org/a/long/prefix/spotify/v1/"},
		{"shorter", "https://api.spotify.com/v1/", "/v1/"},
		{"no dot", "http://localhost/v1/", "https://x/"},
		{"nothing rare", "data:/aaa/", "x:/"},
		{"to nothing", "https://api.spotify.com/v1/", ""},
		{"as long as allowed", "https://" + strings.Repeat("a/", 2044), "x:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := strings.Repeat(`{"href":"`+tc.from+`x","next":"`+strings.ReplaceAll(tc.from, "/", `\/`)+`y","previous":"z `+tc.from+`"}`+"\n", 40)
			want := strings.NewReplacer(
				`"`+tc.from, `"`+tc.to,
				`"`+strings.ReplaceAll(tc.from, "/", `\/`), `"`+strings.ReplaceAll(tc.to, "/", `\/`),
			).Replace(in)
			if got := rewrite(t, links.New(tc.from, tc.to), strings.NewReader(in)); got != want {
				t.Errorf("got %.200q…, want %.200q…", got, want)
			}
		})
	}
}

func TestReaderThatChangesNothingIsTheSource(t *testing.T) {
	src := &body{Reader: strings.NewReader("x")}
	for name, rw := range map[string]*links.Rewriter{
		"zero value": {},
		"no prefix":  links.New("", proxy),
		"same":       links.New(api, api),
		"too long":   links.New(strings.Repeat("a", 5000), proxy),
	} {
		if got := rw.Reader(src); got != io.ReadCloser(src) {
			t.Errorf("%s: the source was wrapped", name)
		}
	}
}

// Every byte that cannot begin a match comes out before the next read of the
// source, which here would block for ever.
//
// P51
func TestReaderHoldsNothingBackWithoutNeed(t *testing.T) {
	for _, tc := range []struct{ chunk, want string }{
		{`{"device":null}` + "\n", `{"device":null}` + "\n"},
		{`{"href":"https://open`, `{"href":"https://open`},
		{`{"href":"https://api.spotify.com/v2`, `{"href":"https://api.spotify.com/v2`},
		{`{"href":"b`, `{"href":"b`},
		{`{"href":"\"`, `{"href":"\"`},
		{`{"href":"\"https://api`, `{"href":"\"https://api`},
		{`{"a":"`, `{"a":"`},
		{`{"a":"https://api.spotify.com/v1`, `{"a":"https://api.spotify.com/v1`},
		{`{"href":"` + api, `{"href":"` + proxy},
		{`{"href":"`, `{"href":`},
		{`{"href":"https://api.spotify.com/v1`, `{"href":`},
		{`{"href":"https:\/\/api.spotify.com\/v1\`, `{"href":`},
	} {
		pr, pw := io.Pipe()
		rd := links.New(api, proxy).Reader(pr)
		go func() { _, _ = pw.Write([]byte(tc.chunk)) }()
		got := make([]byte, len(tc.want))
		if _, err := io.ReadFull(rd, got); err != nil || string(got) != tc.want {
			t.Errorf("after %s: got %q, %v; want %q", tc.chunk, got, err, tc.want)
		}
		_ = pr.Close()
	}
}

// A Read that has something to return does not read the source again.
func TestReaderReadsTheSourceOnlyWhenItHasNothing(t *testing.T) {
	reads := 0
	src := readerFunc(func(p []byte) (int, error) {
		reads++
		return copy(p, `{"href":"`+api+`","next":"`+api+`"}`), nil
	})
	rd := links.New(api, proxy).Reader(io.NopCloser(src))
	p := make([]byte, 4096)
	n, err := rd.Read(p)
	if want := `{"href":"` + proxy + `","next":"` + proxy + `"}`; string(p[:n]) != want || err != nil || reads != 1 {
		t.Errorf("Read = %q, %v after %d reads; want %q after 1", p[:n], err, reads, want)
	}
	if n, err := rd.Read(nil); n != 0 || err != nil || reads != 1 {
		t.Errorf("an empty Read = %d, %v after %d reads", n, err, reads)
	}
}

func TestReaderPassesErrorsAfterAllBytes(t *testing.T) {
	broken := errors.New("connection reset")
	in := `{"href":"` + api + `me","next":"https://api.spoti`
	want := `{"href":"` + proxy + `me","next":"https://api.spoti`
	for name, src := range map[string]io.Reader{
		"after the data":     io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)),
		"with the data":      readerFunc(func(p []byte) (int, error) { return copy(p, in), broken }),
		"byte by byte":       iotest.OneByteReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken))),
		"with the last byte": iotest.DataErrReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken))),
	} {
		rd := links.New(api, proxy).Reader(io.NopCloser(src))
		var got bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{rd}, make([]byte, 7))
		if got.String() != want || !errors.Is(err, broken) {
			t.Errorf("%s: got %q, %v; want %q, %v", name, got.String(), err, want, broken)
		}
		if n, err := rd.Read(make([]byte, 1)); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%s: a further Read = %d, %v; want the error again", name, n, err)
		}
	}
}

func TestReaderGivesUpOnASourceWithoutProgress(t *testing.T) {
	rd := links.New(api, proxy).Reader(io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, nil })))
	if n, err := rd.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Read = %d, %v; want 0, %v", n, err, io.ErrNoProgress)
	}
}

func TestReaderClose(t *testing.T) {
	failure := errors.New("close failed")
	src := &body{Reader: strings.NewReader(strings.Repeat(`{"href":"`+api+`"}`, 9)), closeErr: failure}
	rd := links.New(api, proxy).Reader(src)
	if _, err := rd.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := rd.Close(); !errors.Is(err, failure) || src.closed != 1 {
		t.Errorf("Close = %v, source closed %d times; want its error, once", err, src.closed)
	}
	if n, err := rd.Read(make([]byte, 5)); n != 0 || !errors.Is(err, links.ErrClosed) {
		t.Errorf("Read after Close = %d, %v; want %v", n, err, links.ErrClosed)
	}
	if err := rd.Close(); !errors.Is(err, failure) {
		t.Errorf("second Close = %v", err)
	}
}

// A transport closes a body from another goroutine to unblock its reader. The
// buffer of the blocked Read must not serve another body meanwhile; the race
// detector watches.
func TestReaderCloseDuringRead(t *testing.T) {
	rw := links.New(api, proxy)
	for range 50 {
		pr, pw := io.Pipe()
		rd := rw.Reader(pr)
		done := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, rd)
			done <- err
		}()
		if _, err := pw.Write([]byte(`{"href":"https`)); err != nil {
			t.Fatal(err)
		}
		if err := rd.Close(); err != nil {
			t.Fatal(err)
		}
		if got := rewrite(t, rw, strings.NewReader(`{"href":"`+api+`"}`)); got != `{"href":"`+proxy+`"}` {
			t.Fatalf("another body got %q", got)
		}
		if err := <-done; !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, links.ErrClosed) {
			t.Fatalf("the blocked Read returned %v", err)
		}
	}
}

// A body of any size passes through one pooled buffer.
//
// O55
func TestReaderMemoryIsBounded(t *testing.T) {
	page := []byte(`{"href":"` + api + `me","name":"` + strings.Repeat("x", 500) + `"}`)
	rw := links.New(api, proxy)
	p := make([]byte, 32<<10)
	perBody := testing.AllocsPerRun(20, func() {
		rd := rw.Reader(io.NopCloser(io.LimitReader(repeat(page), 4<<20)))
		for {
			if _, err := rd.Read(p); err != nil {
				break
			}
		}
	})
	if perBody > 12 {
		t.Errorf("a body of 4 MB costs %v allocations, want a handful", perBody)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// repeat is page, again and again.
func repeat(page []byte) io.Reader {
	at := 0
	return readerFunc(func(p []byte) (int, error) {
		n := 0
		for n < len(p) {
			c := copy(p[n:], page[at:])
			n, at = n+c, (at+c)%len(page)
		}
		return n, nil
	})
}
