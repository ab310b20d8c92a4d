package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"slices"

	"github.com/zmb3/spotify/v2"
)

// zmb3Call is one use of the client: it calls and checks what came of it.
type zmb3Call struct {
	name string
	do   func(context.Context) error
}

func isStatus(err error, status int) bool {
	var e spotify.Error
	return errors.As(err, &e) && e.Status == status
}

// zmb3Calls are in order: later ones use what earlier ones found or made.
func zmb3Calls(c *spotify.Client) []zmb3Call {
	var (
		artist, album, track spotify.ID
		mine                 spotify.ID // a playlist made here
	)
	calls := []zmb3Call{
		{"CurrentUser", func(ctx context.Context) error {
			me, err := c.CurrentUser(ctx)
			return check(err, func() bool { return me.ID == "mira" && me.Product == "premium" && me.Email != "" }, &me)
		}},
		{"GetUsersPublicProfile", func(ctx context.Context) error {
			u, err := c.GetUsersPublicProfile(ctx, "jonas")
			return check(err, func() bool { return u.DisplayName == "Jonas Ångström" }, &u)
		}},
		{"CurrentUsersTopArtists", func(ctx context.Context) error {
			p, err := c.CurrentUsersTopArtists(ctx, spotify.Limit(5), spotify.Timerange(spotify.LongTermRange))
			if err == nil && len(p.Artists) > 0 {
				artist = p.Artists[0].ID
			}
			return check(err, func() bool { return len(p.Artists) == 5 && len(p.Artists[0].Images) > 0 }, &p)
		}},
		{"CurrentUsersTopTracks", func(ctx context.Context) error {
			p, err := c.CurrentUsersTopTracks(ctx, spotify.Limit(3))
			if err == nil && len(p.Tracks) > 0 {
				track, album = p.Tracks[0].ID, p.Tracks[0].Album.ID
			}
			return check(err, func() bool { return len(p.Tracks) == 3 && p.Tracks[0].Duration > 0 }, &p)
		}},
		{"GetArtist", func(ctx context.Context) error {
			a, err := c.GetArtist(ctx, artist)
			return check(err, func() bool { return a.ID == artist && a.Name != "" }, &a)
		}},
		{"GetArtistAlbums", func(ctx context.Context) error {
			p, err := c.GetArtistAlbums(ctx, artist, []spotify.AlbumType{spotify.AlbumTypeAlbum}, spotify.Limit(2))
			return check(err, func() bool { return len(p.Albums) > 0 }, &p)
		}},
		{"GetAlbum", func(ctx context.Context) error {
			a, err := c.GetAlbum(ctx, album)
			return check(err, func() bool { return a.ID == album && len(a.Tracks.Tracks) > 0 }, &a)
		}},
		{"GetTrack", func(ctx context.Context) error {
			tr, err := c.GetTrack(ctx, track)
			return check(err, func() bool { return tr.ID == track && tr.Name != "" }, &tr)
		}},
		{"Search", func(ctx context.Context) error {
			r, err := c.Search(ctx, "radio", spotify.SearchTypeArtist|spotify.SearchTypeTrack, spotify.Limit(5))
			return check(err, func() bool { return r.Artists != nil && r.Tracks != nil && len(r.Tracks.Tracks) > 0 }, &r)
		}},
		{"CurrentUsersPlaylists", func(ctx context.Context) error {
			first, err := c.CurrentUsersPlaylists(ctx, spotify.Limit(6))
			if err != nil {
				return err
			}
			second, err := c.CurrentUsersPlaylists(ctx, spotify.Limit(6), spotify.Offset(6))
			return check(err, func() bool {
				return len(first.Playlists) == 6 && len(second.Playlists) == 6 && first.Playlists[0].ID != second.Playlists[0].ID
			}, &second)
		}},
		{"NextPage", func(ctx context.Context) error { return zmb3Paging(ctx, c) }},
		{"AddTracksToLibrary", func(ctx context.Context) error {
			if err := c.AddTracksToLibrary(ctx, track); err != nil {
				return err
			}
			has, err := c.UserHasTracks(ctx, track)
			return check(err, func() bool { return slices.Equal(has, []bool{true}) }, &has)
		}},
		{"RemoveTracksFromLibrary", func(ctx context.Context) error {
			if err := c.RemoveTracksFromLibrary(ctx, track); err != nil {
				return err
			}
			has, err := c.UserHasTracks(ctx, track)
			return check(err, func() bool { return slices.Equal(has, []bool{false}) }, &has)
		}},
		{"CurrentUsersTracks", func(ctx context.Context) error {
			p, err := c.CurrentUsersTracks(ctx, spotify.Limit(4))
			return check(err, func() bool { return len(p.Tracks) == 4 }, &p)
		}},
		{"FollowArtist", func(ctx context.Context) error {
			if err := c.FollowArtist(ctx, artist); err != nil {
				return err
			}
			follows, err := c.CurrentUserFollows(ctx, "artist", artist)
			return check(err, func() bool { return slices.Equal(follows, []bool{true}) }, &follows)
		}},
		{"CreatePlaylistForUser", func(ctx context.Context) error {
			p, err := c.CreatePlaylistForUser(ctx, "mira", "Made through a proxy", "by a test", false, false)
			if err == nil {
				mine = p.ID
			}
			return check(err, func() bool { return p.ID != "" && p.Name == "Made through a proxy" }, &p)
		}},
		{"AddTracksToPlaylist", func(ctx context.Context) error {
			if _, err := c.AddTracksToPlaylist(ctx, mine, track); err != nil {
				return err
			}
			items, err := c.GetPlaylistItems(ctx, mine)
			return check(err, func() bool { return len(items.Items) == 1 && items.Items[0].Track.Track.ID == track }, &items)
		}},
		// A DELETE with a body.
		{"RemoveTracksFromPlaylist", func(ctx context.Context) error {
			if _, err := c.RemoveTracksFromPlaylist(ctx, mine, track); err != nil {
				return err
			}
			items, err := c.GetPlaylistItems(ctx, mine)
			return check(err, func() bool { return len(items.Items) == 0 }, &items)
		}},
		{"SetPlaylistImage", func(ctx context.Context) error {
			picture := new(bytes.Buffer)
			if err := jpeg.Encode(picture, image.NewRGBA(image.Rect(0, 0, 64, 64)), nil); err != nil {
				return err
			}
			return c.SetPlaylistImage(ctx, mine, picture)
		}},
		{"PlayerDevices", func(ctx context.Context) error {
			d, err := c.PlayerDevices(ctx)
			return check(err, func() bool { return len(d) > 0 }, &d)
		}},
		{"Pause", func(ctx context.Context) error {
			if err := c.Pause(ctx); err != nil {
				return err
			}
			s, err := c.PlayerState(ctx)
			return check(err, func() bool { return !s.Playing && s.Item != nil }, &s)
		}},
		{"Play", func(ctx context.Context) error {
			if err := c.Play(ctx); err != nil {
				return err
			}
			s, err := c.PlayerCurrentlyPlaying(ctx)
			return check(err, func() bool { return s.Playing }, &s)
		}},
		{"Next", func(ctx context.Context) error {
			before, err := c.PlayerState(ctx)
			if err != nil {
				return err
			}
			if err := c.Next(ctx); err != nil {
				return err
			}
			after, err := c.PlayerState(ctx)
			return check(err, func() bool { return after.Item.ID != before.Item.ID }, &after)
		}},
		{"Volume", func(ctx context.Context) error {
			if err := c.Volume(ctx, 37); err != nil {
				return err
			}
			s, err := c.PlayerState(ctx)
			return check(err, func() bool { return s.Device.Volume == 37 }, &s)
		}},
		{"PlayerRecentlyPlayed", func(ctx context.Context) error {
			items, err := c.PlayerRecentlyPlayed(ctx)
			return check(err, func() bool { return len(items) > 0 }, &items)
		}},
		// An error of the Web API arrives as what it is.
		{"GetArtist of nobody", func(ctx context.Context) error {
			_, err := c.GetArtist(ctx, "0000000000000000000000")
			if !isStatus(err, 404) && !isStatus(err, 400) {
				return fmt.Errorf("%w, want the Web API's own error", err)
			}
			return nil
		}},
	}
	return calls
}

// check returns err, or an error that shows got unless ok holds.
func check(err error, ok func() bool, got any) error {
	if err != nil {
		return err
	}
	if !ok() {
		return fmt.Errorf("not as expected: %.600s", fmt.Sprintf("%+v", got))
	}
	return nil
}
