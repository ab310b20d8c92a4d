package webapi

import "time"

// The two times that Spotify took operations away. Both spare apps that have
// extended quota mode, and the proxy cannot know whether its app has: what it
// says of these operations is advice.
var (
	// https://developer.spotify.com/blog/2024-11-27-changes-to-the-web-api
	// For apps registered since, and existing ones in development mode without
	// a pending extension request, "effective today".
	november2024 = &Change{
		Announced: time.Date(2024, time.November, 27, 0, 0, 0, 0, time.UTC),
		Source:    "https://developer.spotify.com/blog/2024-11-27-changes-to-the-web-api",
	}
	// https://developer.spotify.com/blog/2026-02-06-update-on-developer-access-and-platform-security
	// https://developer.spotify.com/documentation/web-api/references/changes/february-2026
	// For apps in development mode: new ones from 11 February 2026, existing
	// ones from 9 March.
	february2026 = &Change{
		Announced: time.Date(2026, time.February, 6, 0, 0, 0, 0, time.UTC),
		Source:    "https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide",
	}
)

// Scopes that several operations need.
var (
	followModify   = []string{"user-follow-modify"}
	followRead     = []string{"user-follow-read"}
	libraryModify  = []string{"user-library-modify"}
	libraryRead    = []string{"user-library-read"}
	playbackModify = []string{"user-modify-playback-state"}
	playbackRead   = []string{"user-read-playback-state"}
	playlistModify = []string{"playlist-modify-public", "playlist-modify-private"}
	playlistRead   = []string{"playlist-read-private"}
	position       = []string{"user-read-playback-position"}
)

// operations are those of Spotify's OpenAPI definition, with the scopes it
// names and the operations it marks as deprecated:
//
//	https://developer.spotify.com/_data/documentation/web-api/reference/open-api-schema.yml
//	as of 30 May 2026, by way of https://github.com/sonallux/spotify-web-api
//
// Where the definition lists several scopes it does not say whether one or all
// are needed; the descriptions of the operations and of the scopes do:
//
//	https://developer.spotify.com/documentation/web-api/concepts/scopes
//
// The scopes of GET /v1/me are left out: they widen the answer, and the call
// works without.
var operations = named([]Operation{
	{Method: "GET", Pattern: "/v1/albums", Change: february2026, Instead: "GET /v1/albums/{id}"},
	{Method: "GET", Pattern: "/v1/albums/{id}"},
	{Method: "GET", Pattern: "/v1/albums/{id}/tracks"},
	{Method: "GET", Pattern: "/v1/artists", Change: february2026, Instead: "GET /v1/artists/{id}"},
	{Method: "GET", Pattern: "/v1/artists/{id}"},
	{Method: "GET", Pattern: "/v1/artists/{id}/albums"},
	{Method: "GET", Pattern: "/v1/artists/{id}/related-artists", Change: november2024},
	{Method: "GET", Pattern: "/v1/artists/{id}/top-tracks", Change: february2026},
	{Method: "GET", Pattern: "/v1/audio-analysis/{id}", Change: november2024},
	{Method: "GET", Pattern: "/v1/audio-features", Change: november2024},
	{Method: "GET", Pattern: "/v1/audio-features/{id}", Change: november2024},
	{Method: "GET", Pattern: "/v1/audiobooks", Change: february2026, Instead: "GET /v1/audiobooks/{id}"},
	{Method: "GET", Pattern: "/v1/audiobooks/{id}"},
	{Method: "GET", Pattern: "/v1/audiobooks/{id}/chapters"},
	{Method: "GET", Pattern: "/v1/browse/categories", Change: february2026},
	{Method: "GET", Pattern: "/v1/browse/categories/{category_id}", Change: february2026},
	{Method: "GET", Pattern: "/v1/browse/categories/{category_id}/playlists", Change: november2024},
	{Method: "GET", Pattern: "/v1/browse/featured-playlists", Change: november2024},
	{Method: "GET", Pattern: "/v1/browse/new-releases", Change: february2026},
	{Method: "GET", Pattern: "/v1/chapters", Change: february2026, Instead: "GET /v1/chapters/{id}"},
	{Method: "GET", Pattern: "/v1/chapters/{id}"},
	{Method: "GET", Pattern: "/v1/episodes", All: position, Change: february2026, Instead: "GET /v1/episodes/{id}"},
	{Method: "GET", Pattern: "/v1/episodes/{id}", All: position},
	{Method: "GET", Pattern: "/v1/markets", Change: february2026},
	{Method: "GET", Pattern: "/v1/me"},

	{Method: "DELETE", Pattern: "/v1/me/albums", All: libraryModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/albums", All: libraryRead},
	{Method: "PUT", Pattern: "/v1/me/albums", All: libraryModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/albums/contains", All: libraryRead, Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "DELETE", Pattern: "/v1/me/audiobooks", All: libraryModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/audiobooks", All: libraryRead},
	{Method: "PUT", Pattern: "/v1/me/audiobooks", All: libraryModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/audiobooks/contains", All: libraryRead, Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "DELETE", Pattern: "/v1/me/episodes", All: libraryModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/episodes", All: []string{"user-library-read", "user-read-playback-position"}},
	{Method: "PUT", Pattern: "/v1/me/episodes", All: libraryModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/episodes/contains", All: libraryRead, Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "DELETE", Pattern: "/v1/me/following", All: followModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/following", All: followRead},
	{Method: "PUT", Pattern: "/v1/me/following", All: followModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/following/contains", All: followRead, Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "DELETE", Pattern: "/v1/me/library", Any: []string{"user-library-modify", "user-follow-modify", "playlist-modify-public"}},
	{Method: "PUT", Pattern: "/v1/me/library", Any: []string{"user-library-modify", "user-follow-modify", "playlist-modify-public"}},
	{Method: "GET", Pattern: "/v1/me/library/contains", Any: []string{"user-library-read", "user-follow-read", "playlist-read-private"}},

	{Method: "GET", Pattern: "/v1/me/player", All: playbackRead},
	{Method: "PUT", Pattern: "/v1/me/player", All: playbackModify},
	{Method: "GET", Pattern: "/v1/me/player/currently-playing", Any: []string{"user-read-currently-playing", "user-read-playback-state"}},
	{Method: "GET", Pattern: "/v1/me/player/devices", All: playbackRead},
	{Method: "POST", Pattern: "/v1/me/player/next", All: playbackModify},
	{Method: "PUT", Pattern: "/v1/me/player/pause", All: playbackModify},
	{Method: "PUT", Pattern: "/v1/me/player/play", All: playbackModify},
	{Method: "POST", Pattern: "/v1/me/player/previous", All: playbackModify},
	{Method: "GET", Pattern: "/v1/me/player/queue", All: []string{"user-read-currently-playing", "user-read-playback-state"}},
	{Method: "POST", Pattern: "/v1/me/player/queue", All: playbackModify},
	{Method: "GET", Pattern: "/v1/me/player/recently-played", All: []string{"user-read-recently-played"}},
	{Method: "PUT", Pattern: "/v1/me/player/repeat", All: playbackModify},
	{Method: "PUT", Pattern: "/v1/me/player/seek", All: playbackModify},
	{Method: "PUT", Pattern: "/v1/me/player/shuffle", All: playbackModify},
	{Method: "PUT", Pattern: "/v1/me/player/volume", All: playbackModify},

	{Method: "GET", Pattern: "/v1/me/playlists", All: playlistRead},
	{Method: "POST", Pattern: "/v1/me/playlists", Any: playlistModify},
	{Method: "DELETE", Pattern: "/v1/me/shows", All: libraryModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/shows", All: libraryRead},
	{Method: "PUT", Pattern: "/v1/me/shows", All: libraryModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/shows/contains", All: libraryRead, Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "GET", Pattern: "/v1/me/top/{type}", All: []string{"user-top-read"}},
	{Method: "DELETE", Pattern: "/v1/me/tracks", All: libraryModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/tracks", All: libraryRead},
	{Method: "PUT", Pattern: "/v1/me/tracks", All: libraryModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/me/tracks/contains", All: libraryRead, Change: february2026, Instead: "GET /v1/me/library/contains"},

	{Method: "GET", Pattern: "/v1/playlists/{playlist_id}"},
	{Method: "PUT", Pattern: "/v1/playlists/{playlist_id}", Any: playlistModify},
	{Method: "DELETE", Pattern: "/v1/playlists/{playlist_id}/followers", Any: playlistModify, Change: february2026, Instead: "DELETE /v1/me/library"},
	{Method: "PUT", Pattern: "/v1/playlists/{playlist_id}/followers", Any: playlistModify, Change: february2026, Instead: "PUT /v1/me/library"},
	{Method: "GET", Pattern: "/v1/playlists/{playlist_id}/followers/contains", Change: february2026, Instead: "GET /v1/me/library/contains"},
	{Method: "GET", Pattern: "/v1/playlists/{playlist_id}/images"},
	{Method: "PUT", Pattern: "/v1/playlists/{playlist_id}/images", All: []string{"ugc-image-upload"}, Any: playlistModify},
	{Method: "DELETE", Pattern: "/v1/playlists/{playlist_id}/items", Any: playlistModify},
	{Method: "GET", Pattern: "/v1/playlists/{playlist_id}/items", All: playlistRead},
	{Method: "POST", Pattern: "/v1/playlists/{playlist_id}/items", Any: playlistModify},
	{Method: "PUT", Pattern: "/v1/playlists/{playlist_id}/items", Any: playlistModify},
	{Method: "DELETE", Pattern: "/v1/playlists/{playlist_id}/tracks", Any: playlistModify, Change: february2026, Instead: "DELETE /v1/playlists/{playlist_id}/items"},
	{Method: "GET", Pattern: "/v1/playlists/{playlist_id}/tracks", All: playlistRead, Change: february2026, Instead: "GET /v1/playlists/{playlist_id}/items"},
	{Method: "POST", Pattern: "/v1/playlists/{playlist_id}/tracks", Any: playlistModify, Change: february2026, Instead: "POST /v1/playlists/{playlist_id}/items"},
	{Method: "PUT", Pattern: "/v1/playlists/{playlist_id}/tracks", Any: playlistModify, Change: february2026, Instead: "PUT /v1/playlists/{playlist_id}/items"},
	{Method: "GET", Pattern: "/v1/recommendations", Change: november2024},
	{Method: "GET", Pattern: "/v1/recommendations/available-genre-seeds", Change: november2024},
	{Method: "GET", Pattern: "/v1/search"},
	{Method: "GET", Pattern: "/v1/shows", Change: february2026, Instead: "GET /v1/shows/{id}"},
	{Method: "GET", Pattern: "/v1/shows/{id}", All: position},
	{Method: "GET", Pattern: "/v1/shows/{id}/episodes", All: position},
	{Method: "GET", Pattern: "/v1/tracks", Change: february2026, Instead: "GET /v1/tracks/{id}"},
	{Method: "GET", Pattern: "/v1/tracks/{id}"},
	{Method: "GET", Pattern: "/v1/users/{user_id}", Change: february2026},
	{Method: "GET", Pattern: "/v1/users/{user_id}/playlists", Any: []string{"playlist-read-private", "playlist-read-collaborative"}, Change: february2026, Instead: "GET /v1/me/playlists"},
	{Method: "POST", Pattern: "/v1/users/{user_id}/playlists", Any: playlistModify, Change: february2026, Instead: "POST /v1/me/playlists"},
})
