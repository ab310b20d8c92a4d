package spotifytest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// The library of 2026, for everything that users save or follow. Its URIs are
// in the query; a body is not read.
var meLibraryRoutes = []route{
	{pattern: "PUT /v1/me/library", serve: (*call).saveURIs},
	{pattern: "DELETE /v1/me/library", serve: (*call).unsaveURIs},
	{pattern: "GET /v1/me/library/contains", serve: (*call).hasURIs},
}

// maxLibraryURIs is how many URIs one request may name.
const maxLibraryURIs = 40

// libraryScopes are the scopes that each type of URI needs, to be changed and
// to be read.
var libraryScopes = map[string]struct{ modify, read string }{
	"track":     {"user-library-modify", "user-library-read"},
	"album":     {"user-library-modify", "user-library-read"},
	"show":      {"user-library-modify", "user-library-read"},
	"episode":   {"user-library-modify", "user-library-read"},
	"audiobook": {"user-library-modify", "user-library-read"},
	"artist":    {"user-follow-modify", "user-follow-read"},
	"user":      {"user-follow-modify", "user-follow-read"},
	"playlist":  {"playlist-modify-public", "playlist-read-private"},
}

// saved is one thing that may be on a shelf.
type saved struct {
	has         func(*shelf) bool
	add, remove func(*shelf)
}

// libraryThings runs f on what the request names, if the user may do that and
// all of it exists. The library is locked.
func (c *call) libraryThings(modify bool, f func(*shelf, []saved) any) (any, *apiError) {
	value := c.r.URL.Query().Get("uris")
	if value == "" {
		return nil, badRequest("Missing required field: uris")
	}
	uris := strings.Split(value, ",")
	if len(uris) > maxLibraryURIs {
		return nil, badRequest("Too many uris requested")
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		var list []saved
		for _, uri := range uris {
			kind, id, e := parseURI(uri)
			if e != nil {
				return nil, e
			}
			scope := libraryScopes[kind].read
			if modify {
				scope = libraryScopes[kind].modify
			}
			if !c.has(scope) {
				return nil, errScope
			}
			thing, e := c.savedThing(kind, id, uri)
			if e != nil {
				return nil, e
			}
			list = append(list, thing)
		}
		return f(sh, list), nil
	})
}

// parseURI takes a Spotify URI of a type that the library holds apart.
func parseURI(uri string) (kind, id string, e *apiError) {
	parts := strings.Split(uri, ":")
	if len(parts) != 3 || parts[0] != "spotify" || parts[2] == "" {
		return "", "", badRequest("Invalid uri: " + uri)
	}
	kind, id = parts[1], parts[2]
	if _, known := libraryScopes[kind]; !known || kind != "user" && !base62ID(id) {
		return "", "", badRequest("Invalid uri: " + uri)
	}
	return kind, id, nil
}

// savedThing looks the object up. Users are taken as they come, like shows,
// episodes and audiobooks, which the simulator has not.
func (c *call) savedThing(kind, id, uri string) (saved, *apiError) {
	now := c.s.Now().Truncate(time.Second)
	switch kind {
	case "track":
		t := theCatalog().trackBy[id]
		if t == nil {
			return saved{}, errNotFound
		}
		return onShelf(func(sh *shelf) *[]savedTrack { return &sh.tracks },
			func(s savedTrack) bool { return s.track == t }, savedTrack{now, t}), nil
	case "album":
		al := theCatalog().albumBy[id]
		if al == nil {
			return saved{}, errNotFound
		}
		return onShelf(func(sh *shelf) *[]savedAlbum { return &sh.albums },
			func(s savedAlbum) bool { return s.album == al }, savedAlbum{now, al}), nil
	case "artist":
		a := theCatalog().artistBy[id]
		if a == nil {
			return saved{}, errNotFound
		}
		return onShelf(func(sh *shelf) *[]*artist { return &sh.artists },
			func(other *artist) bool { return other == a }, a), nil
	case "playlist":
		p := c.s.library.playlists[id]
		if p == nil || !p.public && !c.keeps(p) {
			return saved{}, errNotFound
		}
		return onShelf(func(sh *shelf) *[]*playlist { return &sh.playlists },
			func(other *playlist) bool { return other == p }, p), nil
	default:
		return onShelf(func(sh *shelf) *[]string { return &sh.others },
			func(other string) bool { return other == uri }, uri), nil
	}
}

// onShelf is a saved thing that is in one list of the shelf, newest first.
func onShelf[T any](list func(*shelf) *[]T, is func(T) bool, thing T) saved {
	return saved{
		has: func(sh *shelf) bool { return slices.ContainsFunc(*list(sh), is) },
		add: func(sh *shelf) {
			if l := list(sh); !slices.ContainsFunc(*l, is) {
				*l = append([]T{thing}, *l...)
			}
		},
		remove: func(sh *shelf) {
			l := list(sh)
			*l = slices.DeleteFunc(slices.Clone(*l), is)
		},
	}
}

func (c *call) saveURIs() (any, *apiError) {
	return c.libraryThings(true, func(sh *shelf, things []saved) any {
		for _, thing := range things {
			thing.add(sh)
		}
		return bare(http.StatusOK)
	})
}

func (c *call) unsaveURIs() (any, *apiError) {
	return c.libraryThings(true, func(sh *shelf, things []saved) any {
		for _, thing := range things {
			thing.remove(sh)
		}
		return bare(http.StatusOK)
	})
}

func (c *call) hasURIs() (any, *apiError) {
	return c.libraryThings(false, func(sh *shelf, things []saved) any {
		out := make([]bool, 0, len(things))
		for _, thing := range things {
			out = append(out, thing.has(sh))
		}
		return out
	})
}
