package spotifytest

import (
	"net/http"
	"slices"
	"strconv"
)

var followingRoutes = []route{
	{pattern: "GET /v1/me/following", scopes: "user-follow-read", serve: (*call).following},
	{pattern: "PUT /v1/me/following", scopes: "user-follow-modify", serve: (*call).follow},
	{pattern: "DELETE /v1/me/following", scopes: "user-follow-modify", serve: (*call).unfollow},
	{pattern: "GET /v1/me/following/contains", scopes: "user-follow-read", serve: (*call).follows},
}

// following pages by cursor: after is the id of the last artist seen.
func (c *call) following() (any, *apiError) {
	q := c.r.URL.Query()
	if q.Get("type") != "artist" {
		return nil, badRequest("Invalid type")
	}
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		start := 0
		if after := q.Get("after"); after != "" {
			start = 1 + slices.IndexFunc(sh.artists, func(a *artist) bool { return a.id == after })
			if start == 0 {
				return nil, badRequest("Invalid after")
			}
		}
		end := min(start+pg.limit, len(sh.artists))
		total := len(sh.artists)
		out := cursorPaging{Href: c.again(), Limit: pg.limit, Items: []any{}, Cursors: &cursors{}, Total: &total}
		for _, a := range sh.artists[start:end] {
			out.Items = append(out.Items, c.s.origins().fullArtist(a))
		}
		if end < total {
			last := sh.artists[end-1].id
			out.Cursors.After = &last
			next := c.self() + "?type=artist&after=" + last + "&limit=" + strconv.Itoa(pg.limit)
			out.Next = &next
		}
		return map[string]any{"artists": out}, nil
	})
}

func (c *call) namedArtists() ([]*artist, *apiError) {
	if c.r.URL.Query().Get("type") != "artist" {
		return nil, badRequest("Invalid type")
	}
	ids, e := c.someIDs(50)
	if e != nil {
		return nil, e
	}
	return known(ids, theCatalog().artistBy)
}

func (c *call) follow() (any, *apiError) {
	artists, e := c.namedArtists()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		for _, a := range artists {
			if !slices.Contains(sh.artists, a) {
				sh.artists = append(sh.artists, a)
			}
		}
		return bare(http.StatusNoContent), nil
	})
}

func (c *call) unfollow() (any, *apiError) {
	artists, e := c.namedArtists()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		sh.artists = slices.DeleteFunc(slices.Clone(sh.artists), func(a *artist) bool { return slices.Contains(artists, a) })
		return bare(http.StatusNoContent), nil
	})
}

func (c *call) follows() (any, *apiError) {
	artists, e := c.namedArtists()
	if e != nil {
		return nil, e
	}
	return c.withShelf(func(sh *shelf) (any, *apiError) {
		out := []bool{}
		for _, a := range artists {
			out = append(out, slices.Contains(sh.artists, a))
		}
		return out, nil
	})
}
