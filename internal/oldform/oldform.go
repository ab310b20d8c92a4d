// Package oldform adds to the Web API's responses the members that they had before
// February 2026, for clients that know no others.
package oldform

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Links says how the path in the links of a page begins to differ: what ends with New
// ends with Old in the old form. The zero value leaves links as they are.
type Links struct{ New, Old string }

// playlistLinks are those of the pages that playlists and their items have.
var playlistLinks = Links{New: "/items", Old: "/tracks"}

// Add returns a response in a new form with the members of the old form added: tracks
// beside items in a playlist, track beside item in what is in it. None is taken away,
// and one that is there with another value than null stays as it is. The links of the
// page that the response is lead to the old form.
//
// A text that is no JSON, and one that lacks nothing, are returned as they are, with
// false. What changes is copied; nothing else does, white space included.
func Add(text []byte, shape webapi.BodyShape, links Links) ([]byte, bool) {
	if shape == webapi.Opaque || !json.Valid(text) {
		return text, false
	}
	e := editor{text: text}
	root := e.start(0)
	switch shape {
	case webapi.PlaylistBody:
		e.playlist(root)
	case webapi.PlaylistsBody:
		e.page(root, links, e.playlist)
	case webapi.PlaylistItemsBody:
		e.page(root, links, e.item)
	case webapi.SearchBody:
		e.members(root, func(key []byte, value int) {
			if string(key) == "playlists" {
				e.page(value, links, e.playlist)
			}
		})
	}
	if len(e.edits) == 0 {
		return text, false
	}
	return e.apply(0, len(text)), true
}

// editor collects what is to change in a valid JSON text. Values are named by where
// they begin.
type editor struct {
	text  []byte
	edits []edit // in the order of the text, and apart from each other
}

// edit replaces text[from:to].
type edit struct {
	from, to int
	by       []byte
}

// apply returns text[from:to] with its edits made.
func (e *editor) apply(from, to int) []byte {
	out := make([]byte, 0, 2*(to-from))
	for _, ed := range e.edits {
		if ed.from < from || ed.to > to {
			continue
		}
		out = append(append(out, e.text[from:ed.from]...), ed.by...)
		from = ed.to
	}
	return append(out, e.text[from:to]...)
}

// page edits a page: its links, and each of its items.
func (e *editor) page(at int, links Links, item func(at int)) {
	e.members(at, func(key []byte, value int) {
		switch string(key) {
		case "items":
			e.elements(value, item)
		case "href", "next", "previous":
			e.link(value, links)
		}
	})
}

// playlist adds tracks to a playlist, a copy of its items as the old form has them.
func (e *editor) playlist(at int) {
	items, tracks := -1, -1
	e.members(at, func(key []byte, value int) {
		switch string(key) {
		case "items":
			items = value
		case "tracks":
			tracks = value
		}
	})
	switch {
	case tracks >= 0 && e.text[tracks] == '{':
		e.page(tracks, Links{}, e.item)
	case items >= 0 && e.text[items] == '{':
		copied := editor{text: e.text}
		copied.page(items, playlistLinks, copied.item)
		e.add("tracks", tracks, items, copied.apply(items, e.end(items)))
	}
}

// item adds track to an item of a playlist.
func (e *editor) item(at int) {
	item, track := -1, -1
	e.members(at, func(key []byte, value int) {
		switch string(key) {
		case "item":
			item = value
		case "track":
			// In a track there may be a member of that name that is true or false;
			// in what has an item there is none.
			track = value
		}
	})
	if item >= 0 {
		e.add("track", track, item, e.text[item:e.end(item)])
	}
}

// add gives an object the member name, after the member with the value at beside,
// unless it has one that is not null, at old.
func (e *editor) add(name string, old, beside int, value []byte) {
	switch {
	case old < 0:
		end := e.end(beside)
		e.edits = append(e.edits, edit{end, end, append([]byte(`,"`+name+`":`), value...)})
	case e.text[old] == 'n':
		e.edits = append(e.edits, edit{old, e.end(old), value})
	}
}

// link makes a link of a page lead to the old form.
func (e *editor) link(at int, links Links) {
	if links.New == "" || e.text[at] != '"' {
		return
	}
	end := e.end(at)
	url := strings.ReplaceAll(string(e.text[at+1:end-1]), `\/`, "/")
	path, query, hasQuery := strings.Cut(url, "?")
	path, ok := strings.CutSuffix(path, links.New)
	if !ok {
		return
	}
	url = path + links.Old
	if hasQuery {
		url += "?" + query
	}
	e.edits = append(e.edits, edit{at, end, []byte(`"` + url + `"`)})
}

// members calls f with the name, as it is written, and the value of each member of
// the object at a place. If there is no object, there are none.
func (e *editor) members(at int, f func(key []byte, value int)) {
	if e.text[at] != '{' {
		return
	}
	for at = e.start(at + 1); e.text[at] != '}'; {
		end := e.end(at)
		key := e.text[at+1 : end-1]
		value := e.start(e.start(end) + 1) // after the colon
		f(key, value)
		if at = e.start(e.end(value)); e.text[at] == ',' {
			at = e.start(at + 1)
		}
	}
}

// elements calls f with each element of the array at a place.
func (e *editor) elements(at int, f func(at int)) {
	if e.text[at] != '[' {
		return
	}
	for at = e.start(at + 1); e.text[at] != ']'; {
		f(at)
		if at = e.start(e.end(at)); e.text[at] == ',' {
			at = e.start(at + 1)
		}
	}
}

// start returns where the next thing after white space begins.
func (e *editor) start(at int) int {
	for bytes.IndexByte([]byte(" \t\r\n"), e.text[at]) >= 0 {
		at++
	}
	return at
}

// end returns where the value that begins at a place ends.
func (e *editor) end(at int) int {
	depth := 0
	for {
		switch e.text[at] {
		case '"':
			for at++; e.text[at] != '"'; at++ {
				if e.text[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if depth == 0 {
				// A number or a word, up to what may follow one.
				n := bytes.IndexAny(e.text[at:], ",]} \t\r\n")
				if n < 0 {
					return len(e.text)
				}
				return at + n
			}
		}
		at++
		if depth == 0 {
			return at
		}
	}
}
