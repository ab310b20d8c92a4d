// Command script lists somebody's top artists and playlists, with an access key
// in place of a token.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zmb3/spotify/v2"
	"golang.org/x/oauth2"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	key := os.Getenv("SPOTIFY_KEY")
	if key == "" {
		return errors.New("SPOTIFY_KEY is not set: create a key at http://127.0.0.1:8080/spotify/keys")
	}
	base := cmp.Or(os.Getenv("SPOTIFY_BASE"), "http://127.0.0.1:8080/spotify/v1/")

	// The key goes where a token would, and the base URL is the proxy's. All else is as ever.
	client := oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: key}))
	api := spotify.New(client, spotify.WithBaseURL(base))

	artists, err := api.CurrentUsersTopArtists(ctx, spotify.Limit(5))
	if err != nil {
		return fmt.Errorf("reading the top artists: %w", err)
	}
	fmt.Fprintln(out, "Top artists")
	for _, artist := range artists.Artists {
		fmt.Fprintln(out, "  "+artist.Name)
	}

	lists, err := api.CurrentUsersPlaylists(ctx)
	if err != nil {
		return fmt.Errorf("reading the playlists: %w", err)
	}
	fmt.Fprintf(out, "%d playlists\n", int(lists.Total))
	for {
		for _, list := range lists.Playlists {
			fmt.Fprintf(out, "  %s, by %s\n", list.Name, list.Owner.DisplayName)
		}
		// The link to the next page leads to the proxy, too.
		err := api.NextPage(ctx, lists)
		if errors.Is(err, spotify.ErrNoMorePages) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading more playlists: %w", err)
		}
	}
}
