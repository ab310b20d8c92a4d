package oldform_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/oldform"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// T03
func TestAdd(t *testing.T) {
	toTracks := oldform.Links{New: "/items", Old: "/tracks"}
	for _, tc := range []struct {
		name     string
		shape    webapi.BodyShape
		links    oldform.Links
		in, want string // want is "" for what stays as it is
	}{
		{"a playlist", webapi.PlaylistBody, oldform.Links{},
			`{ "name":"n", "items" : {"href":"https://api/v1/playlists/p/items?offset=0&limit=1","items":[{"added_at":"a","item":{"id":"t"}}],"next":"https:\/\/api\/v1\/playlists\/p\/items?offset=1"}, "uri":"u"}`,
			`{ "name":"n", "items" : {"href":"https://api/v1/playlists/p/items?offset=0&limit=1","items":[{"added_at":"a","item":{"id":"t"}}],"next":"https:\/\/api\/v1\/playlists\/p\/items?offset=1"},"tracks":{"href":"https://api/v1/playlists/p/tracks?offset=0&limit=1","items":[{"added_at":"a","item":{"id":"t"},"track":{"id":"t"}}],"next":"https://api/v1/playlists/p/tracks?offset=1"}, "uri":"u"}`},
		{"a playlist with tracks that are null, before items", webapi.PlaylistBody, oldform.Links{},
			`{"tracks":null,"items":{"total":3}}`, `{"tracks":{"total":3},"items":{"total":3}}`},
		{"a playlist with tracks", webapi.PlaylistBody, oldform.Links{},
			`{"items":{"total":3},"tracks":{"total":4}}`, ``},
		{"a playlist with tracks that have items without track", webapi.PlaylistBody, oldform.Links{},
			`{"tracks":{"items":[{"item":1}],"href":"https://api/v1/playlists/p/items"}}`,
			`{"tracks":{"items":[{"item":1,"track":1}],"href":"https://api/v1/playlists/p/items"}}`},
		{"somebody else's playlist", webapi.PlaylistBody, oldform.Links{}, `{"name":"items","owner":{"items":{}}}`, ``},
		{"playlists", webapi.PlaylistsBody, oldform.Links{New: "/me/playlists", Old: "/users/mira/playlists"},
			`{"href":"https://api/v1/me/playlists?limit=2","items":[{"items":{"href":"https://api/v1/playlists/p/items","total":1}},null,{"id":"q"}],"next":null,"previous":"https://api/v1/me/playlists?offset=0"}`,
			`{"href":"https://api/v1/users/mira/playlists?limit=2","items":[{"items":{"href":"https://api/v1/playlists/p/items","total":1},"tracks":{"href":"https://api/v1/playlists/p/tracks","total":1}},null,{"id":"q"}],"next":null,"previous":"https://api/v1/users/mira/playlists?offset=0"}`},
		{"items", webapi.PlaylistItemsBody, toTracks,
			"{\"href\":\"https://api/v1/playlists/p/items\",\"items\":[\n{\"item\":{\"name\":\"a \\\"}\",\"track\":true}},\n{\"item\":null},{\"track\":{\"id\":\"t\"},\"item\":{\"id\":\"t\"}},{\"track\":null,\"item\":{}}]}",
			"{\"href\":\"https://api/v1/playlists/p/tracks\",\"items\":[\n{\"item\":{\"name\":\"a \\\"}\",\"track\":true},\"track\":{\"name\":\"a \\\"}\",\"track\":true}},\n{\"item\":null,\"track\":null},{\"track\":{\"id\":\"t\"},\"item\":{\"id\":\"t\"}},{\"track\":{},\"item\":{}}]}"},
		{"a search", webapi.SearchBody, oldform.Links{},
			`{"tracks":{"items":[{"item":1}]},"playlists":{"items":[{"items":{"total":1}}]}}`,
			`{"tracks":{"items":[{"item":1}]},"playlists":{"items":[{"items":{"total":1},"tracks":{"total":1}}]}}`},
		{"a link elsewhere", webapi.PlaylistItemsBody, toTracks, `{"href":"https://api/v1/playlists/p/other","items":[],"name":"https://api/v1/playlists/p/items"}`, ``},
		{"nothing to look for", webapi.Opaque, toTracks, `{"items":[{"item":1}]}`, ``},
		{"cut off", webapi.PlaylistItemsBody, toTracks, `{"items":[{"item":1}`, ``},
		{"an array", webapi.PlaylistBody, toTracks, `[{"items":{}}]`, ``},
		{"a word", webapi.SearchBody, toTracks, ` null `, ``},
		{"a number", webapi.PlaylistsBody, toTracks, `1`, ``},
		{"empty", webapi.PlaylistsBody, toTracks, ``, ``},
		{"an empty object", webapi.PlaylistsBody, toTracks, `{ }`, ``},
	} {
		got, changed := oldform.Add([]byte(tc.in), tc.shape, tc.links)
		want := tc.want
		if want == "" {
			want = tc.in
		}
		if string(got) != want || changed != (tc.want != "") {
			t.Errorf("%s: %v\n%s, want\n%s", tc.name, changed, got, want)
		}
	}
}

// Whatever the text is, what comes of it is JSON with all that was in it.
//
// T03
func FuzzAdd(f *testing.F) {
	for _, seed := range []string{
		`{"items":{"items":[{"item":{"a":1}}],"href":"x/items"}}`, `{"items":[{"item":[]},{"item":1,"track":null}]}`,
		`{"playlists":{"items":[{"items":{"total":1},"tracks":null}]}}`, `{"items":[{"items":{"items":[{"item":"\\\""}]}}]}`,
		`{"tracks":{"items":[{"item":{}}]}}`, ` [ ] `, `{"a":"\u0022","items":{}}`, `{"items":{},"items":{}}`, `{"href":"\/items?a","items":[ 1 , 2.5e3 , true ]}`,
	} {
		for shape := range uint8(5) {
			f.Add([]byte(seed), shape)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, shape uint8) {
		got, changed := oldform.Add(text, webapi.BodyShape(shape%5), oldform.Links{New: "/items", Old: "/tracks"})
		if !json.Valid(text) || !changed {
			if string(got) != string(text) || changed {
				t.Fatalf("%q became %q", text, got)
			}
			return
		}
		var before, after any
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		if !contains(after, before) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// contains reports whether all of what was is in what is.
func contains(is, was any) bool {
	switch was := was.(type) {
	case map[string]any:
		m, ok := is.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range was {
			now, ok := m[name]
			if !ok || !contains(now, value) {
				return false
			}
		}
		return true
	case []any:
		a, ok := is.([]any)
		if !ok || len(a) != len(was) {
			return false
		}
		for i := range was {
			if !contains(a[i], was[i]) {
				return false
			}
		}
		return true
	case nil:
		return true // tracks and track that were null
	case string:
		link, ok := is.(string)
		return ok && (link == was || strings.Contains(link, "/tracks"))
	}
	return reflect.DeepEqual(is, was)
}
