package interop

import (
	"context"
	"errors"
	"fmt"

	"github.com/zmb3/spotify/v2"
)

// zmb3Paging goes through the visitor's longest playlist from page to page, as
// the pages themselves say.
func zmb3Paging(ctx context.Context, c *spotify.Client) error {
	lists, err := c.CurrentUsersPlaylists(ctx, spotify.Limit(50))
	if err != nil {
		return err
	}
	longest := lists.Playlists[0]
	for _, list := range lists.Playlists {
		if list.Tracks.Total > longest.Tracks.Total {
			longest = list
		}
	}
	page, err := c.GetPlaylistItems(ctx, longest.ID, spotify.Limit(50))
	if err != nil {
		return err
	}
	items := len(page.Items)
	for {
		err := c.NextPage(ctx, page)
		if errors.Is(err, spotify.ErrNoMorePages) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d items: %w", items, err)
		}
		items += len(page.Items)
	}
	if items < 500 || items != int(page.Total) {
		return fmt.Errorf("%d items of %d", items, page.Total)
	}
	return nil
}
