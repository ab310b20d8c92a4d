package spotifytest

import "net/http"

// Mode is the quota mode of all apps of a Server, which decides how much of the
// Web API they have.
type Mode int

const (
	// Development is the quota mode of every app but the few in extended mode: since
	// 2026, operations are withdrawn, fields are missing, a search has ten results
	// at most, and the items of other users' playlists are not shown.
	Development Mode = iota
	// Extended is the quota mode of organisations with a launched service: the
	// whole Web API, in the old forms and the new ones.
	Extended
)

// String returns development or extended.
func (m Mode) String() string {
	if m == Extended {
		return "extended"
	}
	return "development"
}

// withdrawn are the operations that apps in development mode do not have, under
// the patterns of our own routes where there is one. Spotify's lists:
//
//	https://developer.spotify.com/blog/2024-11-27-changes-to-the-web-api
//	https://developer.spotify.com/documentation/web-api/references/changes/february-2026
var withdrawn = []string{
	"GET /v1/artists/{id}/related-artists",
	"GET /v1/audio-analysis/{id}",
	"GET /v1/audio-features",
	"GET /v1/audio-features/{id}",
	"GET /v1/browse/categories/{id}/playlists",
	"GET /v1/browse/featured-playlists",
	"GET /v1/recommendations",
	"GET /v1/recommendations/available-genre-seeds",

	"GET /v1/albums",
	"GET /v1/artists",
	"GET /v1/artists/{id}/top-tracks",
	"GET /v1/audiobooks",
	"GET /v1/browse/categories",
	"GET /v1/browse/categories/{id}",
	"GET /v1/browse/new-releases",
	"GET /v1/chapters",
	"GET /v1/episodes",
	"GET /v1/markets",
	"GET /v1/shows",
	"GET /v1/tracks",
	"GET /v1/users/{id}",
	"GET /v1/users/{id}/playlists",
	"POST /v1/users/{id}/playlists",

	"DELETE /v1/me/albums",
	"PUT /v1/me/albums",
	"GET /v1/me/albums/contains",
	"DELETE /v1/me/audiobooks",
	"PUT /v1/me/audiobooks",
	"GET /v1/me/audiobooks/contains",
	"DELETE /v1/me/episodes",
	"PUT /v1/me/episodes",
	"GET /v1/me/episodes/contains",
	"DELETE /v1/me/following",
	"PUT /v1/me/following",
	"GET /v1/me/following/contains",
	"DELETE /v1/me/shows",
	"PUT /v1/me/shows",
	"GET /v1/me/shows/contains",
	"DELETE /v1/me/tracks",
	"PUT /v1/me/tracks",
	"GET /v1/me/tracks/contains",

	"DELETE /v1/playlists/{id}/followers",
	"PUT /v1/playlists/{id}/followers",
	"GET /v1/playlists/{id}/followers/contains",
	"DELETE /v1/playlists/{id}/tracks",
	"GET /v1/playlists/{id}/tracks",
	"POST /v1/playlists/{id}/tracks",
	"PUT /v1/playlists/{id}/tracks",
}

// offered returns the routes of the mode: in development mode, those withdrawn
// are refused before scopes and parameters are looked at.
func (m Mode) offered(routes []route) []route {
	if m != Development {
		return routes
	}
	gone := make(map[string]bool, len(withdrawn))
	for _, pattern := range withdrawn {
		gone[pattern] = true
	}
	var out []route
	for _, rt := range routes {
		if !gone[rt.pattern] {
			out = append(out, rt)
		}
	}
	for _, pattern := range withdrawn {
		out = append(out, route{pattern: pattern, serve: (*call).forbidden})
	}
	return out
}

func (c *call) forbidden() (any, *apiError) { return nil, errForbidden }

func (c *call) development() bool { return c.s.opts.Mode == Development }

// SetOwnerPremium tells whether the app's owner subscribes to Premium, which
// apps in development mode depend on. While the owner does not, every request
// to the Web API that has a valid token gets a 403 in plain text, whatever the
// mode. It is true at the start.
func (s *Server) SetOwnerPremium(premium bool) { s.ownerLapsed.Store(!premium) }

var errOwnerPremium = &apiError{Status: http.StatusForbidden, Message: ownerPremiumText, plain: true}
