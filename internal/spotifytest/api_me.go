package spotifytest

// externalURLs, followers and image are parts of many objects.
type externalURLs struct {
	Spotify string `json:"spotify"`
}

type followers struct {
	Href  *string `json:"href"`
	Total int     `json:"total"`
}

type image struct {
	URL    string `json:"url"`
	Height *int   `json:"height"`
	Width  *int   `json:"width"`
}

// profile is a user object; the private part is there for /me only.
type profile struct {
	DisplayName  string           `json:"display_name"`
	ExternalURLs externalURLs     `json:"external_urls"`
	Followers    followers        `json:"followers"`
	Href         string           `json:"href"`
	ID           string           `json:"id"`
	AccountID    string           `json:"account_id,omitempty"`
	Images       []image          `json:"images"`
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
}

var userRoutes = []route{
	{pattern: "GET /v1/users/{id}", serve: (*call).publicProfile},
}

func (c *call) profileOf(u *User) profile {
	return profile{
		DisplayName:  u.DisplayName,
		ExternalURLs: externalURLs{"https://open.spotify.com/user/" + u.ID},
		Followers:    followers{Total: 10 + int(u.AccountID[0])},
		Href:         c.s.apiURL() + "/v1/users/" + u.ID,
		ID:           u.ID,
		Images:       c.s.avatarImages(u),
		Type:         "user",
		URI:          "spotify:user:" + u.ID,
	}
}

func (c *call) me() (any, *apiError) {
	p := c.profileOf(c.user)
	p.AccountID = c.user.AccountID
	if c.has("user-read-private") {
		p.Country, p.Product, p.Explicit = c.user.Country, c.user.Product, &explicitContent{}
	}
	if c.has("user-read-email") {
		p.Email = c.user.Email
	}
	return p, nil
}

func (c *call) publicProfile() (any, *apiError) {
	u := c.s.users[c.r.PathValue("id")]
	if u == nil {
		return nil, &apiError{Status: 404, Message: "No such user"}
	}
	return c.profileOf(u), nil
}
