package pkce

// Spotify's scopes.
//
// See https://developer.spotify.com/documentation/web-api/concepts/scopes.
const (
	// Images

	ScopeUGCImageUpload = "ugc-image-upload" // upload a playlist's cover

	// Spotify Connect

	ScopeUserReadPlaybackState    = "user-read-playback-state"    // read the player's state and devices
	ScopeUserModifyPlaybackState  = "user-modify-playback-state"  // control the player
	ScopeUserReadCurrentlyPlaying = "user-read-currently-playing" // read what is playing

	// Playback

	ScopeAppRemoteControl = "app-remote-control" // control the app on iOS and Android
	ScopeStreaming        = "streaming"          // play in the Web Playback SDK

	// Playlists

	ScopePlaylistReadPrivate       = "playlist-read-private"       // read private playlists
	ScopePlaylistReadCollaborative = "playlist-read-collaborative" // read collaborative playlists
	ScopePlaylistModifyPrivate     = "playlist-modify-private"     // change private playlists
	ScopePlaylistModifyPublic      = "playlist-modify-public"      // change public playlists

	// Follow

	ScopeUserFollowModify = "user-follow-modify" // follow and unfollow
	ScopeUserFollowRead   = "user-follow-read"   // read who is followed

	// Listening history

	ScopeUserReadPlaybackPosition = "user-read-playback-position" // read the position in episodes
	ScopeUserTopRead              = "user-top-read"               // read top artists and tracks
	ScopeUserReadRecentlyPlayed   = "user-read-recently-played"   // read what was played last

	// Library

	ScopeUserLibraryModify = "user-library-modify" // change the library
	ScopeUserLibraryRead   = "user-library-read"   // read the library

	// Users

	ScopeUserReadEmail   = "user-read-email"   // read the email address
	ScopeUserReadPrivate = "user-read-private" // read country and subscription
)

// Scopes returns all of Spotify's scopes.
func Scopes() []string {
	return []string{
		ScopeUGCImageUpload,
		ScopeUserReadPlaybackState, ScopeUserModifyPlaybackState, ScopeUserReadCurrentlyPlaying,
		ScopeAppRemoteControl, ScopeStreaming,
		ScopePlaylistReadPrivate, ScopePlaylistReadCollaborative, ScopePlaylistModifyPrivate, ScopePlaylistModifyPublic,
		ScopeUserFollowModify, ScopeUserFollowRead,
		ScopeUserReadPlaybackPosition, ScopeUserTopRead, ScopeUserReadRecentlyPlayed,
		ScopeUserLibraryModify, ScopeUserLibraryRead,
		ScopeUserReadEmail, ScopeUserReadPrivate,
	}
}
