package spotifytest

import (
	"slices"
	"strings"
)

var catalogRoutes = []route{
	{pattern: "GET /v1/artists", shared: true, serve: (*call).artists},
	{pattern: "GET /v1/artists/{id}", shared: true, serve: (*call).artist},
	{pattern: "GET /v1/artists/{id}/albums", shared: true, serve: (*call).artistAlbums},
	{pattern: "GET /v1/artists/{id}/top-tracks", shared: true, serve: (*call).artistTopTracks},
	{pattern: "GET /v1/albums", shared: true, serve: (*call).albums},
	{pattern: "GET /v1/albums/{id}", shared: true, serve: (*call).album},
	{pattern: "GET /v1/albums/{id}/tracks", shared: true, serve: (*call).albumTracks},
	{pattern: "GET /v1/tracks", shared: true, serve: (*call).tracks},
	{pattern: "GET /v1/tracks/{id}", shared: true, serve: (*call).track},
	{pattern: "GET /v1/browse/new-releases", shared: true, serve: (*call).newReleases},
	{pattern: "GET /v1/markets", shared: true, serve: (*call).markets},
}

// find looks the path's id up; a malformed id is not the same as an unknown one.
func find[T any](c *call, by map[string]*T) (*T, *apiError) {
	id := c.r.PathValue("id")
	if !base62ID(id) {
		return nil, errInvalidID
	}
	v := by[id]
	if v == nil {
		return nil, errNotFound
	}
	return v, nil
}

// several looks the ids parameter up; what is unknown is null in the answer.
func several[T any](c *call, name string, most int, by map[string]*T, object func(*T) any) (any, *apiError) {
	ids, e := c.ids(most)
	if e != nil {
		return nil, e
	}
	list := []any{}
	for _, id := range ids {
		if v := by[id]; v != nil {
			list = append(list, object(v))
		} else {
			list = append(list, nil)
		}
	}
	return map[string]any{name: list}, nil
}

func (c *call) artists() (any, *apiError) {
	return several(c, "artists", 50, theCatalog().artistBy, func(a *artist) any { return c.s.origins().fullArtist(a) })
}

func (c *call) artist() (any, *apiError) {
	a, e := find(c, theCatalog().artistBy)
	if e != nil {
		return nil, e
	}
	return c.s.origins().fullArtist(a), nil
}

func (c *call) artistAlbums() (any, *apiError) {
	a, e := find(c, theCatalog().artistBy)
	if e != nil {
		return nil, e
	}
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	list := a.albums
	if groups := c.r.URL.Query().Get("include_groups"); groups != "" {
		wanted := strings.Split(groups, ",")
		for _, g := range wanted {
			if !slices.Contains([]string{"album", "single", "appears_on", "compilation"}, g) {
				return nil, badRequest("Invalid include_groups")
			}
		}
		list = slices.DeleteFunc(slices.Clone(list), func(al *album) bool { return !slices.Contains(wanted, al.kind) })
	}
	return listPage(pg, c.self(), c.r.URL.Query(), list, func(al *album) any {
		object := c.s.origins().album(al)
		object.AlbumGroup = al.kind
		return object
	}), nil
}

func (c *call) artistTopTracks() (any, *apiError) {
	a, e := find(c, theCatalog().artistBy)
	if e != nil {
		return nil, e
	}
	list := []fullTrack{}
	for _, t := range a.topTracks(10) {
		list = append(list, c.s.origins().fullTrack(t))
	}
	return map[string]any{"tracks": list}, nil
}

func (c *call) albums() (any, *apiError) {
	return several(c, "albums", 20, theCatalog().albumBy, func(al *album) any { return c.s.origins().fullAlbum(al) })
}

func (c *call) album() (any, *apiError) {
	al, e := find(c, theCatalog().albumBy)
	if e != nil {
		return nil, e
	}
	return c.s.origins().fullAlbum(al), nil
}

func (c *call) albumTracks() (any, *apiError) {
	al, e := find(c, theCatalog().albumBy)
	if e != nil {
		return nil, e
	}
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	return listPage(pg, c.self(), c.r.URL.Query(), al.tracks, func(t *track) any { return c.s.origins().track(t) }), nil
}

func (c *call) tracks() (any, *apiError) {
	return several(c, "tracks", 50, theCatalog().trackBy, func(t *track) any { return c.s.origins().fullTrack(t) })
}

func (c *call) track() (any, *apiError) {
	t, e := find(c, theCatalog().trackBy)
	if e != nil {
		return nil, e
	}
	return c.s.origins().fullTrack(t), nil
}

func (c *call) newReleases() (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	newest := theCatalog().albums[:100]
	return map[string]any{"albums": listPage(pg, c.self(), c.r.URL.Query(), newest, func(al *album) any { return c.s.origins().album(al) })}, nil
}

func (c *call) markets() (any, *apiError) {
	return map[string]any{"markets": markets}, nil
}
