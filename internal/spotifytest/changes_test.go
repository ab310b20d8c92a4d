package spotifytest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// do makes a request that must have that status, and decodes what it answers.
func (a *app) do(want int, method, path, token, body string) map[string]any {
	a.t.Helper()
	resp, got := a.api(method, path, token, body, "Content-Type", "application/json")
	if resp.StatusCode != want {
		a.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, got)
	}
	var out map[string]any
	if got != "" {
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			a.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return out
}

// uris are the URIs of some tracks.
func (a *app) uris(token string, n int) []string {
	a.t.Helper()
	var list []string
	for _, item := range dig(a.get(fmt.Sprintf("/v1/me/top/tracks?limit=%d", n), token), "items").([]any) {
		list = append(list, dig(item, "uri").(string))
	}
	return list
}

func (a *app) playlistURIs(id, token string) []string {
	a.t.Helper()
	var list []string
	for _, item := range dig(a.get("/v1/playlists/"+id+"/items", token), "items").([]any) {
		list = append(list, dig(item, "item", "uri").(string))
	}
	return list
}

func quoted(v any) string {
	b, _ := json.Marshal(v) // strings only
	return string(b)
}

func TestPlaylistChanges(t *testing.T) {
	for items, mode := range map[string]spotifytest.Mode{"tracks": spotifytest.Extended, "items": spotifytest.Development} {
		a := newApp(t, spotifytest.Options{Mode: mode})
		token := a.login("mira", allScopes).AccessToken
		u := a.uris(token, 5)
		made := a.do(201, "POST", map[string]string{"tracks": "/v1/users/mira/playlists", "items": "/v1/me/playlists"}[items], token, `{"name":"Mixtape","description":"for J.","public":false}`)
		id := made["id"].(string)
		if made["public"] != false || dig(a.get("/v1/me/playlists?limit=1", token), "items", 0, "name") != "Mixtape" {
			t.Errorf("made %v", made)
		}
		path := "/v1/playlists/" + id + "/" + items
		first := a.do(201, "POST", path, token, `{"uris":`+quoted(u[:3])+`}`)["snapshot_id"]
		a.do(201, "POST", path+"?position=0&uris="+u[3], token, "")
		if got := a.playlistURIs(id, token); !slices.Equal(got, []string{u[3], u[0], u[1], u[2]}) {
			t.Errorf("after adding: %v", got)
		}
		second := a.do(200, "PUT", path, token, `{"range_start":0,"insert_before":4,"range_length":2}`)["snapshot_id"]
		if got := a.playlistURIs(id, token); !slices.Equal(got, []string{u[1], u[2], u[3], u[0]}) {
			t.Errorf("after moving: %v", got)
		}
		if first == second || first == nil {
			t.Errorf("snapshots %v and %v", first, second)
		}
		a.do(400, "PUT", path, token, `{"range_start":3,"insert_before":0,"range_length":2}`)
		a.do(200, "DELETE", path, token, `{"`+items+`":[{"uri":`+quoted(u[2])+`}]}`)
		a.do(200, "DELETE", path, token, `{"items":[{"uri":`+quoted(u[3])+`}]}`)
		if got := a.playlistURIs(id, token); !slices.Equal(got, []string{u[1], u[0]}) {
			t.Errorf("after removing: %v", got)
		}
		a.do(201, "PUT", path, token, `{"uris":`+quoted(u[4:])+`}`)
		if got := a.playlistURIs(id, token); !slices.Equal(got, u[4:]) {
			t.Errorf("after replacing: %v", got)
		}
		a.do(400, "POST", path, token, `{"uris":["spotify:track:none"]}`)
		a.do(400, "POST", path, token, `{"uris":`)
		a.do(200, "PUT", "/v1/playlists/"+id, token, `{"name":"Mixtape II"}`)
		if got := a.get("/v1/playlists/"+id, token); got["name"] != "Mixtape II" || got["description"] != "for J." {
			t.Errorf("renamed: %v %v", got["name"], got["description"])
		}

		other := newAppOn(t, a.s).login("jonas", allScopes).AccessToken
		a.do(404, "GET", "/v1/playlists/"+id, other, "")
		a.do(200, "PUT", "/v1/playlists/"+id, token, `{"public":true}`)
		a.do(403, "POST", path, other, `{"uris":`+quoted(u[:1])+`}`)
		keep := map[string]string{"tracks": "/v1/playlists/" + id + "/followers", "items": "/v1/me/library?uris=spotify:playlist:" + id}[items]
		a.do(200, "PUT", keep, other, `{"public":false}`)
		if got := dig(a.get("/v1/me/playlists?limit=1", other), "items", 0, "id"); got != id {
			t.Errorf("followed playlist is not there: %v", got)
		}
		a.do(200, "DELETE", keep, token, "")
		if got := dig(a.get("/v1/me/playlists?limit=1", token), "items", 0, "id"); got == id {
			t.Error("unfollowed playlist is still there")
		}
	}
}

func TestPlaylistPicture(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	id := a.do(201, "POST", "/v1/me/playlists", token, `{"name":"Mixtape"}`)["id"].(string)
	jpeg := "\xff\xd8\xff\xe0 a picture \xff\xd9"
	put := func(mediaType, body string) int {
		resp, _ := a.api("PUT", "/v1/playlists/"+id+"/images", token, body, "Content-Type", mediaType)
		return resp.StatusCode
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(jpeg))
	for _, tc := range []struct {
		mediaType, body string
		want            int
	}{
		{"application/json", encoded, http.StatusUnsupportedMediaType},
		{"image/jpeg", jpeg, http.StatusBadRequest},
		{"image/jpeg", base64.StdEncoding.EncodeToString([]byte("\x89PNG")), http.StatusBadRequest},
		{"image/jpeg", strings.Repeat("A", 256<<10+4), http.StatusRequestEntityTooLarge},
		{"image/jpeg", strings.Repeat("A", 3<<20), http.StatusRequestEntityTooLarge},
		{"image/jpeg", encoded, http.StatusAccepted},
	} {
		if got := put(tc.mediaType, tc.body); got != tc.want {
			t.Errorf("%s of %d bytes: %d, want %d", tc.mediaType, len(tc.body), got, tc.want)
		}
	}
	_, list := a.api("GET", "/v1/playlists/"+id+"/images", token, "")
	var images []struct {
		URL           string
		Height, Width *int
	}
	if err := json.Unmarshal([]byte(list), &images); err != nil || len(images) != 1 {
		t.Fatalf("images: %s, %v", list, err)
	}
	if resp, body := a.api("GET", images[0].URL, "", ""); resp.Header.Get("Content-Type") != "image/jpeg" || body != jpeg {
		t.Errorf("got %s %q", resp.Header.Get("Content-Type"), body)
	}
}

func TestLibraryChanges(t *testing.T) {
	a := newApp(t, spotifytest.Options{Mode: spotifytest.Extended})
	token := a.login("sam", allScopes).AccessToken
	found := a.get("/v1/search?q=the&type=track,album,artist&limit=1", token)
	for _, kind := range []string{"tracks", "albums"} {
		id := dig(found, kind, "items", 0, "id").(string)
		contains := func() string {
			_, body := a.api("GET", "/v1/me/"+kind+"/contains?ids="+id, token, "")
			return body
		}
		if contains() != "[false]" {
			t.Errorf("%s: there before", kind)
		}
		a.do(200, "PUT", "/v1/me/"+kind+"?ids="+id, token, "")
		if contains() != "[true]" {
			t.Errorf("%s: not saved", kind)
		}
		a.do(200, "PUT", "/v1/me/"+kind, token, `{"ids":[`+quoted(id)+`]}`)
		if got := a.get("/v1/me/"+kind, token); got["total"] != 1.0 {
			t.Errorf("%s: saved twice: %v", kind, got["total"])
		}
		a.do(200, "DELETE", "/v1/me/"+kind, token, `{"ids":[`+quoted(id)+`]}`)
		if contains() != "[false]" {
			t.Errorf("%s: not removed", kind)
		}
		a.do(400, "PUT", "/v1/me/"+kind+"?ids=short", token, "")
	}
	artist := dig(found, "artists", "items", 0, "id").(string)
	a.do(204, "PUT", "/v1/me/following?type=artist&ids="+artist, token, "")
	if _, body := a.api("GET", "/v1/me/following/contains?type=artist&ids="+artist, token, ""); body != "[true]" {
		t.Errorf("following: %s", body)
	}
	a.do(204, "DELETE", "/v1/me/following?type=artist", token, `{"ids":[`+quoted(artist)+`]}`)
	if got := a.get("/v1/me/following?type=artist", token); dig(got, "artists", "total") != 0.0 {
		t.Errorf("still following: %v", got)
	}
}

// still is a clock that stands.
func still() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func TestPlayer(t *testing.T) {
	a := newApp(t, spotifytest.Options{Now: still, TokenLife: 1000 * time.Hour})
	token := a.login("mira", allScopes).AccessToken
	u := a.uris(token, 4)
	const player = "/v1/me/player"
	state := func() map[string]any { return a.get(player, token) }
	a.do(204, "PUT", player+"/play", token, `{"uris":`+quoted(u[:3])+`,"offset":{"position":1},"position_ms":1000}`)
	if s := state(); dig(s, "item", "uri") != u[1] || s["progress_ms"] != 1000.0 || s["is_playing"] != true {
		t.Fatalf("playing %v at %v", dig(s, "item", "uri"), s["progress_ms"])
	}
	a.s.Advance(2 * time.Second)
	if got := state()["progress_ms"]; got != 3000.0 {
		t.Errorf("progress %v after two seconds", got)
	}
	a.do(403, "PUT", player+"/play", token, "")
	a.do(204, "PUT", player+"/pause", token, "")
	a.do(403, "PUT", player+"/pause", token, "")
	a.s.Advance(time.Hour)
	if s := state(); s["progress_ms"] != 3000.0 || s["is_playing"] != false {
		t.Errorf("plays while paused: %v", s["progress_ms"])
	}
	a.do(204, "PUT", player+"/play", token, "")
	a.do(204, "POST", player+"/queue?uri="+u[3], token, "")
	if got := dig(a.get(player+"/queue", token), "queue", 0, "uri"); got != u[3] {
		t.Errorf("next in the queue is %v", got)
	}
	a.do(204, "POST", player+"/next", token, "")
	if got := dig(state(), "item", "uri"); got != u[3] {
		t.Errorf("after next: %v, want what was queued", got)
	}
	length := dig(state(), "item", "duration_ms").(float64)
	a.do(204, "PUT", fmt.Sprintf("%s/seek?position_ms=%d", player, int(length)-500), token, "")
	a.s.Advance(time.Second)
	if s := state(); dig(s, "item", "uri") != u[2] || s["progress_ms"] != 500.0 {
		t.Errorf("after the end: %v at %v", dig(s, "item", "uri"), s["progress_ms"])
	}
	if got := dig(a.get(player+"/recently-played?limit=1", token), "items", 0, "track", "uri"); got != u[3] {
		t.Errorf("recently played %v", got)
	}
	a.do(204, "POST", player+"/previous", token, "")
	if got := dig(state(), "item", "uri"); got != u[1] {
		t.Errorf("after previous: %v", got)
	}
	a.do(204, "PUT", player+"/volume?volume_percent=17", token, "")
	a.do(204, "PUT", player+"/shuffle?state=true", token, "")
	a.do(204, "PUT", player+"/repeat?state=context", token, "")
	s := state()
	if dig(s, "device", "volume_percent") != 17.0 || s["shuffle_state"] != true || s["repeat_state"] != "context" {
		t.Errorf("device %v shuffle %v repeat %v", s["device"], s["shuffle_state"], s["repeat_state"])
	}
	a.s.Advance(30 * 24 * time.Hour)
	if state()["is_playing"] != true {
		t.Error("repeat does not repeat")
	}
	a.do(204, "PUT", player+"/repeat?state=off", token, "")
	a.do(204, "PUT", player+"/shuffle?state=false", token, "")
	a.s.Advance(24 * time.Hour)
	if state()["is_playing"] != false {
		t.Error("plays past the end")
	}
	phone := dig(a.get(player+"/devices", token), "devices", 1, "id").(string)
	a.do(204, "PUT", player, token, `{"device_ids":[`+quoted(phone)+`],"play":true}`)
	if s := state(); dig(s, "device", "id") != phone || s["is_playing"] != true {
		t.Errorf("transfer: %v", s["device"])
	}
	album := dig(a.get("/v1/search?q=the&type=album", token), "albums", "items", 1, "uri").(string)
	a.do(204, "PUT", player+"/play", token, `{"context_uri":`+quoted(album)+`}`)
	if got := dig(state(), "context", "uri"); got != album {
		t.Errorf("context %v", got)
	}
	a.do(404, "PUT", player+"/play", token, `{"context_uri":"spotify:album:none"}`)
	a.do(404, "PUT", player+"/pause?device_id=none", token, "")
	for _, bad := range []string{"/seek?position_ms=-1", "/volume?volume_percent=101", "/shuffle?state=yes", "/repeat?state=on"} {
		a.do(400, "PUT", player+bad, token, "")
	}

	free := newAppOn(t, a.s).login("aiko", allScopes).AccessToken
	if got := dig(a.do(403, "PUT", player+"/pause", free, ""), "error", "reason"); got != "PREMIUM_REQUIRED" {
		t.Errorf("free account: %v", got)
	}
	idle := newAppOn(t, a.s).login("sam", allScopes).AccessToken
	if got := dig(a.do(404, "PUT", player+"/pause", idle, ""), "error", "reason"); got != "NO_ACTIVE_DEVICE" {
		t.Errorf("no device: %v", got)
	}
}
