package webapi_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Q01: the unit of a limit is the operation, whoever and whatever it is about.
func TestBucket(t *testing.T) {
	long := strings.Repeat("x", 31) + "é"
	for _, tc := range []struct{ method, path, operation, family string }{
		{"GET", "/v1/me", "GET /me", "users"},
		{"GET", "/v1/me/", "GET /me", "users"},
		{"HEAD", "/v1/me/player", "GET /me/player", "player"},
		{"PUT", "/v1/me/player/play", "PUT /me/player/play", "player"},
		{"GET", "/v1/me/player/recently-played", "GET /me/player/recently-played", "player"},
		{"GET", "/v1/me/top/tracks", "GET /me/top/{type}", "users"},
		{"GET", "/v1/me/tracks", "GET /me/tracks", "library"},
		{"PUT", "/v1/me/library", "PUT /me/library", "library"},
		{"GET", "/v1/me/following", "GET /me/following", "library"},
		{"GET", "/v1/me/playlists", "GET /me/playlists", "playlists"},
		{"GET", "/v1/playlists/37i9dQZF1DX/items", "GET /playlists/{playlist_id}/items", "playlists"},
		{"PUT", "/v1/playlists/37i9dQZF1DX/images", "PUT /playlists/{playlist_id}/images", "playlists"},
		{"GET", "/v1/users/someone/playlists", "GET /users/{user_id}/playlists", "playlists"},
		{"GET", "/v1/users/someone", "GET /users/{user_id}", "users"},
		{"GET", "/v1/search", "GET /search", "search"},
		{"GET", "/v1/albums/1/tracks", "GET /albums/{id}/tracks", "catalogue"},
		{"GET", "/v1/browse/new-releases", "GET /browse/new-releases", "catalogue"},
		{"GET", "/v1/recommendations", "GET /recommendations", "catalogue"},

		{"GET", "/v1/foo", "GET /foo", "other"},
		{"GET", "/v1/foo/bar/baz", "GET /foo/bar", "other"},
		{"HEAD", "/v1/foo/bar/", "GET /foo/bar", "other"},
		{"GET", "/v1/me/player/louder", "GET /me/player/*", "player"},
		{"POST", "/v1/me/player/louder", "POST /me/player", "player"},
		{"DELETE", "/v1/search", "DELETE /search", "search"},
		{"GET", "/v1/", "GET /", "other"},
		{"GET", "/v1/" + long + "/" + long + "yz", "GET /" + long[:31] + "/" + long[:31], "other"},
	} {
		operation, family := webapi.Bucket(tc.method, tc.path)
		if operation != tc.operation || family != tc.family {
			t.Errorf("Bucket(%q, %q) = %q, %q; want %q, %q", tc.method, tc.path, operation, family, tc.operation, tc.family)
		}
		if !utf8.ValidString(operation) {
			t.Errorf("%q is cut within a character", operation)
		}
		_, known := webapi.Lookup(tc.method, tc.path)
		if got := webapi.IsOperation(operation); got != known {
			t.Errorf("IsOperation(%q) = %v, want %v", operation, got, known)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		webapi.Bucket("GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/followers/contains")
		webapi.Bucket("GET", "/v1/me/player")
	}); n != 0 {
		t.Errorf("Bucket allocates %v times", n)
	}
}

// Every operation has a name of its own and a family, and each family but that of
// unknown paths has operations.
func TestEveryOperationHasAFamily(t *testing.T) {
	operations := map[string]int{}
	seen := map[string]bool{}
	for _, op := range webapi.Operations {
		name, family := webapi.Bucket(op.Method, op.Pattern)
		if want := op.Method + strings.TrimPrefix(op.Pattern, "/v1"); strings.Replace(name, " ", "", 1) != want || seen[name] {
			t.Errorf("%s %s is named %q", op.Method, op.Pattern, name)
		}
		seen[name] = true
		operations[family]++
	}
	for _, family := range webapi.Families() {
		if (operations[family] == 0) != (family == webapi.FamilyOther) {
			t.Errorf("%d operations are of the family %s", operations[family], family)
		}
		delete(operations, family)
	}
	if len(operations) != 0 {
		t.Errorf("there are other families: %v", operations)
	}
}

func BenchmarkBucket(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		webapi.Bucket("GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/items")
	}
}
