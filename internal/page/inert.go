package page

import (
	"bytes"
	"fmt"
	"strings"
)

// delimiters are the characters of which templates' delimiters are made. Those of
// Caddy's templates are "{{" and "}}", unless its option between says otherwise.
// html/template escapes the angle brackets.
const delimiters = "{}[]()|~^`"

// inert returns a page of ours in which nothing is left that a template would
// execute. Caddy's templates, where they wrap a site, do not tell our pages from
// files of the site's, and our pages show what people have made up: the names of
// access keys, and return paths. So in texts and in the values of attributes, all
// of which are in double quotes, delimiters become character references, which mean
// the same to browsers. Styles and scripts, which know no references, are files of
// their own.
func inert(page []byte) []byte {
	out := make([]byte, 0, len(page)+len(page)/8)
	for len(page) > 0 {
		var plain []byte // is text, up to the next tag
		if i := bytes.IndexByte(page, '<'); i >= 0 {
			plain, page = page[:i], page[i:]
		} else {
			plain, page = page, nil
		}
		out = appendInert(out, plain)
		tag := page[:tagLength(page)]
		page = page[len(tag):]
		out = appendInert(out, tag)
	}
	return out
}

// tagLength is how long the tag is that the page begins with.
func tagLength(page []byte) int {
	quoted := false
	for i, c := range page {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i + 1
		}
	}
	return len(page)
}

func appendInert(out, text []byte) []byte {
	for _, c := range text {
		if strings.IndexByte(delimiters, c) >= 0 {
			out = fmt.Appendf(out, "&#%d;", c)
		} else {
			out = append(out, c)
		}
	}
	return out
}
