package links_test

import (
	"cmp"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// P53: a body that is shorter than its length has broken off.
func TestWholeKnowsItsLength(t *testing.T) {
	linked := `{"href":"` + api + `me","name":"` + strings.Repeat("x", 1000) + `"}`
	for _, tc := range []struct {
		name, text string
		told       int64
		streams    bool
		err        error
	}{
		{name: "short", text: linked, told: int64(len(linked))},
		{name: "empty", text: "", told: 0},
		{name: "as long as may be", text: linked + strings.Repeat(" ", links.MaxWhole-len(linked)), told: links.MaxWhole},
		{name: "too long", text: linked + strings.Repeat(" ", links.MaxWhole), told: int64(len(linked) + links.MaxWhole), streams: true},
		{name: "of unknown length", text: linked, told: -1, streams: true},
		{name: "shorter than told", text: linked, told: int64(len(linked)) + 1, streams: true, err: io.ErrUnexpectedEOF},
		{name: "much shorter than told", text: linked[:40], told: links.MaxWhole, streams: true, err: io.ErrUnexpectedEOF},
		{name: "empty but told otherwise", text: "", told: 1, streams: true, err: io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := &body{Reader: strings.NewReader(tc.text)}
			rd, length := links.New(api, proxy).Whole(src, tc.told)
			got, err := io.ReadAll(rd)
			if want := strings.ReplaceAll(tc.text, api, proxy); !errors.Is(err, tc.err) || string(got) != want {
				t.Errorf("got %.200s (%v), want %.200s (%v)", got, err, want, tc.err)
			}
			if tc.streams != (length == -1) || !tc.streams && length != int64(len(got)) {
				t.Errorf("length %d for %d bytes", length, len(got))
			}
			if _, err := rd.Read(make([]byte, 1)); !errors.Is(err, cmp.Or(tc.err, io.EOF)) {
				t.Errorf("reading on: %v", err)
			}
			if rd.Close(); src.closed != 1 {
				t.Errorf("closed %d times", src.closed)
			}
		})
	}
}

func TestWholeOfARewriterThatChangesNothing(t *testing.T) {
	src := &body{Reader: strings.NewReader("x")}
	if rd, length := new(links.Rewriter).Whole(src, 1); rd != io.ReadCloser(src) || length != 1 {
		t.Errorf("got %T of length %d", rd, length)
	}
}

// What is read at once takes room from a budget, and gives it back when it has
// been read, or closed, or when it fails.
//
// O55
func TestWholeMemoryIsBounded(t *testing.T) {
	rw := links.New(api, proxy)
	text := `{"href":"` + api + `me"}` + strings.Repeat(" ", links.MaxWhole/2)
	open := func() (io.ReadCloser, bool) {
		rd, length := rw.Whole(io.NopCloser(strings.NewReader(text)), int64(len(text)))
		return rd, length >= 0
	}
	broken := errors.New("connection reset")
	for range 2 {
		for range 1000 {
			rd, length := rw.Whole(io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{broken})), int64(len(text)))
			if got, err := io.ReadAll(rd); string(got) != "{" || !errors.Is(err, broken) || length != -1 {
				t.Fatalf("got %q, %v, length %d", got, err, length)
			}
			rd, whole := open()
			if !whole {
				t.Fatal("the budget is used up though nothing is under way")
			}
			_, _ = io.Copy(io.Discard, rd)
		}
		var all []io.ReadCloser
		for {
			rd, whole := open()
			all = append(all, rd)
			if !whole {
				break
			}
			if len(all) > 1000 {
				t.Fatal("a thousand bodies are held")
			}
		}
		last, err := io.ReadAll(all[len(all)-1])
		if err != nil || string(last) != strings.ReplaceAll(text, api, proxy) {
			t.Errorf("the one that found no room: %.100s, %v", last, err)
		}
		for _, rd := range all {
			_ = rd.Close()
			if _, err := rd.Read(make([]byte, 1)); err == nil {
				t.Fatal("a closed body can be read")
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
