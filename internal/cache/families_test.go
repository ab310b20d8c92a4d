package cache

import (
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Q06: a write in a form that Spotify withdrew, which may be sent in the one that replaces
// it, drops what either of them may have changed.
func TestTranslatedWritesDropBothFamilies(t *testing.T) {
	for _, write := range []string{
		"PUT /v1/playlists/p/followers", "DELETE /v1/playlists/p/followers", "PUT /v1/me/following", "DELETE /v1/me/following",
		"PUT /v1/me/tracks", "DELETE /v1/me/tracks", "PUT /v1/me/albums", "DELETE /v1/me/albums", "PUT /v1/me/shows", "DELETE /v1/me/shows",
		"PUT /v1/me/episodes", "PUT /v1/me/audiobooks", "POST /v1/playlists/p/tracks", "PUT /v1/playlists/p/tracks",
		"DELETE /v1/playlists/p/tracks", "POST /v1/users/u/playlists",
	} {
		method, path, _ := strings.Cut(write, " ")
		old, ok := webapi.Lookup(method, path)
		if !ok || old.OldForm == nil {
			t.Errorf("%s has no new form", write)
			continue
		}
		_, said := old.Bucket()
		_, changed := old.OldForm.New.Bucket()
		for _, shown := range webapi.Families() {
			if touches(changed, shown) && !touches(said, shown) {
				t.Errorf("%s is a write to %s, and the form that is sent, to %s, changes %s", write, said, changed, shown)
			}
		}
	}
}
