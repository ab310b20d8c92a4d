package spotifytest

import (
	"net/http"
	"slices"
	"time"
)

var libraryRoutes = []route{
	{pattern: "GET /v1/me/tracks", scopes: "user-library-read", serve: (*call).savedTracks},
	{pattern: "PUT /v1/me/tracks", scopes: "user-library-modify", serve: (*call).saveTracks},
	{pattern: "DELETE /v1/me/tracks", scopes: "user-library-modify", serve: (*call).unsaveTracks},
	{pattern: "GET /v1/me/tracks/contains", scopes: "user-library-read", serve: (*call).hasTracks},
	{pattern: "GET /v1/me/albums", scopes: "user-library-read", serve: (*call).savedAlbums},
	{pattern: "PUT /v1/me/albums", scopes: "user-library-modify", serve: (*call).saveAlbums},
	{pattern: "DELETE /v1/me/albums", scopes: "user-library-modify", serve: (*call).unsaveAlbums},
	{pattern: "GET /v1/me/albums/contains", scopes: "user-library-read", serve: (*call).hasAlbums},
}

type savedTrackObject struct {
	AddedAt string    `json:"added_at"`
	Track   fullTrack `json:"track"`
}

type savedAlbumObject struct {
	AddedAt string    `json:"added_at"`
	Album   fullAlbum `json:"album"`
}

// withShelf locks the library.
func (c *call) withShelf(f func(*shelf) (any, *apiError)) (any, *apiError) {
	l := c.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	return f(l.shelves[c.user.ID])
}

// someIDs reads ids from the query or from a JSON body.
func (c *call) someIDs(most int) ([]string, *apiError) {
	if c.r.URL.Query().Has("ids") {
		return c.ids(most)
	}
	var body struct {
		IDs []string `json:"ids"`
	}
	if e := c.decode(&body, true); e != nil {
		return nil, e
	}
	if len(body.IDs) == 0 {
		return nil, badRequest("Missing required field: ids")
	}
	return checkIDs(body.IDs, most)
}

// known looks all ids up and fails on the first that is not there.
func known[T any](ids []string, by map[string]*T) ([]*T, *apiError) {
	var list []*T
	for _, id := range ids {
		v := by[id]
		if v == nil {
			return nil, errNotFound
		}
		list = append(list, v)
	}
	return list, nil
}

func (c *call) savedTracks() (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		return listPage(pg, c.self(), c.r.URL.Query(), sh.tracks, func(s savedTrack) any {
			return savedTrackObject{s.at.UTC().Format(time.RFC3339), c.s.origins().fullTrack(s.track)}
		}), nil
	})
}

func (c *call) saveTracks() (any, *apiError) {
	tracks, e := c.namedTracks()
	if e != nil {
		return nil, e
	}
	now := c.s.Now().Truncate(time.Second)
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		for _, t := range tracks {
			if !sh.hasTrack(t) {
				sh.tracks = append([]savedTrack{{now, t}}, sh.tracks...)
			}
		}
		return bare(http.StatusOK), nil
	})
}

func (c *call) unsaveTracks() (any, *apiError) {
	tracks, e := c.namedTracks()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		sh.tracks = slices.DeleteFunc(slices.Clone(sh.tracks), func(s savedTrack) bool { return slices.Contains(tracks, s.track) })
		return bare(http.StatusOK), nil
	})
}

func (c *call) hasTracks() (any, *apiError) {
	tracks, e := c.namedTracks()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		out := []bool{}
		for _, t := range tracks {
			out = append(out, sh.hasTrack(t))
		}
		return out, nil
	})
}

func (c *call) namedTracks() ([]*track, *apiError) {
	ids, e := c.someIDs(50)
	if e != nil {
		return nil, e
	}
	return known(ids, theCatalog().trackBy)
}

func (sh *shelf) hasTrack(t *track) bool {
	return slices.ContainsFunc(sh.tracks, func(s savedTrack) bool { return s.track == t })
}

func (c *call) savedAlbums() (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		return listPage(pg, c.self(), c.r.URL.Query(), sh.albums, func(s savedAlbum) any {
			return savedAlbumObject{s.at.UTC().Format(time.RFC3339), c.s.origins().fullAlbum(s.album)}
		}), nil
	})
}

func (c *call) saveAlbums() (any, *apiError) {
	albums, e := c.namedAlbums()
	if e != nil {
		return nil, e
	}
	now := c.s.Now().Truncate(time.Second)
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		for _, al := range albums {
			if !sh.hasAlbum(al) {
				sh.albums = append([]savedAlbum{{now, al}}, sh.albums...)
			}
		}
		return bare(http.StatusOK), nil
	})
}

func (c *call) unsaveAlbums() (any, *apiError) {
	albums, e := c.namedAlbums()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		sh.albums = slices.DeleteFunc(slices.Clone(sh.albums), func(s savedAlbum) bool { return slices.Contains(albums, s.album) })
		return bare(http.StatusOK), nil
	})
}

func (c *call) hasAlbums() (any, *apiError) {
	albums, e := c.namedAlbums()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		out := []bool{}
		for _, al := range albums {
			out = append(out, sh.hasAlbum(al))
		}
		return out, nil
	})
}

func (c *call) namedAlbums() ([]*album, *apiError) {
	ids, e := c.someIDs(20)
	if e != nil {
		return nil, e
	}
	return known(ids, theCatalog().albumBy)
}

func (sh *shelf) hasAlbum(al *album) bool {
	return slices.ContainsFunc(sh.albums, func(s savedAlbum) bool { return s.album == al })
}
