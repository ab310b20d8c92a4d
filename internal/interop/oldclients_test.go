package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zmb3/spotify/v2"
	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// oldClient is a published client that was never updated.
type oldClient struct {
	name string
	use  func(t *testing.T, at oldClientSite) map[string]string
}

// oldClientSite is where a client finds the Web API, and what it knows of it.
type oldClientSite struct {
	base  string // URL that /v1/ is below
	token string // an access token, or an access key
	sample
}

// sample is a track, with its album and an artist.
type sample struct{ track, album, artist string }

// notOffered are calls that Spotify no longer offers to apps in development mode, in any
// form of one request.
var notOffered = []string{"several tracks at once", "another user's profile"}

var oldClients = []oldClient{
	{"web-api-ts-sdk 1.2.0", useOldPackage("web-api-ts-sdk")},
	{"spotify-web-api-js 1.5.2", useOldPackage("spotify-web-api-js")},
	{"spotify-web-api-node 5.0.2", useOldPackage("spotify-web-api-node")},
	{"zmb3/spotify 2.4.3", useOldZmb3},
}

// useOldPackage uses a package of npm.
func useOldPackage(name string) func(*testing.T, oldClientSite) map[string]string {
	return func(t *testing.T, at oldClientSite) map[string]string {
		t.Helper()
		node := exec.CommandContext(t.Context(), "node", "old-clients.js", name, at.base, at.token, at.track, at.album, at.artist)
		node.Dir = installNpm(t)
		node.Stderr = new(bytes.Buffer)
		report, err := node.Output()
		if err != nil {
			t.Fatalf("node: %v\n%s", err, node.Stderr)
		}
		var outcome map[string]string
		if err := json.Unmarshal(report, &outcome); err != nil {
			t.Fatalf("%v: %s", err, report)
		}
		return outcome
	}
}

// useOldZmb3 uses zmb3/spotify as old-clients.js uses others.
func useOldZmb3(t *testing.T, at oldClientSite) map[string]string {
	t.Helper()
	ctx := t.Context()
	c := spotify.New(oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: at.token})), spotify.WithBaseURL(at.base+"/v1/"))
	track, album, artist := spotify.ID(at.track), spotify.ID(at.album), spotify.ID(at.artist)
	var longest, mine spotify.ID
	page := new(spotify.PlaylistItemPage)
	outcome := make(map[string]string)
	call := func(what string, do func() (ok bool, err error)) {
		ok, err := do()
		switch {
		case err != nil:
			outcome[what] = err.Error()
		case !ok:
			outcome[what] = "not as expected"
		default:
			outcome[what] = ""
		}
	}
	done := func(err error) (bool, error) { return true, err }
	one := func(has []bool, err error) (bool, error) { return slices.Equal(has, []bool{true}), err }
	none := func(has []bool, err error) (bool, error) { return slices.Equal(has, []bool{false}), err }

	call("the user's profile", func() (bool, error) {
		me, err := c.CurrentUser(ctx)
		return err == nil && me.ID == "mira", err
	})
	call("the user's playlists", func() (bool, error) {
		lists, err := c.CurrentUsersPlaylists(ctx, spotify.Limit(50))
		if err != nil {
			return false, err
		}
		most := lists.Playlists[0].Tracks.Total
		longest = at.longest(t)
		for _, list := range lists.Playlists {
			most = max(most, list.Tracks.Total)
		}
		return most > 0, nil
	})
	call("playlists by the user's id", func() (bool, error) {
		lists, err := c.GetPlaylistsForUser(ctx, "mira", spotify.Limit(50))
		return err == nil && slices.ContainsFunc(lists.Playlists, func(p spotify.SimplePlaylist) bool { return p.Tracks.Total > 0 }), err
	})
	call("a playlist", func() (bool, error) {
		p, err := c.GetPlaylist(ctx, longest)
		return err == nil && len(p.Tracks.Tracks) > 0 && p.Tracks.Tracks[0].Track.URI != "", err
	})
	call("its items", func() (bool, error) {
		p, err := c.GetPlaylistItems(ctx, longest, spotify.Limit(50))
		if err != nil {
			return false, err
		}
		page = p
		return len(p.Items) == 50 && p.Items[0].Track.Track != nil, nil
	})
	call("their next page", func() (bool, error) {
		offset := page.Offset
		err := c.NextPage(ctx, page)
		return err == nil && page.Offset > offset && page.Items[0].Track.Track != nil, err
	})
	call("create a playlist", func() (bool, error) {
		p, err := c.CreatePlaylistForUser(ctx, "mira", "Made by a stock client", "", false, false)
		if err == nil {
			mine = p.ID
		}
		return err == nil && p.Tracks.Endpoint != "", err
	})
	call("add to it", func() (bool, error) {
		snapshot, err := c.AddTracksToPlaylist(ctx, mine, track, at.another(t))
		return snapshot != "", err
	})
	call("reorder it", func() (bool, error) {
		snapshot, err := c.ReorderPlaylistTracks(ctx, mine, spotify.PlaylistReorderOptions{RangeStart: 0, RangeLength: 1, InsertBefore: 2})
		return snapshot != "", err
	})
	call("remove from it", func() (bool, error) {
		if _, err := c.RemoveTracksFromPlaylist(ctx, mine, track); err != nil {
			return false, err
		}
		items, err := c.GetPlaylistItems(ctx, mine)
		return err == nil && len(items.Items) == 1, err
	})
	call("follow it", func() (bool, error) { return done(c.FollowPlaylist(ctx, mine, true)) })
	call("unfollow it", func() (bool, error) { return done(c.UnfollowPlaylist(ctx, mine)) })
	call("save a track", func() (bool, error) { return done(c.AddTracksToLibrary(ctx, track)) })
	call("is it saved", func() (bool, error) { return one(c.UserHasTracks(ctx, track)) })
	call("remove it", func() (bool, error) {
		if err := c.RemoveTracksFromLibrary(ctx, track); err != nil {
			return false, err
		}
		return none(c.UserHasTracks(ctx, track))
	})
	call("save an album", func() (bool, error) { return done(c.AddAlbumsToLibrary(ctx, album)) })
	call("is that saved", func() (bool, error) { return one(c.UserHasAlbums(ctx, album)) })
	call("remove that", func() (bool, error) {
		if err := c.RemoveAlbumsFromLibrary(ctx, album); err != nil {
			return false, err
		}
		return none(c.UserHasAlbums(ctx, album))
	})
	call("follow an artist", func() (bool, error) { return done(c.FollowArtist(ctx, artist)) })
	call("is the artist followed", func() (bool, error) { return one(c.CurrentUserFollows(ctx, "artist", artist)) })
	call("unfollow the artist", func() (bool, error) {
		if err := c.UnfollowArtist(ctx, artist); err != nil {
			return false, err
		}
		return none(c.CurrentUserFollows(ctx, "artist", artist))
	})
	for _, limit := range []int{5, 50} {
		call(fmt.Sprintf("search for %d", limit), func() (bool, error) {
			found, err := c.Search(ctx, "radio", spotify.SearchTypeTrack|spotify.SearchTypePlaylist, spotify.Limit(limit))
			return err == nil && len(found.Tracks.Tracks) > 0, err
		})
	}
	call("a track", func() (bool, error) {
		got, err := c.GetTrack(ctx, track)
		return err == nil && got.ID == track, err
	})
	call("the user's top tracks", func() (bool, error) {
		top, err := c.CurrentUsersTopTracks(ctx)
		return err == nil && len(top.Tracks) > 0, err
	})
	call("what is playing", func() (bool, error) {
		state, err := c.PlayerState(ctx)
		return err == nil && state.Item != nil, err
	})
	call("several tracks at once", func() (bool, error) {
		tracks, err := c.GetTracks(ctx, []spotify.ID{track})
		return len(tracks) == 1, err
	})
	call("another user's profile", func() (bool, error) {
		u, err := c.GetUsersPublicProfile(ctx, "jonas")
		return err == nil && u.ID == "jonas", err
	})
	return outcome
}

// get asks for JSON in a form that development mode has.
func (s oldClientSite) get(t *testing.T, path string, v any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	return answer.StatusCode
}

// longest is the user's playlist with the most items, as a user knows it who has seen it
// in Spotify's own app.
func (s oldClientSite) longest(t *testing.T) spotify.ID {
	t.Helper()
	var lists struct {
		Items []struct {
			ID    spotify.ID
			Items struct{ Total int }
		}
	}
	s.get(t, "/v1/me/playlists?limit=50", &lists)
	best, total := spotify.ID(""), -1
	for _, list := range lists.Items {
		if list.Items.Total > total {
			best, total = list.ID, list.Items.Total
		}
	}
	return best
}

// another is another track.
func (s oldClientSite) another(t *testing.T) spotify.ID {
	t.Helper()
	var top struct{ Items []struct{ ID spotify.ID } }
	s.get(t, "/v1/me/top/tracks?limit=2", &top)
	return top.Items[1].ID
}

// oldClientWays are ways to the Web API of an app in development mode.
var oldClientWays = []struct{ name, option string }{
	{"without the proxy", ""},
	{"translate off", "translate off"},
	{"translate on", "translate on"},
}

// startForOldClients runs a Spotify in development mode and a proxy, and returns where a
// client finds it.
func startForOldClients(t *testing.T, direct bool, option string) oldClientSite {
	t.Helper()
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{Mode: spotifytest.Development, RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, zmb3Options(sim)+"\naccess_keys\n"+option, "")
	at := oldClientSite{base: origin + "/spotify", token: createKey(t, origin, "mira")}
	if direct {
		at.base, at.token = sim.APIURL, ""
		for _, token := range slices.Backward(sim.TokensIssued()) {
			at.token = token
			if at.get(t, "/v1/me/top/tracks", new(any)) == http.StatusOK {
				break
			}
		}
	}
	var top struct {
		Items []struct {
			ID      string
			Album   struct{ ID string }
			Artists []struct{ ID string }
		}
	}
	if status := at.get(t, "/v1/me/top/tracks?limit=1", &top); status != http.StatusOK {
		t.Fatalf("top tracks: %d", status)
	}
	first := top.Items[0]
	at.sample = sample{first.ID, first.Album.ID, first.Artists[0].ID}
	return at
}

// TestOldClients uses published clients that were never updated with an app in development
// mode. All that Spotify still offers in one request works with translation, and the
// documentation says how much that is.
//
// T02, T04
func TestOldClients(t *testing.T) {
	docs, err := os.ReadFile("../../docs/javascript.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, client := range oldClients {
		fmt.Fprintf(&table, "| %s |", client.name)
		for i, way := range oldClientWays {
			t.Run(client.name+" "+way.name, func(t *testing.T) {
				outcome := client.use(t, startForOldClients(t, i == 0, way.option))
				works := 0
				for what, problem := range outcome {
					switch {
					case problem == "":
						works++
					case i == 2 && !slices.Contains(notOffered, what):
						t.Errorf("%s: %s", what, problem)
					}
				}
				if len(outcome) < 20 {
					t.Errorf("%d calls", len(outcome))
				}
				if i == 0 {
					fmt.Fprintf(&table, " %d |", len(outcome))
				}
				fmt.Fprintf(&table, " %d |", works)
				t.Logf("%d of %d calls work: %v", works, len(outcome), outcome)
			})
		}
		table.WriteString("\n")
	}
	if !strings.Contains(string(docs), table.String()) {
		t.Errorf("docs/javascript.md has not this table:\n%s", table.String())
	}
}
