package spotifytest

import (
	"net/url"
	"slices"
	"strings"
)

var searchRoutes = []route{
	{pattern: "GET /v1/search", brief: true, serve: (*call).search},
}

func (c *call) search() (any, *apiError) {
	q := c.r.URL.Query()
	// The links in answers say query where the request said q.
	text := q.Get("q")
	if text == "" {
		text = q.Get("query")
	}
	words := queryWords(text)
	if len(words) == 0 {
		return nil, badRequest("No search query")
	}
	if q.Get("type") == "" {
		return nil, badRequest("Missing parameter type")
	}
	normal, most := 20, 50
	if c.development() {
		normal, most = 5, 10
	}
	pg, e := c.page(normal, most)
	if e != nil {
		return nil, e
	}
	out := make(map[string]any)
	for kind := range strings.SplitSeq(q.Get("type"), ",") {
		name, list, known := c.searchFor(kind, words)
		if !known {
			return nil, badRequest("Bad search type field " + kind)
		}
		links := url.Values{"query": {text}, "type": {kind}}
		out[name] = listPage(pg, c.self(), links, list, func(object func() any) any { return object() })
	}
	return out, nil
}

// queryWords splits a query; the field of field:value is not heeded.
func queryWords(query string) []string {
	var words []string
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if _, value, found := strings.Cut(word, ":"); found {
			word = value
		}
		if word = strings.Trim(word, `"*`); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// searchFor finds what has all the words in its name or its artists' names. The
// objects are made for the page that is shown, not for all that was found.
func (c *call) searchFor(kind string, words []string) (name string, list []func() any, known bool) {
	o, cat := c.s.origins(), theCatalog()
	switch kind {
	case "artist":
		for _, a := range cat.artists {
			if hasWords(words, a.name) {
				list = append(list, func() any { return o.fullArtist(a) })
			}
		}
		return "artists", list, true
	case "album":
		for _, al := range cat.albums {
			if hasWords(words, al.name, al.artist.name) {
				list = append(list, func() any { return o.album(al) })
			}
		}
		return "albums", list, true
	case "track":
		for _, t := range cat.tracks {
			names := []string{t.name}
			for _, a := range t.artists {
				names = append(names, a.name)
			}
			if hasWords(words, names...) {
				list = append(list, func() any { return o.fullTrack(t) })
			}
		}
		return "tracks", list, true
	case "playlist":
		return "playlists", c.searchPlaylists(words), true
	case "show", "episode", "audiobook":
		return kind + "s", nil, true
	default:
		return "", nil, false
	}
}

func (c *call) searchPlaylists(words []string) []func() any {
	l := c.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []*playlist
	for _, p := range l.playlists {
		if p.public && hasWords(words, p.name, p.description) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *playlist) int { return strings.Compare(a.name+a.id, b.name+b.id) })
	var list []func() any
	for _, p := range found {
		object := c.simplePlaylist(p) // now, while the library is locked
		list = append(list, func() any { return object })
	}
	return list
}

func hasWords(words []string, names ...string) bool {
	text := strings.ToLower(strings.Join(names, " "))
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
