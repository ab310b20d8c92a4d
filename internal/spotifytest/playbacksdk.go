package spotifytest

import (
	_ "embed"
	"io"
	"net/http"
	"strings"
)

//go:embed playbacksdk.js
var playbackSDK string

// playbackSDKRoute is what the stand-in below asks, as Spotify's script asks
// services that are no part of the Web API. It needs no more scopes.
var playbackSDKRoute = route{pattern: "GET /sdk/player", scopes: "streaming", serve: (*call).playbackSDKState}

// servePlaybackSDK stands in for https://sdk.scdn.co/spotify-player.js.
func (s *Server) servePlaybackSDK(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = io.WriteString(w, strings.Replace(playbackSDK, "API_ORIGIN", s.apiURL(), 1))
}

// playbackSDKState is the player and the device that the page is.
func (c *call) playbackSDKState() (any, *apiError) {
	return c.withPlayer(func(p *player) (any, *apiError) {
		if c.user.Product != "premium" {
			return nil, errPremium
		}
		here := p.devices[0]
		return struct {
			DeviceID string     `json:"device_id"`
			Here     bool       `json:"here"`
			Now      nowPlaying `json:"now"`
		}{here.id, p.active == here, c.nowPlaying(p)}, nil
	})
}
