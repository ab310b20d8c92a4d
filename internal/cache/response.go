package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// Response is a whole response. It does not change after it is made.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// ETag is a strong entity tag of our own for what clients get of it (RFC 9110
	// §8.8.3), or "" if the status has none.
	ETag string
	// initialAge is how old it was when it came.
	initialAge time.Duration
}

// NewResponse makes a response of the parts of one, which must not be changed
// afterwards. The variant tells apart what is made of the same bytes for clients.
func (c *Cache) NewResponse(status int, header http.Header, body []byte, variant string) *Response {
	r := &Response{Status: status, Header: header, Body: body, initialAge: ageOf(header)}
	if status == http.StatusOK {
		r.ETag = c.entityTag(header, body, variant)
	}
	return r
}

// tagPrefix marks entity tags as ours.
const tagPrefix = `"sp1-`

// entityTag names what clients get of a body.
func (c *Cache) entityTag(header http.Header, body []byte, variant string) string {
	h := sha256.New()
	for _, s := range []string{c.variant, variant, header.Get("Content-Encoding"), header.Get("Content-Type")} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(body)
	return tagPrefix + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// OwnTags reports whether all entity tags in If-None-Match (RFC 9110 §13.1.2) are
// ours, so that they say nothing to Spotify.
func OwnTags(ifNoneMatch []string) bool {
	own := false
	for _, v := range ifNoneMatch {
		for tag := range strings.SplitSeq(v, ",") {
			if !strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), tagPrefix) {
				return false
			}
			own = true
		}
	}
	return own
}

// Matches reports whether one of the entity tags in If-None-Match is r's, by the
// weak comparison.
func (r *Response) Matches(ifNoneMatch []string) bool {
	if r.ETag == "" {
		return false
	}
	for _, v := range ifNoneMatch {
		for tag := range strings.SplitSeq(v, ",") {
			if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == r.ETag {
				return true
			}
		}
	}
	return false
}

// Age is how old the response is for a client, given for how long it has been kept.
func (r *Response) Age(kept time.Duration) time.Duration { return r.initialAge + kept }

// cost is the memory that it takes, in bytes.
func (r *Response) cost() int64 {
	n := cap(r.Body) + len(r.ETag)
	for name, values := range r.Header {
		n += 64 + len(name)
		for _, v := range values {
			n += 16 + len(v)
		}
	}
	return int64(n)
}
