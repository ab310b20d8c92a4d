package webapi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

func TestLookup(t *testing.T) {
	for _, tc := range []struct{ method, path, pattern string }{
		{"GET", "/v1/me", "/v1/me"},
		{"GET", "/v1/me/", "/v1/me"}, // spotipy's way
		{"HEAD", "/v1/me", "/v1/me"},
		{"GET", "/v1/me/player", "/v1/me/player"},
		{"PUT", "/v1/me/player", "/v1/me/player"},
		{"GET", "/v1/me/top/artists", "/v1/me/top/{type}"},
		{"PUT", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/images", "/v1/playlists/{playlist_id}/images"},
		{"GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/followers/contains", "/v1/playlists/{playlist_id}/followers/contains"},
		{"GET", "/v1/recommendations/available-genre-seeds", "/v1/recommendations/available-genre-seeds"},
		{"GET", "/v1/users/é ü/playlists", "/v1/users/{user_id}/playlists"},

		{"DELETE", "/v1/me", ""},
		{"get", "/v1/me", ""},
		{"", "/v1/me", ""},
		{"GET", "", ""},
		{"GET", "/", ""},
		{"GET", "/v1", ""},
		{"GET", "v1/me", ""},
		{"GET", "/v2/me", ""},
		{"GET", "/v1/me//", ""},
		{"GET", "/v1//me", ""},
		{"GET", "//v1/me", ""},
		{"GET", "/v1/albums//tracks", ""},
		{"GET", "/v1/albums/1/tracks/2", ""},
		{"GET", "/v1/nothing", ""},
		{"GET", "/v1/{id}", ""},
	} {
		op, ok := webapi.Lookup(tc.method, tc.path)
		if op.Pattern != tc.pattern || ok != (tc.pattern != "") {
			t.Errorf("Lookup(%q, %q) = %q, %v; want %q", tc.method, tc.path, op.Pattern, ok, tc.pattern)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		webapi.Lookup("GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/followers/contains")
		webapi.Lookup("GET", "/v1/no/such/thing")
	}); n != 0 {
		t.Errorf("Lookup allocates %v times", n)
	}
}

// Every row can be found, names only scopes that exist, and is replaced, if at
// all, by an operation that is current.
func TestTableIsSound(t *testing.T) {
	scopes := strings.Fields(`app-remote-control playlist-modify-private playlist-modify-public
		playlist-read-collaborative playlist-read-private streaming ugc-image-upload user-follow-modify
		user-follow-read user-library-modify user-library-read user-modify-playback-state
		user-read-currently-playing user-read-email user-read-playback-position user-read-playback-state
		user-read-private user-read-recently-played user-top-read`)
	seen := map[string]bool{}
	gone := map[time.Time]int{}
	for _, row := range webapi.Operations {
		name := row.Method + " " + row.Pattern
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		op, ok := webapi.Lookup(row.Method, strings.NewReplacer("{", "", "}", "").Replace(row.Pattern))
		if !ok || op.Pattern != row.Pattern || op.Method != row.Method {
			t.Errorf("%s is looked up as %s %s", name, op.Method, op.Pattern)
		}
		for _, scope := range slices.Concat(row.All, row.Any) {
			if !slices.Contains(scopes, scope) {
				t.Errorf("%s needs %q, which is no scope", name, scope)
			}
		}
		if row.Change != nil {
			gone[row.Change.Announced]++
		}
		if row.Instead == "" {
			continue
		}
		method, pattern, _ := strings.Cut(row.Instead, " ")
		if instead, ok := webapi.Lookup(method, pattern); !ok || instead.Change != nil || row.Change == nil {
			t.Errorf("%s is replaced by %s, which is not a current operation", name, row.Instead)
		}
	}
	november, february := time.Date(2024, 11, 27, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)
	if len(seen) != 96 || gone[november] != 8 || gone[february] != 40 {
		t.Errorf("%d operations, %d gone in November 2024, %d in 2026; want 96, 8, 40", len(seen), gone[november], gone[february])
	}
}

func TestChange(t *testing.T) {
	op, ok := webapi.Lookup("PUT", "/v1/me/tracks")
	if !ok || op.Change == nil {
		t.Fatal("PUT /v1/me/tracks is not known to be gone")
	}
	if got, want := op.Change.Deprecation(), "@1770336000"; got != want { // 6 February 2026
		t.Errorf("Deprecation = %q, want %q", got, want)
	}
	if got, want := op.Change.Link(), `<https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide>; rel="deprecation"; type="text/html"`; got != want {
		t.Errorf("Link = %q, want %q", got, want)
	}
	if op.Instead != "PUT /v1/me/library" {
		t.Errorf("Instead = %q", op.Instead)
	}
	if op, _ := webapi.Lookup("GET", "/v1/me/tracks"); op.Change != nil {
		t.Error("GET /v1/me/tracks is taken for gone")
	}
}

func TestMissing(t *testing.T) {
	for _, tc := range []struct{ method, path, granted, want string }{
		{"GET", "/v1/me/top/tracks", "", "user-top-read"},
		{"GET", "/v1/me/top/tracks", "user-top-read", ""},
		{"POST", "/v1/me/playlists", "", "playlist-modify-public playlist-modify-private"},
		{"POST", "/v1/me/playlists", "playlist-modify-public", "playlist-modify-private"},
		{"POST", "/v1/me/playlists", "playlist-modify-public playlist-modify-private", ""},
		{"PUT", "/v1/playlists/x/images", "playlist-modify-public", "ugc-image-upload"},
		{"PUT", "/v1/playlists/x/images", "ugc-image-upload", "playlist-modify-public playlist-modify-private"},
		{"PUT", "/v1/playlists/x/images", "", "ugc-image-upload playlist-modify-public playlist-modify-private"},
		{"PUT", "/v1/playlists/x/images", "ugc-image-upload playlist-modify-public", "playlist-modify-private"},
		{"PUT", "/v1/me/library", "user-library-modify", "user-follow-modify playlist-modify-public"},
		{"GET", "/v1/search", "", ""},
	} {
		op, ok := webapi.Lookup(tc.method, tc.path)
		if !ok {
			t.Fatalf("%s %s is not known", tc.method, tc.path)
		}
		granted := strings.Fields(tc.granted)
		got := op.Missing(func(s string) bool { return slices.Contains(granted, s) })
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s %s with %q: missing %q, want %q", tc.method, tc.path, tc.granted, got, tc.want)
		}
	}
	// The table itself is unharmed.
	if op, _ := webapi.Lookup("POST", "/v1/me/playlists"); len(op.Any) != 2 || op.Any[0] != "playlist-modify-public" {
		t.Errorf("the table now says %q", op.Any)
	}
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		webapi.Lookup("GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/items")
	}
}
