package spotifytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"slices"
)

var playlistRoutes = []route{
	{pattern: "GET /v1/me/playlists", scopes: "playlist-read-private", serve: (*call).myPlaylists},
	{pattern: "POST /v1/me/playlists", serve: (*call).createPlaylist},
	{pattern: "GET /v1/users/{id}/playlists", serve: (*call).usersPlaylists},
	{pattern: "POST /v1/users/{id}/playlists", serve: (*call).createPlaylist},
	{pattern: "GET /v1/playlists/{id}", serve: withPlaylist((*call).fullPlaylist)},
	{pattern: "PUT /v1/playlists/{id}", serve: (*call).changePlaylist},
	{pattern: "GET /v1/playlists/{id}/images", serve: withPlaylist((*call).playlistImages)},
	{pattern: "PUT /v1/playlists/{id}/images", scopes: "ugc-image-upload", serve: (*call).uploadPicture},
	{pattern: "PUT /v1/playlists/{id}/followers", serve: (*call).followPlaylist},
	{pattern: "DELETE /v1/playlists/{id}/followers", serve: withPlaylist((*call).unfollowPlaylist)},
	{pattern: "GET /v1/playlists/{id}/followers/contains", serve: withPlaylist((*call).followsPlaylist)},
}

// maxPicture is the largest picture upload, counted in base64 as Spotify does.
const maxPicture = 256 << 10

type simplePlaylist struct {
	Collaborative bool          `json:"collaborative"`
	Description   string        `json:"description"`
	ExternalURLs  externalURLs  `json:"external_urls"`
	Href          string        `json:"href"`
	ID            string        `json:"id"`
	Images        []imageObject `json:"images"`
	Name          string        `json:"name"`
	Owner         profile       `json:"owner"`
	PrimaryColor  *string       `json:"primary_color"`
	Public        bool          `json:"public"`
	SnapshotID    string        `json:"snapshot_id"`
	Type          string        `json:"type"`
	URI           string        `json:"uri"`
	// Items is the current name of what older clients call tracks.
	Items  any `json:"items,omitempty"`
	Tracks any `json:"tracks,omitempty"`
}

type fullPlaylist struct {
	simplePlaylist
	Followers followers `json:"followers"`
}

type tracksLink struct {
	Href  string `json:"href"`
	Total int    `json:"total"`
}

func (c *call) simplePlaylist(p *playlist) simplePlaylist {
	o := c.s.origins()
	href := o.api + "/v1/playlists/" + p.id
	out := simplePlaylist{
		Collaborative: p.collaborative, Description: p.description, ExternalURLs: openURL("playlist", p.id),
		Href: href, ID: p.id, Images: c.pictures(p), Name: p.name, Owner: o.user(c.s.anyUser(p.owner)),
		Public: p.public, SnapshotID: p.snapshot(), Type: "playlist", URI: p.uri(),
		Items: tracksLink{href + "/items", len(p.items)},
	}
	if !o.development {
		out.Tracks = tracksLink{href + "/tracks", len(p.items)}
	}
	return out
}

func (c *call) pictures(p *playlist) []imageObject {
	o := c.s.origins()
	if p.picture != "" {
		return []imageObject{{URL: o.image + "/image/" + p.picture}}
	}
	return o.images(p.cover)
}

// withPlaylist locks the library and finds the path's playlist, if this user may see it.
func withPlaylist(f func(*call, *playlist) (any, *apiError)) endpoint {
	return func(c *call) (any, *apiError) {
		l := c.s.library
		l.mu.Lock()
		defer l.mu.Unlock()
		p, e := find(c, l.playlists)
		if e != nil {
			return nil, e
		}
		if !p.public {
			if !c.keeps(p) {
				return nil, errNotFound
			}
			if !c.has("playlist-read-private") && !c.has("playlist-modify-private") {
				return nil, errScope
			}
		}
		return f(c, p)
	}
}

// keeps tells whether the playlist is in the user's list.
func (c *call) keeps(p *playlist) bool {
	return slices.Contains(c.s.library.shelves[c.user.ID].playlists, p)
}

// mayRead tells whether the user may read the playlist's items, which apps in
// development mode are shown of the user's own and collaborative ones only.
func (c *call) mayRead(p *playlist) bool {
	return !c.development() || p.owner == c.user.ID || p.collaborative && c.keeps(p)
}

// mayChange tells whether the user may change the playlist's items, or all of it.
func (c *call) mayChange(p *playlist, itemsOnly bool) *apiError {
	if p.owner != c.user.ID && (!itemsOnly || !p.collaborative || !c.keeps(p)) {
		return &apiError{Status: http.StatusForbidden, Message: "You cannot modify a playlist you don't own."}
	}
	return c.needsModify(p.public)
}

func (c *call) needsModify(public bool) *apiError {
	scope := "playlist-modify-private"
	if public {
		scope = "playlist-modify-public"
	}
	if !c.has(scope) {
		return errScope
	}
	return nil
}

func (c *call) myPlaylists() (any, *apiError) { return c.listPlaylists(c.user.ID, false) }

func (c *call) usersPlaylists() (any, *apiError) {
	id := c.r.PathValue("id")
	if c.s.users[id] == nil {
		return nil, &apiError{Status: http.StatusNotFound, Message: "No such user"}
	}
	return c.listPlaylists(id, id != c.user.ID || !c.has("playlist-read-private"))
}

func (c *call) listPlaylists(user string, publicOnly bool) (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	l := c.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.shelves[user].playlists
	if publicOnly {
		list = slices.DeleteFunc(slices.Clone(list), func(p *playlist) bool { return !p.public })
	}
	return listPage(pg, c.self(), c.r.URL.Query(), list, func(p *playlist) any { return c.simplePlaylist(p) }), nil
}

func (c *call) fullPlaylist(p *playlist) (any, *apiError) {
	full := fullPlaylist{simplePlaylist: c.simplePlaylist(p), Followers: followers{Total: len(p.items) % 57}}
	first := page{limit: 100}
	full.Items = listPage(first, full.Href+"/items", nil, p.items, c.itemObject(true))
	if c.development() {
		if !c.mayRead(p) {
			full.Items = nil
		}
		return full, nil
	}
	full.Tracks = listPage(first, full.Href+"/tracks", nil, p.items, c.itemObject(false))
	return full, nil
}

func (c *call) playlistImages(p *playlist) (any, *apiError) { return c.pictures(p), nil }

// playlistDetails is the body that creates or changes a playlist.
type playlistDetails struct {
	Name          *string `json:"name"`
	Description   *string `json:"description"`
	Public        *bool   `json:"public"`
	Collaborative *bool   `json:"collaborative"`
}

func or[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

func (c *call) createPlaylist() (any, *apiError) {
	if id := c.r.PathValue("id"); id != "" && id != c.user.ID {
		return nil, &apiError{Status: http.StatusForbidden, Message: "You cannot create a playlist for another user."}
	}
	var d playlistDetails
	if e := c.decode(&d, true); e != nil {
		return nil, e
	}
	if or(d.Name, "") == "" {
		return nil, badRequest("Missing required field: name")
	}
	public, collaborative := or(d.Public, true), or(d.Collaborative, false)
	if public && collaborative {
		return nil, badRequest("Collaborative playlists can only be private.")
	}
	if e := c.needsModify(public); e != nil {
		return nil, e
	}
	l := c.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.create(c.user.ID, *d.Name, or(d.Description, ""), public, collaborative)
	full, e := c.fullPlaylist(p)
	return created{full}, e
}

func (c *call) changePlaylist() (any, *apiError) {
	var d playlistDetails
	if e := c.decode(&d, true); e != nil {
		return nil, e
	}
	return withPlaylist(func(c *call, p *playlist) (any, *apiError) {
		if e := c.mayChange(p, false); e != nil {
			return nil, e
		}
		if d.Name != nil && *d.Name == "" {
			return nil, badRequest("Missing required field: name")
		}
		p.name, p.description = or(d.Name, p.name), or(d.Description, p.description)
		p.public, p.collaborative = or(d.Public, p.public), or(d.Collaborative, p.collaborative)
		p.version++
		return bare(http.StatusOK), nil
	})(c)
}

// uploadPicture takes a JPEG in base64.
func (c *call) uploadPicture() (any, *apiError) {
	body, e := c.body()
	if e != nil {
		return nil, e
	}
	if mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || mediaType != "image/jpeg" {
		return nil, &apiError{Status: http.StatusUnsupportedMediaType, Message: "Content-Type must be image/jpeg"}
	}
	if len(body) > maxPicture {
		return nil, &apiError{Status: http.StatusRequestEntityTooLarge, Message: "Request entity too large"}
	}
	jpeg, err := base64.StdEncoding.DecodeString(string(body))
	if err != nil || len(jpeg) < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8 {
		return nil, badRequest("Invalid image data")
	}
	return withPlaylist(func(c *call, p *playlist) (any, *apiError) {
		if e := c.mayChange(p, false); e != nil {
			return nil, e
		}
		sum := sha256.Sum256(jpeg)
		delete(c.s.library.pictures, p.picture)
		p.picture = fmt.Sprintf("%s%s", p.id, hex.EncodeToString(sum[:9]))
		c.s.library.pictures[p.picture] = jpeg
		return bare(http.StatusAccepted), nil
	})(c)
}

func (c *call) followPlaylist() (any, *apiError) {
	var body struct {
		Public *bool `json:"public"`
	}
	if e := c.decode(&body, false); e != nil {
		return nil, e
	}
	if e := c.needsModify(or(body.Public, true)); e != nil {
		return nil, e
	}
	return withPlaylist(func(c *call, p *playlist) (any, *apiError) {
		if !c.keeps(p) {
			sh := c.s.library.shelves[c.user.ID]
			sh.playlists = append([]*playlist{p}, sh.playlists...)
		}
		return bare(http.StatusOK), nil
	})(c)
}

func (c *call) unfollowPlaylist(p *playlist) (any, *apiError) {
	if e := c.needsModify(p.public); e != nil {
		return nil, e
	}
	sh := c.s.library.shelves[c.user.ID]
	sh.playlists = slices.DeleteFunc(slices.Clone(sh.playlists), func(other *playlist) bool { return other == p })
	return bare(http.StatusOK), nil
}

func (c *call) followsPlaylist(p *playlist) (any, *apiError) { return []bool{c.keeps(p)}, nil }
