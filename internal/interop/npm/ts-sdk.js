// What an app does with @spotify/web-api-ts-sdk, in Node and in a browser.
import { SpotifyApi } from "@spotify/web-api-ts-sdk";

// stock makes a client to which a fetcher is the one thing that the proxy asks for.
// Its token is none, or an access key.
export const stock = (fetcher, token = "the-token-of-a-stock-client") =>
  SpotifyApi.withAccessToken("-", { access_token: token, token_type: "Bearer", expires_in: 1e9, refresh_token: "" }, { fetch: fetcher });

export async function exercise(sdk, picture) {
  const me = await sdk.currentUser.profile();
  const found = await sdk.search("radio", ["artist", "track"], undefined, 5);

  const lists = await sdk.currentUser.playlists.playlists(50);
  const longest = lists.items.reduce((a, b) => (b.tracks.total > a.tracks.total ? b : a));
  let page = await sdk.playlists.getPlaylistItems(longest.id, undefined, undefined, 50);
  const uris = page.items.map((item) => item.track.uri);
  while (page.next) {
    page = await sdk.makeRequest("GET", page.next);
    uris.push(...page.items.map((item) => item.track.uri));
  }

  await sdk.player.pausePlayback();
  const paused = await sdk.player.getPlaybackState();
  await sdk.player.startResumePlayback(paused.device.id);
  await sdk.player.skipToNext(paused.device.id);
  await sdk.player.setPlaybackVolume(37, paused.device.id);
  const playing = await sdk.player.getPlaybackState();

  const made = await sdk.playlists.createPlaylist(me.id, { name: "Made with the TS SDK", public: false });
  await sdk.playlists.addItemsToPlaylist(made.id, uris.slice(0, 100));
  await sdk.playlists.addCustomPlaylistCoverImageFromBase64String(made.id, picture);
  const images = await sdk.playlists.getPlaylistCoverImage(made.id);

  return {
    user: me.id,
    found: found.artists.items.length + found.tracks.items.length,
    total: page.total,
    items: uris.length,
    different: new Set(uris).size,
    paused: !paused.is_playing,
    playing: playing.is_playing && playing.item.uri !== paused.item.uri,
    volume: playing.device.volume_percent,
    playlist: made.id,
    images: images.length,
  };
}
