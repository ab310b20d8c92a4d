package spotifytest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Each is there under two names: tracks, as stock clients know it, and items,
// as Spotify has called it since 2026. Apps in development mode have the latter only.
var playlistItemRoutes = []route{
	{pattern: "GET /v1/playlists/{id}/tracks", serve: listItems(false)},
	{pattern: "POST /v1/playlists/{id}/tracks", serve: (*call).addItems},
	{pattern: "PUT /v1/playlists/{id}/tracks", serve: (*call).updateItems},
	{pattern: "DELETE /v1/playlists/{id}/tracks", serve: (*call).removeItems},
	{pattern: "GET /v1/playlists/{id}/items", serve: listItems(true)},
	{pattern: "POST /v1/playlists/{id}/items", serve: (*call).addItems},
	{pattern: "PUT /v1/playlists/{id}/items", serve: (*call).updateItems},
	{pattern: "DELETE /v1/playlists/{id}/items", serve: (*call).removeItems},
}

// maxItems is how many items one request may add or remove.
const maxItems = 100

type playlistItemObject struct {
	AddedAt string     `json:"added_at"`
	AddedBy addedBy    `json:"added_by"`
	IsLocal bool       `json:"is_local"`
	Track   *fullTrack `json:"track,omitempty"`
	Item    *fullTrack `json:"item,omitempty"`
}

type addedBy struct {
	ExternalURLs externalURLs `json:"external_urls"`
	Href         string       `json:"href"`
	ID           string       `json:"id"`
	Type         string       `json:"type"`
	URI          string       `json:"uri"`
}

type snapshot struct {
	SnapshotID string `json:"snapshot_id"`
}

// itemObject makes the object of one item; the newer form has it as item too.
func (c *call) itemObject(newer bool) func(playlistItem) any {
	o := c.s.origins()
	return func(it playlistItem) any {
		t := o.fullTrack(it.track)
		out := playlistItemObject{
			AddedAt: it.at.UTC().Format(time.RFC3339),
			AddedBy: addedBy{openURL("user", it.by), o.api + "/v1/users/" + it.by, it.by, "user", "spotify:user:" + it.by},
			Track:   &t,
		}
		if newer {
			out.Item = &t
		}
		if c.development() && !c.s.opts.TrackBesideItem {
			out.Track = nil
		}
		return out
	}
}

func listItems(newer bool) endpoint {
	return withPlaylist(func(c *call, p *playlist) (any, *apiError) {
		if !c.mayRead(p) {
			return nil, errForbidden
		}
		pg, e := c.page(100, 100)
		if e != nil {
			return nil, e
		}
		return listPage(pg, c.self(), c.r.URL.Query(), p.items, c.itemObject(newer)), nil
	})
}

// change runs f on a playlist whose items the user may change, and answers with
// the new snapshot.
func (c *call) change(status int, f func(*playlist) *apiError) (any, *apiError) {
	return withPlaylist(func(c *call, p *playlist) (any, *apiError) {
		if e := c.mayChange(p, true); e != nil {
			return nil, e
		}
		if e := f(p); e != nil {
			return nil, e
		}
		p.version++
		if status == http.StatusCreated {
			return created{snapshot{p.snapshot()}}, nil
		}
		return snapshot{p.snapshot()}, nil
	})(c)
}

// trackURIs looks tracks up by URI.
func trackURIs(uris []string) ([]*track, *apiError) {
	if len(uris) > maxItems {
		return nil, badRequest("You can add a maximum of 100 tracks per request.")
	}
	var list []*track
	for _, uri := range uris {
		t := theCatalog().trackURI(uri)
		if t == nil {
			return nil, badRequest("Invalid track uri: " + uri)
		}
		list = append(list, t)
	}
	return list, nil
}

func (c *call) newItems(tracks []*track) []playlistItem {
	now := c.s.Now().Truncate(time.Second)
	var items []playlistItem
	for _, t := range tracks {
		items = append(items, playlistItem{at: now, by: c.user.ID, track: t})
	}
	return items
}

// queryURIs is the older way to name tracks, in the query.
func (c *call) queryURIs() []string {
	value := c.r.URL.Query().Get("uris")
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

func (c *call) addItems() (any, *apiError) {
	var body struct {
		URIs     []string `json:"uris"`
		Position *int     `json:"position"`
	}
	if e := c.decode(&body, false); e != nil {
		return nil, e
	}
	if len(body.URIs) == 0 {
		body.URIs = c.queryURIs()
		if v := c.r.URL.Query().Get("position"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return nil, badRequest("Invalid position")
			}
			body.Position = &n
		}
	}
	tracks, e := trackURIs(body.URIs)
	if e != nil {
		return nil, e
	}
	if len(tracks) == 0 {
		return nil, badRequest("No uris provided")
	}
	return c.change(http.StatusCreated, func(p *playlist) *apiError {
		at := or(body.Position, len(p.items))
		if at < 0 || at > len(p.items) {
			return badRequest("Index out of bounds.")
		}
		p.items = slices.Insert(slices.Clone(p.items), at, c.newItems(tracks)...)
		return nil
	})
}

// updateItems replaces all items, or moves a range of them.
func (c *call) updateItems() (any, *apiError) {
	var body struct {
		URIs         []string `json:"uris"`
		RangeStart   *int     `json:"range_start"`
		InsertBefore *int     `json:"insert_before"`
		RangeLength  *int     `json:"range_length"`
		SnapshotID   string   `json:"snapshot_id"`
	}
	if e := c.decode(&body, false); e != nil {
		return nil, e
	}
	if body.RangeStart == nil && body.InsertBefore == nil {
		if body.URIs == nil {
			body.URIs = c.queryURIs()
		}
		tracks, e := trackURIs(body.URIs)
		if e != nil {
			return nil, e
		}
		return c.change(http.StatusCreated, func(p *playlist) *apiError {
			p.items = c.newItems(tracks)
			return nil
		})
	}
	return c.change(http.StatusOK, func(p *playlist) *apiError {
		if body.SnapshotID != "" && body.SnapshotID != p.snapshot() {
			return badRequest("Invalid snapshot id")
		}
		start, before, n := or(body.RangeStart, 0), or(body.InsertBefore, 0), or(body.RangeLength, 1)
		if start < 0 || n < 1 || start+n > len(p.items) || before < 0 || before > len(p.items) {
			return badRequest("Index out of bounds.")
		}
		if before > start && before < start+n {
			return nil // into itself: nothing moves
		}
		moved := slices.Clone(p.items[start : start+n])
		rest := slices.Delete(slices.Clone(p.items), start, start+n)
		if before > start {
			before -= n
		}
		p.items = slices.Insert(rest, before, moved...)
		return nil
	})
}

func (c *call) removeItems() (any, *apiError) {
	type ref struct {
		URI       string `json:"uri"`
		Positions []int  `json:"positions"`
	}
	var body struct {
		Tracks     []ref  `json:"tracks"`
		Items      []ref  `json:"items"`
		SnapshotID string `json:"snapshot_id"`
	}
	if e := c.decode(&body, true); e != nil {
		return nil, e
	}
	refs := body.Items
	if !c.development() {
		refs = append(body.Tracks, body.Items...)
	}
	if len(refs) == 0 {
		return nil, badRequest("No tracks provided")
	}
	if len(refs) > maxItems {
		return nil, badRequest("You can remove a maximum of 100 tracks per request.")
	}
	return c.change(http.StatusOK, func(p *playlist) *apiError {
		gone := make(map[int]bool)
		for _, rf := range refs {
			t := theCatalog().trackURI(rf.URI)
			if t == nil {
				return badRequest("Invalid track uri: " + rf.URI)
			}
			for i, it := range p.items {
				if it.track == t && (len(rf.Positions) == 0 || slices.Contains(rf.Positions, i)) {
					gone[i] = true
				}
			}
		}
		var left []playlistItem
		for i, it := range p.items {
			if !gone[i] {
				left = append(left, it)
			}
		}
		p.items = left
		return nil
	})
}
