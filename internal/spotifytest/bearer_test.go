package spotifytest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestBearer(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	good := a.login("mira", "").AccessToken
	for _, tc := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"none", nil, 401, `{"error":{"status":401,"message":"No token provided"}}`},
		{"unknown", []string{"Bearer nonsense"}, 401, `{"error":{"status":401,"message":"Invalid access token"}}`},
		{"Basic", []string{"Basic eDp5"}, 400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`},
		{"empty", []string{"Bearer "}, 400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`},
		{"two spaces", []string{"Bearer  " + good}, 400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`},
		{"two in one", []string{"Bearer " + good + ", Bearer " + good}, 400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`},
		{"two headers", []string{"Bearer " + good, "Bearer " + good}, 400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`},
	} {
		var header []string
		for _, value := range tc.header {
			header = append(header, "Authorization", value)
		}
		resp, body := a.api("GET", "/v1/me", "", "", header...)
		if resp.StatusCode != tc.status || body != tc.body {
			t.Errorf("%s: %d %s", tc.name, resp.StatusCode, body)
		}
		if tc.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: no challenge", tc.name)
		}
	}
	if resp, _ := a.api("GET", "/v1/me", good, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("good token: %d", resp.StatusCode)
	}
}

func TestScopesAreNeeded(t *testing.T) {
	a := newApp(t, spotifytest.Options{Mode: spotifytest.Extended}) // which has more of them
	token := a.login("mira", "user-read-private").AccessToken
	for _, target := range []string{
		"GET /v1/me/playlists", "GET /v1/me/top/artists", "GET /v1/me/top/tracks", "GET /v1/me/player", "PUT /v1/me/player/pause",
		"GET /v1/me/player/currently-playing", "GET /v1/me/player/recently-played", "GET /v1/me/tracks", "DELETE /v1/me/tracks?ids=x",
		"GET /v1/me/albums", "GET /v1/me/following?type=artist", "PUT /v1/me/following?type=artist", "PUT /v1/playlists/x/images",
	} {
		method, path, _ := strings.Cut(target, " ")
		resp, body := a.api(method, path, token, "")
		if resp.StatusCode != http.StatusForbidden || body != `{"error":{"status":403,"message":"Insufficient client scope"}}` {
			t.Errorf("%s: %d %s", target, resp.StatusCode, body)
		}
	}
	if resp, body := a.api("POST", "/v1/me/playlists", token, `{"name":"x"}`); resp.StatusCode != http.StatusForbidden {
		t.Errorf("creating a playlist: %d %s", resp.StatusCode, body)
	}
	_, bare := a.api("GET", "/v1/me", a.login("mira", "").AccessToken, "")
	if strings.Contains(bare, `"email"`) || strings.Contains(bare, `"product"`) || !strings.Contains(bare, `"account_id"`) {
		t.Errorf("profile without scopes: %s", bare)
	}
	_, full := a.api("GET", "/v1/me", a.login("mira", "user-read-email user-read-private").AccessToken, "")
	if !strings.Contains(full, `"email":"mira@example.com"`) || !strings.Contains(full, `"product":"premium"`) {
		t.Errorf("profile with scopes: %s", full)
	}
}

// As at Spotify, so that a proxy is seen to drop it.
func TestEveryAnswerIsOpenToAllOrigins(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", "").AccessToken
	for _, path := range []string{"/v1/me", "/v1/nothing", "/v1/me/tracks"} {
		if resp, _ := a.api("GET", path, token, ""); resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

func TestOutsiderIsRefusedInPlainText(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	resp, body := a.api("GET", "/v1/me", a.login("olga", "").AccessToken, "")
	if resp.StatusCode != http.StatusForbidden || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || !strings.HasPrefix(body, "User not registered") {
		t.Errorf("%d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", "").AccessToken
	for target, want := range map[string]int{
		"GET /v1/nothing": 404, "DELETE /v1/me": 405, "GET /v1/artists/short": 400,
		"GET /v1/artists/0000000000000000000000": 404, "GET /v1/search?q=a": 400, "GET /v1/search?q=a&type=track&limit=11": 400,
	} {
		method, path, _ := strings.Cut(target, " ")
		if resp, body := a.api(method, path, token, ""); resp.StatusCode != want || !strings.HasPrefix(body, `{"error":{"status":`) {
			t.Errorf("%s: %d %s", target, resp.StatusCode, body)
		}
	}
	if resp, _ := a.api("GET", "/v1/nothing", "", ""); resp.StatusCode != 401 {
		t.Errorf("without a token the paths are told apart: %d", resp.StatusCode)
	}
}
