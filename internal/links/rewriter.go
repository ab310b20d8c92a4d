// Package links keeps a client inside the proxy: it turns absolute URLs of
// one origin into those of another, in JSON bodies while they stream, and in
// headers.
//
// Spotify's answers are full of such URLs (href, next, previous). A client
// that follows one leaves the proxy, and fails for want of a token. Only members
// of these names are changed: a playlist may be named like a URL.
package links

import (
	"bytes"
	"strings"
)

// Rewriter replaces URLs that begin with one prefix by URLs that begin with
// another. It holds no state of a body, so one Rewriter serves any number of
// bodies at once. The zero value changes nothing.
type Rewriter struct {
	from, to string
	// styles are the spellings of from that are looked for in a body. Both
	// have the same anchor byte, so that one scan finds either.
	styles [2]style
	anchor byte
}

// style is one way of writing a slash in a JSON string (RFC 8259 section 7).
type style struct {
	find     []byte // a quote, then from
	put      string // a quote, then to
	anchorAt int    // where in find the anchor byte is

	// What differs between find and put: find[same:same+cut] becomes core.
	same, cut int
	core      []byte
}

// setCore sets what differs between find and put.
func (st *style) setCore() {
	find, put := string(st.find), st.put
	for st.same < min(len(find), len(put)) && find[st.same] == put[st.same] {
		st.same++
	}
	find, put = find[st.same:], put[st.same:]
	for find != "" && put != "" && find[len(find)-1] == put[len(put)-1] {
		find, put = find[:len(find)-1], put[:len(put)-1]
	}
	if find == "" { // nothing is cut, so that it takes one byte to have a place
		st.same--
		find = string(st.find[st.same : st.same+1])
		put = find + put
	}
	st.cut, st.core = len(find), []byte(put)
}

// maxFrom is the longest prefix that is looked for. It bounds what a reader
// may have to hold back; an origin with a path is some 30 bytes.
const maxFrom = 4 << 10

// New returns a Rewriter of URLs that begin with from, such as
// "https://api.spotify.com/v1/", into URLs that begin with to, such as
// "https://example.com/spotify/v1/". Both should end in a slash, or from
// would also match "https://api.spotify.com/v10/". Letter case counts.
//
// Characters that no URL may contain are percent-encoded in both, so that the
// result can neither end a JSON string early nor split a header. If from is
// empty, equal to to, or longer than 4 KiB, nothing is rewritten.
func New(from, to string) *Rewriter {
	from, to = encode(from), encode(to)
	if from == "" || from == to || len(from) > maxFrom {
		return &Rewriter{}
	}
	rw := &Rewriter{from: from, to: to, anchor: rarest(from)}
	escape := strings.NewReplacer("/", `\/`)
	for i, slashes := range []func(string) string{
		func(s string) string { return s },
		escape.Replace,
	} {
		find := []byte(`"` + slashes(from))
		rw.styles[i] = style{
			find:     find,
			put:      `"` + slashes(to),
			anchorAt: bytes.IndexByte(find, rw.anchor),
		}
		rw.styles[i].setCore()
	}
	return rw
}

// RewriteURL returns s with its prefix replaced, and whether it had that
// prefix. It serves headers whose whole value is one URL, such as Location.
func (rw *Rewriter) RewriteURL(s string) (string, bool) {
	if rw.from == "" || !strings.HasPrefix(s, rw.from) {
		return s, false
	}
	return rw.to + s[len(rw.from):], true
}

// RewriteLink returns the value of a Link header (RFC 8288 section 3) with
// the prefix of every link target replaced, and whether there was one.
func (rw *Rewriter) RewriteLink(s string) (string, bool) {
	if rw.from == "" || !strings.Contains(s, "<"+rw.from) {
		return s, false
	}
	return strings.ReplaceAll(s, "<"+rw.from, "<"+rw.to), true
}

// encode percent-encodes the bytes that no URL may contain (RFC 3986 section
// 2) and that would matter to JSON or a header. All else stays as written.
func encode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>':
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// rarest returns a byte of s that is rare in JSON text. The scan jumps from
// one to the next, so the rarer it is, the faster the scan. Wrong guesses cost
// speed, never correctness.
func rarest(s string) byte {
	for _, c := range []byte(".~@?&ZQJXKzqjxkvwyVWYbgfGHUBP") {
		if strings.IndexByte(s, c) >= 0 {
			return c
		}
	}
	return s[len(s)-1]
}

// match returns where the first whole match in text[from:] begins, and which of
// the styles it has, or -1. As many bytes of the text before from as window
// says, or all of them, have to be in text.
func (rw *Rewriter) match(text []byte, from int) (at, style int) {
	for i := from; i < len(text); i++ {
		j := bytes.IndexByte(text[i:], rw.anchor)
		if j < 0 {
			break
		}
		i += j
		for k := range rw.styles {
			st := &rw.styles[k]
			at := i - st.anchorAt
			if at >= from && text[at] == '"' && bytes.HasPrefix(text[at:], st.find) && isLink(text, at) {
				return at, k
			}
		}
	}
	return -1, 0
}

// window is how far back isLink looks. It has room for the longest name and for
// some forty characters of white space.
const window = 64

const space = " \t\r\n"

// isLink reports whether the string that begins with the quote at text[at] is
// the value of a member that holds a URL of the API. Every other string may be
// somebody's words.
//
// A quote within a string has a backslash before it. So what looks like a
// member here is one, if the text is JSON.
func isLink(text []byte, at int) bool {
	head := bytes.TrimRight(text[max(0, at-window):at], space)
	head, ok := bytes.CutSuffix(head, []byte(":"))
	if !ok {
		return false
	}
	head, ok = bytes.CutSuffix(bytes.TrimRight(head, space), []byte(`"`))
	open := bytes.LastIndexByte(head, '"')
	if !ok || open < 1 || strings.IndexByte("{,"+space, head[open-1]) < 0 {
		return false
	}
	switch string(head[open+1:]) {
	case "href", "next", "previous", // of objects and pages
		"track_href", "analysis_url": // of audio features
		return true
	}
	return false
}
