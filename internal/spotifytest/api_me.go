package spotifytest

import "net/http"

// profile is a user object; the private part is there for /me only.
type profile struct {
	DisplayName  string           `json:"display_name"`
	ExternalURLs externalURLs     `json:"external_urls"`
	Followers    *followers       `json:"followers,omitempty"`
	Href         string           `json:"href"`
	ID           string           `json:"id"`
	AccountID    string           `json:"account_id,omitempty"`
	Images       []imageObject    `json:"images"`
	Type         string           `json:"type"`
	URI          string           `json:"uri"`
	Country      string           `json:"country,omitempty"`
	Product      string           `json:"product,omitempty"`
	Email        string           `json:"email,omitempty"`
	Explicit     *explicitContent `json:"explicit_content,omitempty"`
}

type explicitContent struct {
	FilterEnabled bool `json:"filter_enabled"`
	FilterLocked  bool `json:"filter_locked"`
}

var meRoutes = []route{
	{pattern: "GET /v1/me", serve: (*call).me},
	{pattern: "GET /v1/users/{id}", serve: (*call).publicProfile},
	{pattern: "GET /v1/me/top/artists", scopes: "user-top-read", serve: (*call).topArtists},
	{pattern: "GET /v1/me/top/tracks", scopes: "user-top-read", serve: (*call).topTracks},
}

// editor is the user behind the playlists of nobody in particular.
var editor = &User{ID: editorID, DisplayName: "The Night Desk", AccountID: derivedID("account/" + editorID)}

func (o origins) user(u *User) profile {
	p := profile{
		DisplayName: u.DisplayName, ExternalURLs: openURL("user", u.ID), Followers: o.followed(10 + int(u.AccountID[0])),
		Href: o.api + "/v1/users/" + u.ID, ID: u.ID, Images: []imageObject{}, Type: "user", URI: "spotify:user:" + u.ID,
	}
	if !u.Newcomer {
		p.Images = o.images(avatarOf(u).id())[1:]
	}
	return p
}

func (c *call) me() (any, *apiError) {
	p := c.s.origins().user(c.user)
	p.AccountID = c.user.AccountID
	if c.development() {
		return p, nil // its scopes give apps in development mode nothing
	}
	if c.has("user-read-private") {
		p.Country, p.Product, p.Explicit = c.user.Country, c.user.Product, &explicitContent{}
	}
	if c.has("user-read-email") {
		p.Email = c.user.Email
	}
	return p, nil
}

func (c *call) publicProfile() (any, *apiError) {
	u := c.s.anyUser(c.r.PathValue("id"))
	if u == nil {
		return nil, &apiError{Status: http.StatusNotFound, Message: "No such user"}
	}
	return c.s.origins().user(u), nil
}

// anyUser is a user who can log in, or the editor.
func (s *Server) anyUser(id string) *User {
	if id == editorID {
		return editor
	}
	return s.users[id]
}

// topOffset makes the three time ranges differ.
func (c *call) topOffset() (int, *apiError) {
	switch c.r.URL.Query().Get("time_range") {
	case "", "medium_term":
		return 0, nil
	case "short_term":
		return 5, nil
	case "long_term":
		return 11, nil
	default:
		return 0, badRequest("Invalid time range")
	}
}

func (c *call) topArtists() (any, *apiError) {
	return top(c, c.s.library.shelves[c.user.ID].topArtists, func(a *artist) any { return c.s.origins().fullArtist(a) })
}

func (c *call) topTracks() (any, *apiError) {
	return top(c, c.s.library.shelves[c.user.ID].topTracks, func(t *track) any { return c.s.origins().fullTrack(t) })
}

// top pages through a list that never changes, turned by the time range.
func top[T any](c *call, list []T, object func(T) any) (any, *apiError) {
	pg, e := c.page(20, 50)
	if e != nil {
		return nil, e
	}
	turn, e := c.topOffset()
	if e != nil {
		return nil, e
	}
	turn = min(turn, len(list))
	turned := append(append([]T{}, list[turn:]...), list[:turn]...)
	return listPage(pg, c.self(), c.r.URL.Query(), turned, object), nil
}
