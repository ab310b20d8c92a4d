package spotifytest

import (
	"slices"
	"strings"
)

// scopes are Spotify's, each with what the consent page says about it.
var scopes = map[string]string{
	"ugc-image-upload":            "Upload pictures to personalise your profile or playlist covers",
	"user-read-playback-state":    "Read your currently playing content and Connect devices",
	"user-modify-playback-state":  "Control playback on your clients and devices",
	"user-read-currently-playing": "Read what you are playing right now",
	"app-remote-control":          "Communicate with the app on your device",
	"streaming":                   "Play content in this app",
	"playlist-read-private":       "Access your private playlists",
	"playlist-read-collaborative": "Access your collaborative playlists",
	"playlist-modify-private":     "Create and change your private playlists",
	"playlist-modify-public":      "Create and change your public playlists",
	"user-follow-modify":          "Manage whom you follow",
	"user-follow-read":            "See whom you follow",
	"user-read-playback-position": "Read your position in content you have played",
	"user-top-read":               "Read your top artists and tracks",
	"user-read-recently-played":   "Access your recently played items",
	"user-library-modify":         "Add and remove items in Your Library",
	"user-library-read":           "Access what you saved in Your Library",
	"user-read-email":             "See your email address",
	"user-read-private":           "See your name, country and type of subscription",
}

// parseScopes splits a space-delimited list (RFC 6749 §3.3), drops repetitions
// and sorts; ok is false if a scope is not one of Spotify's.
func parseScopes(s string) (list []string, ok bool) {
	for name := range strings.SplitSeq(s, " ") {
		if name == "" {
			continue
		}
		if _, known := scopes[name]; !known {
			return nil, false
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list), true
}
