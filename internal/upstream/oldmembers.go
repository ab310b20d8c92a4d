package upstream

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/caddyspotify/caddy-spotify/internal/links"
	"github.com/caddyspotify/caddy-spotify/internal/oldform"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

const (
	// maxOldForm is the length up to which a response gets the members of the old
	// form, in bytes. A page of playlist items with the largest limit is shorter.
	maxOldForm = 4 << 20
	// firstOldForm is how much of it is read at first.
	firstOldForm = 64 << 10
	// oldFormBudget bounds the memory of all responses that get them at a time.
	oldFormBudget = 64 << 20
)

// oldFormMemory is what remains of oldFormBudget in the whole process.
var oldFormMemory = semaphore.NewWeighted(oldFormBudget)

// addOldMembers adds to a response the members of the old form, if it is JSON that lacks
// them, and reports whether it did. A response that is too long, or finds the memory
// for this used up, passes as it came.
func addOldMembers(res *http.Response, shape webapi.BodyShape, pages oldform.Links) bool {
	coding := problem.First(res.Header["Content-Encoding"])
	if shape == webapi.Opaque || res.Body == nil || res.ContentLength == 0 || coding != "" && coding != "identity" ||
		!links.IsJSON(problem.First(res.Header["Content-Type"])) {
		return false
	}
	body := &buffered{src: res.Body}
	res.Body = body
	text, whole := body.read()
	if !whole {
		return false
	}
	changed, ok := oldform.Add(text, shape, pages)
	if !ok {
		return false
	}
	body.Reader = bytes.NewReader(changed)
	res.ContentLength = int64(len(changed))
	weakenValidators(res.Header)
	delete(res.Header, "Etag")
	delete(res.Header, "Last-Modified")
	res.Header.Set("Content-Length", strconv.Itoa(len(changed)))
	return true
}

// buffered is a body of which the beginning, or all, has been read.
type buffered struct {
	io.Reader
	src  io.ReadCloser
	held int64 // of oldFormMemory
	once sync.Once
}

// read reads the body into memory, and reports whether that is all of it. It can be read
// from its beginning then, in either case.
func (b *buffered) read() (text []byte, whole bool) {
	for {
		if len(text) == cap(text) {
			size := max(2*cap(text), firstOldForm)
			// What is read, and what is made of it, which may be twice as long.
			more := int64(3 * (size - cap(text)))
			if size > maxOldForm || !oldFormMemory.TryAcquire(more) {
				b.Reader = io.MultiReader(bytes.NewReader(text), b.src)
				return nil, false
			}
			b.held += more
			text = append(make([]byte, 0, size), text...)
		}
		n, err := b.src.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch err {
		case nil:
		case io.EOF:
			b.Reader = bytes.NewReader(text)
			return text, true
		default:
			b.Reader = io.MultiReader(bytes.NewReader(text), brokenOff{err})
			return nil, false
		}
	}
}

// Close implements io.Closer.
func (b *buffered) Close() error {
	b.once.Do(func() { oldFormMemory.Release(b.held) })
	return b.src.Close()
}

// brokenOff is the rest of a body that has failed.
type brokenOff struct{ err error }

// Read implements io.Reader.
func (b brokenOff) Read([]byte) (int, error) { return 0, b.err }
