package webapi_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

func isMira(id string) bool { return id == "mira" }

// T02, T03, T04
func TestTranslate(t *testing.T) {
	fifty := strings.TrimSuffix(strings.Repeat("a,", 50), ",")
	forty := strings.TrimSuffix(strings.Repeat("a,", 40), ",")
	for _, tc := range []struct {
		request, body string
		want          string // operation and request; "" if there is none
		wantBody      string
	}{
		{"GET /v1/playlists/p1/tracks?offset=100&limit=50", "", "GET /playlists/{playlist_id}/items /v1/playlists/p1/items?offset=100&limit=50", ""},
		{"HEAD /v1/playlists/p1/tracks/", "", "GET /playlists/{playlist_id}/items /v1/playlists/p1/items", ""},
		{"GET /v1/playlists/p1/tracks?fields=total,items(added_at,track(name,album.name))", "", "GET /playlists/{playlist_id}/items /v1/playlists/p1/items?fields=total%2Citems%28added_at%2Citem%28name%2Calbum.name%29%29", ""},
		{"GET /v1/playlists/p1/tracks?fields=items.track.album(!track)", "", "GET /playlists/{playlist_id}/items /v1/playlists/p1/items?fields=items.item.album%28%21track%29", ""},
		{"POST /v1/playlists/p1/tracks?position=0", `{"uris":["spotify:track:a"]}`, "POST /playlists/{playlist_id}/items /v1/playlists/p1/items?position=0", `{"uris":["spotify:track:a"]}`},
		{"PUT /v1/playlists/p1/tracks", `{"range_start":1}`, "PUT /playlists/{playlist_id}/items /v1/playlists/p1/items", `{"range_start":1}`},
		{"DELETE /v1/playlists/p1/tracks", `{"tracks":[{"uri":"spotify:track:a"}],"snapshot_id":"s"}`, "DELETE /playlists/{playlist_id}/items /v1/playlists/p1/items", `{"items":[{"uri":"spotify:track:a"}],"snapshot_id":"s"}`},
		{"DELETE /v1/playlists/p1/tracks", `{"tracks":1,"items":2}`, "", ""},
		{"DELETE /v1/playlists/p1/tracks", `{"uris":[]}`, "", ""},
		{"DELETE /v1/playlists/p1/tracks", ``, "", ""},
		{"GET /v1/playlists/p;1/tracks", "", "", ""},

		{"PUT /v1/me/tracks?ids=a,b", "", "PUT /me/library /v1/me/library?uris=spotify%3Atrack%3Aa%2Cspotify%3Atrack%3Ab", ""},
		{"PUT /v1/me/tracks", `["a","b"]`, "PUT /me/library /v1/me/library?uris=spotify%3Atrack%3Aa%2Cspotify%3Atrack%3Ab", ""},
		{"DELETE /v1/me/tracks", `{"ids":["b","a"]}`, "DELETE /me/library /v1/me/library?uris=spotify%3Atrack%3Ab%2Cspotify%3Atrack%3Aa", ""},
		{"PUT /v1/me/tracks?ids=c", `{"ids":["ignored"]}`, "PUT /me/library /v1/me/library?uris=spotify%3Atrack%3Ac", ""},
		{"PUT /v1/me/tracks", `{"timestamped_ids":[{"id":"a","added_at":"2020-01-01T00:00:00Z"}]}`, "", ""},
		{"PUT /v1/me/tracks", `{"ids":["a"],"timestamped_ids":[]}`, "", ""},
		{"PUT /v1/me/tracks", `{"ids":["a,spotify:playlist:b"]}`, "", ""},
		{"PUT /v1/me/tracks", `{"ids":["a&uris=spotify:playlist:b"]}`, "", ""},
		{"PUT /v1/me/tracks?ids=a&ids=b", "", "", ""},
		{"PUT /v1/me/tracks?ids=", "", "", ""},
		{"PUT /v1/me/tracks", "", "", ""},
		{"PUT /v1/me/tracks?ids=spotify:track:a", "", "", ""},
		{"PUT /v1/me/tracks?ids=" + forty, "", "PUT /me/library /v1/me/library?uris=" + strings.TrimSuffix(strings.Repeat("spotify%3Atrack%3Aa%2C", 40), "%2C"), ""},
		{"PUT /v1/me/tracks?ids=" + fifty, "", "", ""},
		{"PUT /v1/me/albums?ids=a", "", "PUT /me/library /v1/me/library?uris=spotify%3Aalbum%3Aa", ""},
		{"DELETE /v1/me/shows?ids=a", "", "DELETE /me/library /v1/me/library?uris=spotify%3Ashow%3Aa", ""},
		{"PUT /v1/me/episodes?ids=a", "", "PUT /me/library /v1/me/library?uris=spotify%3Aepisode%3Aa", ""},
		{"PUT /v1/me/audiobooks?ids=a", "", "PUT /me/library /v1/me/library?uris=spotify%3Aaudiobook%3Aa", ""},
		{"GET /v1/me/episodes/contains?ids=a,b", "", "GET /me/library/contains /v1/me/library/contains?uris=spotify%3Aepisode%3Aa%2Cspotify%3Aepisode%3Ab", ""},
		{"PUT /v1/me/following?type=artist", `{"ids":["a"]}`, "PUT /me/library /v1/me/library?uris=spotify%3Aartist%3Aa", ""},
		{"DELETE /v1/me/following?type=user&ids=a.b_c,d%25e", "", "DELETE /me/library /v1/me/library?uris=spotify%3Auser%3Aa.b_c%2Cspotify%3Auser%3Ad%25e", ""},
		{"PUT /v1/me/following?type=artist&ids=a.b", "", "", ""},
		{"PUT /v1/me/following?type=user&ids=a:b", "", "", ""},
		{"PUT /v1/me/following?type=playlist&ids=a", "", "", ""},
		{"PUT /v1/me/following?ids=a", "", "", ""},
		{"GET /v1/me/following/contains?type=artist&ids=a", "", "GET /me/library/contains /v1/me/library/contains?uris=spotify%3Aartist%3Aa", ""},
		{"PUT /v1/playlists/p1/followers", "", "PUT /me/library /v1/me/library?uris=spotify%3Aplaylist%3Ap1", ""},
		{"PUT /v1/playlists/p1/followers", `{"public":true}`, "PUT /me/library /v1/me/library?uris=spotify%3Aplaylist%3Ap1", ""},
		{"PUT /v1/playlists/p1/followers", `{"public":false}`, "", ""},
		{"PUT /v1/playlists/p1/followers", `true`, "PUT /me/library /v1/me/library?uris=spotify%3Aplaylist%3Ap1", ""},
		{"PUT /v1/playlists/p1/followers", `false`, "", ""},
		{"PUT /v1/playlists/p1/followers", `public`, "", ""},
		{"DELETE /v1/playlists/p1/followers", "", "DELETE /me/library /v1/me/library?uris=spotify%3Aplaylist%3Ap1", ""},
		{"GET /v1/playlists/p1/followers/contains?ids=mira", "", "GET /me/library/contains /v1/me/library/contains?uris=spotify%3Aplaylist%3Ap1", ""},
		{"GET /v1/playlists/p1/followers/contains", "", "GET /me/library/contains /v1/me/library/contains?uris=spotify%3Aplaylist%3Ap1", ""},
		{"GET /v1/playlists/p1/followers/contains?ids=mira,noor", "", "", ""},
		{"GET /v1/playlists/p1/followers/contains?ids=noor", "", "", ""},

		{"GET /v1/users/mira/playlists?limit=5", "", "GET /me/playlists /v1/me/playlists?limit=5", ""},
		{"GET /v1/users/noor/playlists", "", "", ""},
		{"POST /v1/users/mira/playlists", `{"name":"n"}`, "POST /me/playlists /v1/me/playlists", `{"name":"n"}`},
		{"POST /v1/users/noor/playlists", `{"name":"n"}`, "", ""},

		{"GET /v1/search?q=a&type=track&limit=50&offset=50", "", "GET /search /v1/search?q=a&type=track&limit=10&offset=50", ""},
		{"GET /v1/search?limit=11", "", "GET /search /v1/search?limit=10", ""},
		{"GET /v1/search?q=limit=50&limit=10", "", "", ""},
		{"GET /v1/search?limit=51", "", "", ""}, // refused in the old form as well
		{"GET /v1/search?limit=50&limit=20", "", "", ""},
		{"GET /v1/search?limit=many", "", "", ""},
		{"GET /v1/search", "", "", ""},

		{"GET /v1/playlists/p1?fields=name,tracks.items(track(name))", "", "GET /playlists/{playlist_id} /v1/playlists/p1?fields=name%2Citems.items%28item%28name%29%29", ""},
	} {
		method, target, _ := strings.Cut(tc.request, " ")
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		op, known := webapi.Lookup(method, u.Path)
		if !known || op.OldForm == nil {
			t.Errorf("%s has no old form", tc.request)
			continue
		}
		got, ok := op.OldForm.Translate(webapi.Request{Path: u.Path, Query: u.RawQuery, Body: []byte(tc.body)}, isMira)
		if ok != (tc.want != "") {
			t.Errorf("%s %s: translated is %v: %+v", tc.request, tc.body, ok, got)
		}
		if !ok || tc.want == "" {
			continue
		}
		sent := op.OldForm.Name + " " + got.Path
		if got.Query != "" {
			sent += "?" + got.Query
		}
		if sent != tc.want || string(got.Body) != tc.wantBody {
			t.Errorf("%s %s:\n%s %s, want\n%s %s", tc.request, tc.body, sent, got.Body, tc.want, tc.wantBody)
		}
	}
}

// Every operation that is gone has a form to translate it to, unless it is one on
// several ids or Spotify offers nothing instead.
//
// T02, T04
func TestOldForms(t *testing.T) {
	for i, f := range webapi.OldForms {
		op, known := webapi.Lookup(f.New.Method, f.New.Pattern)
		if f.Index != i || !known || op != f.New || f.New.Change != nil {
			t.Errorf("%d: %+v leads to an operation that is not current", i, f)
		}
	}
	fanOut := []string{"/v1/albums", "/v1/artists", "/v1/audiobooks", "/v1/chapters", "/v1/episodes", "/v1/shows", "/v1/tracks"}
	for _, path := range fanOut {
		if op, _ := webapi.Lookup("GET", path); op.Instead == "" || op.OldForm != nil {
			t.Errorf("GET %s: instead %q, old form %v", path, op.Instead, op.OldForm)
		}
	}
	translated := 0
	for _, op := range webapi.Operations {
		if op.Instead != "" && op.OldForm != nil {
			translated++
		}
	}
	if want := len(webapi.OldForms) - 4; translated != want {
		t.Errorf("%d withdrawn operations have an old form, want %d", translated, want)
	}
	if n := len(webapi.OldForms); n != 31 {
		t.Errorf("%d old forms", n)
	}
}

// What has no old form costs nothing, nor does what may have one and has not.
func TestAppliesAllocatesNothing(t *testing.T) {
	search, _ := webapi.Lookup("GET", "/v1/search")
	playlist, _ := webapi.Lookup("GET", "/v1/playlists/p1")
	if n := testing.AllocsPerRun(100, func() {
		if search.OldForm.Applies("q=a&limit=10&type=track") || playlist.OldForm.NamesTracks("market=SE") {
			t.Error("a request in the new form is taken for one in the old")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the ids are, what is sent names no more things than the request did, and
// things of that type only.
//
// T03, T04
func FuzzTranslateLibrary(f *testing.F) {
	for _, ids := range []string{"a", "a,b", "", ",", "a,", "a%2Cb", "a:b", "a&uris=x", "spotify:track:a", "a b", "é", "a\x00", "a;b", "%", "a%26b"} {
		f.Add("me/tracks", ids, "")
		f.Add("me/following", ids, `["`+ids+`"]`)
		f.Add("me/albums", "", `{"ids":["`+ids+`"]}`)
	}
	f.Add("me/shows/contains", "a,b", `{`)
	f.Add("playlists/p1/followers", "", `{"public":null}`)
	f.Fuzz(func(t *testing.T, path, ids, body string) {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			op, known := webapi.Lookup(method, "/v1/"+path)
			if !known || op.OldForm == nil || op.OldForm.Status == 0 && !strings.HasSuffix(op.OldForm.Name, "/contains") {
				continue
			}
			values := url.Values{"type": {"user"}}
			if ids != "" {
				values.Set("ids", ids)
			}
			got, ok := op.OldForm.Translate(webapi.Request{Path: "/v1/" + path, Query: values.Encode(), Body: []byte(body)}, isMira)
			if !ok {
				continue
			}
			if got.Path != "/v1/me/library" && got.Path != "/v1/me/library/contains" || got.Body != nil {
				t.Fatalf("%s %s: %+v", method, path, got)
			}
			query, err := url.ParseQuery(got.Query)
			if err != nil || len(query) != 1 || len(query["uris"]) != 1 {
				t.Fatalf("%q: %v", got.Query, err)
			}
			uris := strings.Split(query.Get("uris"), ",")
			if len(uris) > webapi.MaxURIs {
				t.Fatalf("%d URIs", len(uris))
			}
			asked := max(strings.Count(ids, ",")+1, strings.Count(body, ",")+1)
			if len(uris) > asked {
				t.Fatalf("%d URIs of %q and %q", len(uris), ids, body)
			}
			for _, uri := range uris {
				parts := strings.Split(uri, ":")
				if len(parts) != 3 || parts[0] != "spotify" || parts[2] == "" {
					t.Fatalf("%q is no URI", uri)
				}
			}
		}
	})
}
