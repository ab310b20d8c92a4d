package spotifytest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const ownerPremium = "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."

var development = spotifytest.Options{Mode: spotifytest.Development}

// fields are the names of all fields of the objects of that type in v.
func fields(v any, kind string) []string {
	var names []string
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if v["type"] == kind {
				names = append(names, name)
			}
			names = append(names, fields(field, kind)...)
		}
	case []any:
		for _, item := range v {
			names = append(names, fields(item, kind)...)
		}
	}
	return names
}

func TestDevelopmentModeRemovesFields(t *testing.T) {
	removed := map[string][]string{
		"user":     {"country", "email", "explicit_content", "followers", "product"},
		"artist":   {"followers", "popularity"},
		"album":    {"available_markets", "popularity"},
		"track":    {"available_markets", "popularity"},
		"playlist": {"tracks"},
	}
	for mode, there := range map[spotifytest.Mode]bool{spotifytest.Development: false, spotifytest.Extended: true} {
		a := newApp(t, spotifytest.Options{Mode: mode})
		token := a.login("mira", allScopes).AccessToken
		found := make(map[string]map[string]bool)
		artist := dig(a.get("/v1/me/top/artists", token), "items", 0, "id").(string)
		album := dig(a.get("/v1/artists/"+artist+"/albums", token), "items", 0, "id").(string)
		playlist := dig(a.get("/v1/me/playlists", token), "items", 0, "id").(string)
		for _, path := range []string{
			"/v1/me", "/v1/me/playlists", "/v1/playlists/" + playlist, "/v1/playlists/" + playlist + "/items",
			"/v1/artists/" + artist, "/v1/albums/" + album, "/v1/albums/" + album + "/tracks", "/v1/me/top/tracks",
			"/v1/me/top/artists", "/v1/me/tracks", "/v1/me/albums", "/v1/me/following?type=artist", "/v1/me/player",
			"/v1/me/player/queue", "/v1/me/player/recently-played", "/v1/search?q=a&type=track,artist,album,playlist",
		} {
			v := a.get(path, token)
			for kind := range removed {
				if found[kind] == nil {
					found[kind] = make(map[string]bool)
				}
				for _, name := range fields(v, kind) {
					found[kind][name] = true
				}
			}
		}
		for kind, names := range removed {
			for _, name := range names {
				if found[kind][name] != there {
					t.Errorf("%s: %s.%s is there: %v", mode, kind, name, found[kind][name])
				}
			}
		}
		for kind, name := range map[string]string{"user": "account_id", "track": "external_ids", "album": "external_ids"} {
			if !found[kind][name] {
				t.Errorf("%s: %s.%s is gone", mode, kind, name)
			}
		}
	}
}

func TestDevelopmentModePlaylistItems(t *testing.T) {
	for name, beside := range map[string]bool{"item alone": false, "track beside item": true} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, spotifytest.Options{Mode: spotifytest.Development, TrackBesideItem: beside})
			token := a.login("mira", allScopes).AccessToken
			var own, others string
			for _, p := range dig(a.get("/v1/me/playlists", token), "items").([]any) {
				id := dig(p, "id").(string)
				if dig(p, "owner", "id") == "mira" {
					own = id
				} else {
					others = id
				}
			}
			for _, item := range []any{
				dig(a.get("/v1/playlists/"+own, token), "items", "items", 0),
				dig(a.get("/v1/playlists/"+own+"/items?limit=1", token), "items", 0),
			} {
				if dig(item, "item", "type") != "track" || (dig(item, "track") != nil) != beside {
					t.Errorf("item %v, track %v", dig(item, "item", "type"), dig(item, "track"))
				}
			}
			if full := a.get("/v1/playlists/"+others, token); full["name"] == nil || full["items"] != nil || full["tracks"] != nil {
				t.Error("a playlist of somebody else's has items")
			}
			if _, body := a.api("GET", "/v1/playlists/"+others+"/items", token, ""); body != forbidden {
				t.Errorf("items of a playlist of somebody else's: %s", body)
			}
		})
	}
}

func TestDevelopmentModeCollaborators(t *testing.T) {
	a := newApp(t, development)
	mira, jonas := a.login("mira", allScopes).AccessToken, newAppOn(t, a.s).login("jonas", allScopes).AccessToken
	id := a.do(201, "POST", "/v1/me/playlists", mira, `{"name":"Ours","public":true}`)["id"].(string)
	items := "/v1/playlists/" + id + "/items"
	a.do(201, "POST", items, mira, `{"uris":`+quoted(a.uris(mira, 1))+`}`)
	a.do(200, "PUT", "/v1/me/library?uris=spotify:playlist:"+id, jonas, "")
	a.do(403, "GET", items, jonas, "")
	a.do(200, "PUT", "/v1/playlists/"+id, mira, `{"collaborative":true}`)
	if got := a.do(200, "GET", items, jonas, "")["total"]; got != 1.0 {
		t.Errorf("a collaborator sees %v items", got)
	}
	a.do(400, "DELETE", items, mira, `{"tracks":[{"uri":`+quoted(a.uris(mira, 1)[0])+`}]}`)
	a.do(200, "DELETE", items, mira, `{"items":[{"uri":`+quoted(a.uris(mira, 1)[0])+`}]}`)
}

const forbidden = `{"error":{"status":403,"message":"Forbidden"}}`

func TestDevelopmentModeWithdrawnOperations(t *testing.T) {
	a := newApp(t, development)
	token := a.login("mira", "").AccessToken // whatever the scopes
	for _, operation := range []string{
		"GET /v1/users/mira", "GET /v1/users/mira/playlists", "POST /v1/users/mira/playlists",
		"GET /v1/artists?ids=x", "GET /v1/artists/x/top-tracks", "GET /v1/artists/x/related-artists",
		"GET /v1/albums?ids=x", "GET /v1/tracks?ids=x", "GET /v1/shows?ids=x", "GET /v1/episodes?ids=x",
		"GET /v1/audiobooks?ids=x", "GET /v1/chapters?ids=x", "GET /v1/markets", "GET /v1/browse/new-releases",
		"GET /v1/browse/categories", "GET /v1/browse/categories/x", "GET /v1/browse/categories/x/playlists",
		"GET /v1/browse/featured-playlists", "GET /v1/recommendations", "GET /v1/recommendations/available-genre-seeds",
		"GET /v1/audio-features", "GET /v1/audio-features/x", "GET /v1/audio-analysis/x",
		"PUT /v1/me/tracks?ids=x", "DELETE /v1/me/albums", "GET /v1/me/shows/contains", "PUT /v1/me/episodes",
		"DELETE /v1/me/audiobooks", "PUT /v1/me/following?type=artist", "GET /v1/me/following/contains?type=artist",
		"PUT /v1/playlists/x/followers", "DELETE /v1/playlists/x/followers", "GET /v1/playlists/x/followers/contains",
		"GET /v1/playlists/x/tracks", "POST /v1/playlists/x/tracks", "PUT /v1/playlists/x/tracks", "DELETE /v1/playlists/x/tracks",
	} {
		method, path, _ := strings.Cut(operation, " ")
		if resp, body := a.api(method, path, token, ""); resp.StatusCode != http.StatusForbidden || body != forbidden {
			t.Errorf("%s: %d %s", operation, resp.StatusCode, body)
		}
		if resp, _ := a.api(method, path, "wrong", ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a valid token: %d", operation, resp.StatusCode)
		}
	}
}

func TestDevelopmentModeSearch(t *testing.T) {
	a := newApp(t, development)
	token := a.login("mira", "").AccessToken
	const search = "/v1/search?q=the&type=track"
	if got := dig(a.get(search, token), "tracks", "limit"); got != 5.0 {
		t.Errorf("limit %v", got)
	}
	if got := len(dig(a.get(search+"&limit=10", token), "tracks", "items").([]any)); got != 10 {
		t.Errorf("%d results", got)
	}
	if resp, body := a.api("GET", search+"&limit=11", token, ""); resp.StatusCode != http.StatusBadRequest || body != `{"error":{"status":400,"message":"Invalid limit"}}` {
		t.Errorf("eleven: %d %s", resp.StatusCode, body)
	}
}

func TestLibraryOfURIs(t *testing.T) {
	for _, mode := range []spotifytest.Mode{spotifytest.Development, spotifytest.Extended} {
		a := newApp(t, spotifytest.Options{Mode: mode})
		token := a.login("sam", allScopes).AccessToken
		found := a.get("/v1/search?q=the&type=track,album,artist&limit=1", token)
		mira := newAppOn(t, a.s).login("mira", allScopes).AccessToken
		uris := []string{
			dig(found, "tracks", "items", 0, "uri").(string), dig(found, "albums", "items", 0, "uri").(string),
			dig(found, "artists", "items", 0, "uri").(string), dig(a.get("/v1/me/playlists", mira), "items", 0, "uri").(string),
			"spotify:show:5CfCWKI5pZ28U0uOzXkDHe", "spotify:episode:512ojhOuo1ktJprKbVcKyQ",
			"spotify:audiobook:7iHfbu1YPACw6oZPAFJtqe", "spotify:user:jonas",
		}
		all := "?uris=" + url.QueryEscape(strings.Join(uris, ","))
		contains := func() []bool {
			_, body := a.api("GET", "/v1/me/library/contains"+all, token, "")
			var out []bool
			if err := json.Unmarshal([]byte(body), &out); err != nil {
				t.Fatalf("contains: %s", body)
			}
			return out
		}
		no, yes := make([]bool, len(uris)), slices.Repeat([]bool{true}, len(uris))
		if got := contains(); !slices.Equal(got, no) {
			t.Errorf("before: %v", got)
		}
		a.do(200, "PUT", "/v1/me/library"+all, token, "")
		if got := contains(); !slices.Equal(got, yes) {
			t.Errorf("saved: %v", got)
		}
		for path, at := range map[string][]any{
			"/v1/me/tracks": {"items", 0, "track", "uri"}, "/v1/me/albums": {"items", 0, "album", "uri"},
			"/v1/me/following?type=artist": {"artists", "items", 0, "uri"}, "/v1/me/playlists": {"items", 0, "uri"},
		} {
			if got, _ := dig(a.get(path, token), at...).(string); !slices.Contains(uris, got) {
				t.Errorf("%s: %q", path, got)
			}
		}
		a.do(200, "DELETE", "/v1/me/library"+all, token, "")
		if got := contains(); !slices.Equal(got, no) {
			t.Errorf("removed: %v", got)
		}
		a.do(400, "PUT", "/v1/me/library", token, `{"uris":`+quoted(uris)+`}`)
		a.do(400, "DELETE", "/v1/me/library", token, `{"uris":`+quoted(uris)+`}`)
		a.do(400, "PUT", "/v1/me/library?uris=spotify:station:5CfCWKI5pZ28U0uOzXkDHe", token, "")
		a.do(400, "PUT", "/v1/me/library?uris=spotify:track:x", token, "")
		a.do(404, "PUT", "/v1/me/library?uris=spotify:track:0000000000000000000000", token, "")
		a.do(400, "PUT", "/v1/me/library?uris="+strings.Repeat(uris[0]+",", 40)+uris[1], token, "")
	}
}

func TestLibraryOfURIsNeedsScopes(t *testing.T) {
	a := newApp(t, development)
	for uri, scope := range map[string][2]string{
		"spotify:show:5CfCWKI5pZ28U0uOzXkDHe": {"user-library-modify", "user-library-read"},
		"spotify:user:jonas":                  {"user-follow-modify", "user-follow-read"},
	} {
		for i, method := range []string{"PUT", "GET"} {
			path := "/v1/me/library?uris=" + uri
			if method == "GET" {
				path = "/v1/me/library/contains?uris=" + uri
			}
			others := strings.ReplaceAll(allScopes, scope[i], "")
			if resp, _ := a.api(method, path, a.login("mira", others).AccessToken, ""); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s without %s: %d", method, uri, scope[i], resp.StatusCode)
			}
			if resp, _ := a.api(method, path, a.login("mira", scope[i]).AccessToken, ""); resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s with %s: %d", method, uri, scope[i], resp.StatusCode)
			}
		}
	}
}

func TestOwnerWithoutPremium(t *testing.T) {
	a := newApp(t, spotifytest.Options{Control: true})
	token := a.login("mira", "").AccessToken
	a.command(200, "POST", "/settings", `{"owner_premium":false}`)
	for _, path := range []string{"/v1/me", "/v1/me/player", "/v1/search?q=the&type=track", "/v1/no/such/path"} {
		resp, body := a.api("GET", path, token, "")
		if resp.StatusCode != http.StatusForbidden || body != ownerPremium || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, _ := a.api("GET", "/v1/me", "wrong", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a valid token: %d", resp.StatusCode)
	}
	a.s.SetOwnerPremium(true)
	a.get("/v1/me", token)
}
