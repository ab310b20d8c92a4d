package spotifytest_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const allScopes = "ugc-image-upload user-read-playback-state user-modify-playback-state user-read-currently-playing streaming playlist-read-private playlist-modify-private playlist-modify-public user-follow-modify user-follow-read user-top-read user-read-recently-played user-library-modify user-library-read user-read-email user-read-private"

// get decodes a successful answer.
func (a *app) get(path, token string) map[string]any {
	a.t.Helper()
	resp, body := a.api("GET", path, token, "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		a.t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	return out
}

// dig follows keys and indices into a decoded value.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			list, _ := v.([]any)
			if key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}

func TestEveryObjectIsWhole(t *testing.T) {
	a := newApp(t, spotifytest.Options{Mode: spotifytest.Extended})
	token := a.login("mira", allScopes).AccessToken
	artist := dig(a.get("/v1/me/top/artists", token), "items", 0, "id").(string)
	album := dig(a.get("/v1/artists/"+artist+"/albums", token), "items", 0, "id").(string)
	track := dig(a.get("/v1/albums/"+album, token), "tracks", "items", 0, "id").(string)
	playlist := dig(a.get("/v1/me/playlists", token), "items", 0, "id").(string)
	for _, tc := range []struct {
		path string
		at   []any
		kind string // type of the object there; empty: only there
	}{
		{"/v1/me", nil, "user"},
		{"/v1/users/jonas", nil, "user"},
		{"/v1/users/jonas/playlists", []any{"items", 0}, "playlist"},
		{"/v1/me/top/artists?time_range=long_term", []any{"items", 0}, "artist"},
		{"/v1/me/top/tracks?time_range=short_term&limit=3", []any{"items", 2}, "track"},
		{"/v1/me/top/tracks", []any{"items", 0, "album"}, "album"},
		{"/v1/me/playlists", []any{"items", 19}, "playlist"},
		{"/v1/me/playlists", []any{"items", 0, "owner"}, "user"},
		{"/v1/playlists/" + playlist, nil, "playlist"},
		{"/v1/playlists/" + playlist, []any{"tracks", "items", 99, "track"}, "track"},
		{"/v1/playlists/" + playlist, []any{"items", "items", 99, "item"}, "track"},
		{"/v1/playlists/" + playlist + "/tracks", []any{"items", 0, "track", "album"}, "album"},
		{"/v1/playlists/" + playlist + "/tracks", []any{"items", 0, "added_by"}, "user"},
		{"/v1/playlists/" + playlist + "/items", []any{"items", 0, "item"}, "track"},
		{"/v1/artists/" + artist, nil, "artist"},
		{"/v1/artists?ids=" + artist, []any{"artists", 0}, "artist"},
		{"/v1/artists/" + artist + "/albums", []any{"items", 0}, "album"},
		{"/v1/artists/" + artist + "/top-tracks?market=SE", []any{"tracks", 0}, "track"},
		{"/v1/albums/" + album, nil, "album"},
		{"/v1/albums?ids=" + album, []any{"albums", 0}, "album"},
		{"/v1/albums/" + album + "/tracks", []any{"items", 0}, "track"},
		{"/v1/tracks/" + track, nil, "track"},
		{"/v1/tracks?ids=" + track + ",0000000000000000000000", []any{"tracks", 0}, "track"},
		{"/v1/search?q=a&type=track,artist,album,playlist", []any{"tracks", "items", 0}, "track"},
		{"/v1/search?q=a&type=track,artist,album,playlist", []any{"artists", "items", 0}, "artist"},
		{"/v1/search?q=a&type=track,artist,album,playlist", []any{"albums", "items", 0}, "album"},
		{"/v1/search?q=a&type=track,artist,album,playlist", []any{"playlists", "items", 0}, "playlist"},
		{"/v1/browse/new-releases", []any{"albums", "items", 0}, "album"},
		{"/v1/markets", []any{"markets", 0}, ""},
		{"/v1/me/player", []any{"item"}, "track"},
		{"/v1/me/player", []any{"device", "id"}, ""},
		{"/v1/me/player/currently-playing", []any{"item"}, "track"},
		{"/v1/me/player/devices", []any{"devices", 2}, ""},
		{"/v1/me/player/queue", []any{"queue", 0}, "track"},
		{"/v1/me/player/recently-played", []any{"items", 0, "track"}, "track"},
		{"/v1/me/tracks", []any{"items", 0, "track"}, "track"},
		{"/v1/me/albums", []any{"items", 0, "album"}, "album"},
		{"/v1/me/following?type=artist", []any{"artists", "items", 0}, "artist"},
	} {
		v := dig(a.get(tc.path, token), tc.at...)
		if v == nil {
			t.Errorf("%s: nothing at %v", tc.path, tc.at)
			continue
		}
		if tc.kind == "" {
			continue
		}
		if got := dig(v, "type"); got != tc.kind {
			t.Errorf("%s: type %v, want %s", tc.path, got, tc.kind)
		}
		id, _ := dig(v, "id").(string)
		if href, _ := dig(v, "href").(string); href != a.s.APIURL+"/v1/"+tc.kind+"s/"+id {
			t.Errorf("%s: href %q of id %q", tc.path, href, id)
		}
		if uri := dig(v, "uri"); uri != "spotify:"+tc.kind+":"+id {
			t.Errorf("%s: uri %v", tc.path, uri)
		}
		if open := dig(v, "external_urls", "spotify"); open != "https://open.spotify.com/"+tc.kind+"/"+id {
			t.Errorf("%s: external url %v", tc.path, open)
		}
	}
}

func TestPagingThroughNext(t *testing.T) {
	for _, tc := range []struct {
		path string
		mode spotifytest.Mode
		want int
	}{
		{"/tracks?limit=77", spotifytest.Extended, 540}, {"/tracks?offset=500", spotifytest.Extended, 40},
		{"/items?limit=77", spotifytest.Development, 540}, {"/items?offset=500", spotifytest.Development, 40},
	} {
		a := newApp(t, spotifytest.Options{Mode: tc.mode})
		token := a.login("mira", allScopes).AccessToken
		longest := dig(a.get("/v1/me/playlists?limit=1", token), "items", 0, "id").(string)
		seen := 0
		last := ""
		for next := a.s.APIURL + "/v1/playlists/" + longest + tc.path; next != ""; {
			if !strings.HasPrefix(next, a.s.APIURL+"/v1/") {
				t.Fatalf("next leads to %s", next)
			}
			page := a.get(next, token)
			seen += len(dig(page, "items").([]any))
			if last != "" && dig(page, "previous") == nil {
				t.Errorf("%s has no way back", next)
			}
			last, next = next, ""
			if s, ok := dig(page, "next").(string); ok {
				next = s
			}
		}
		if seen != tc.want {
			t.Errorf("%s: %d items, want %d", tc.path, seen, tc.want)
		}
	}
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	search := a.get("/v1/search?q=the&type=track&limit=5", token)
	second := a.get(dig(search, "tracks", "next").(string), token)
	if dig(second, "tracks", "items", 0, "id") == dig(search, "tracks", "items", 0, "id") || dig(second, "tracks", "offset") != 5.0 {
		t.Error("the second page of a search is not the second")
	}
	artists := 0
	for next := "/v1/me/following?type=artist&limit=10"; next != ""; {
		page := a.get(next, token)
		artists += len(dig(page, "artists", "items").([]any))
		next, _ = dig(page, "artists", "next").(string)
	}
	if artists != 27 {
		t.Errorf("%d artists followed", artists)
	}
	recent := a.get("/v1/me/player/recently-played?limit=10", token)
	if dig(a.get(dig(recent, "next").(string), token), "items", 0, "played_at") == dig(recent, "items", 0, "played_at") {
		t.Error("recently played does not go on")
	}
}

func TestValidatorsAndCompression(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	artist := dig(a.get("/v1/me/top/artists", token), "items", 0, "id").(string)
	for path, want := range map[string]string{
		"/v1/artists/" + artist + "/albums": "public, max-age=7200", "/v1/search?q=the&type=album": "private, max-age=120",
		"/v1/me/top/tracks": "private, max-age=0",
	} {
		plain, body := a.api("GET", path, token, "", "Accept-Encoding", "identity")
		if got := plain.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		tag := plain.Header.Get("ETag")
		zipped, packed := a.api("GET", path, token, "", "Accept-Encoding", "br, gzip")
		if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("ETag") == tag || tag == "" {
			t.Errorf("%s: zipped answer has %v", path, zipped.Header)
		}
		zr, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(zr); err != nil || string(unpacked) != body {
			t.Errorf("%s: what was zipped differs: %v", path, err)
		}
		if resp, rest := a.api("GET", path, token, "", "Accept-Encoding", "identity", "If-None-Match", `"x", W/`+tag); resp.StatusCode != http.StatusNotModified || rest != "" {
			t.Errorf("%s: If-None-Match gives %d", path, resp.StatusCode)
		}
		if resp, _ := a.api("GET", path, token, "", "Accept-Encoding", "identity", "If-None-Match", `"x"`); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: another validator gives %d", path, resp.StatusCode)
		}
		head, nothing := a.api("HEAD", path, token, "", "Accept-Encoding", "identity")
		if nothing != "" || head.ContentLength != int64(len(body)) || head.Header.Get("ETag") != tag {
			t.Errorf("%s: HEAD has length %d, want %d", path, head.ContentLength, len(body))
		}
	}
}

func TestAbsoluteLinksCanPointElsewhere(t *testing.T) {
	a := newApp(t, spotifytest.Options{APIURL: "https://api.spotify.com", ImageURL: "https://i.scdn.co/"})
	token := a.login("mira", allScopes).AccessToken
	page := a.get("/v1/me/top/tracks?limit=2&time_range=long_term", token)
	if next := dig(page, "next"); next != "https://api.spotify.com/v1/me/top/tracks?limit=2&offset=2&time_range=long_term" {
		t.Errorf("next is %v", next)
	}
	if img := dig(page, "items", 0, "album", "images", 0, "url").(string); !strings.HasPrefix(img, "https://i.scdn.co/image/") {
		t.Errorf("picture is %s", img)
	}
}

func TestPictures(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	for path, at := range map[string][]any{
		"/v1/me":                      {"images", 0, "url"},
		"/v1/me/playlists":            {"items", 3, "images", 0, "url"},
		"/v1/me/top/artists":          {"items", 0, "images", 2, "url"},
		"/v1/search?q=the&type=album": {"albums", "items", 4, "images", 0, "url"},
	} {
		url := dig(a.get(path, token), at...).(string)
		resp, body := a.api("GET", url, "", "")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(body, "<svg ") || !strings.HasSuffix(body, "</svg>") {
			t.Errorf("%s: %d %s %.40s", path, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
	for _, id := range []string{"x", "0640", "0640ffff", "9999" + strings.Repeat("a", 36)} {
		if resp, _ := a.api("GET", "/image/"+id, "", ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("image %s: %d", id, resp.StatusCode)
		}
	}
}

func TestNewcomerHasNothing(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("sam", allScopes).AccessToken
	for _, path := range []string{"/v1/me/playlists", "/v1/me/top/artists", "/v1/me/tracks", "/v1/me/albums", "/v1/me/player/recently-played"} {
		if items, ok := dig(a.get(path, token), "items").([]any); !ok || len(items) != 0 {
			t.Errorf("%s: items %v", path, items)
		}
	}
	if resp, body := a.api("GET", "/v1/me/player", token, ""); resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("player: %d %s", resp.StatusCode, body)
	}
}
