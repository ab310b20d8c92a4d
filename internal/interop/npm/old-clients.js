// node old-clients.js <client> <URL that /v1/ is below> <token> <track> <album> <artist>
//
// Uses a published client as an app does that has not been touched since 2025, and
// prints what came of each call: "" or what is wrong.
import { createRequire } from "node:module";
import { SpotifyApi } from "@spotify/web-api-ts-sdk";

const [, , name, base, token, track, album, artist] = process.argv;
const require = createRequire(import.meta.url);
const uri = `spotify:track:${track}`;

// Each client's way to say the same. All return what the Web API did.
const clients = {
  "web-api-ts-sdk": () => {
    const api = SpotifyApi.withAccessToken("-", { access_token: token, token_type: "Bearer", expires_in: 1e9, refresh_token: "" }, {
      fetch: (url, init) => fetch(base + url.slice(url.lastIndexOf("/v1/")), init),
    });
    const me = api.currentUser;
    return {
      me: () => me.profile(),
      search: (limit) => api.search("radio", ["track", "playlist"], undefined, limit),
      playlists: () => me.playlists.playlists(50),
      playlistsOf: (user) => api.playlists.getUsersPlaylists(user, 50),
      create: (user, name) => api.playlists.createPlaylist(user, { name, public: false }),
      add: (id, uris) => api.playlists.addItemsToPlaylist(id, uris),
      playlist: (id) => api.playlists.getPlaylist(id),
      items: (id, limit) => api.playlists.getPlaylistItems(id, undefined, undefined, limit),
      next: (page) => api.makeRequest("GET", page.next),
      reorder: (id) => api.playlists.updatePlaylistItems(id, { range_start: 0, range_length: 1, insert_before: 2 }),
      remove: (id, uri) => api.playlists.removeItemsFromPlaylist(id, { tracks: [{ uri }] }),
      save: (ids) => me.tracks.saveTracks(ids),
      saved: (ids) => me.tracks.hasSavedTracks(ids),
      unsave: (ids) => me.tracks.removeSavedTracks(ids),
      saveAlbums: (ids) => me.albums.saveAlbums(ids),
      savedAlbums: (ids) => me.albums.hasSavedAlbums(ids),
      unsaveAlbums: (ids) => me.albums.removeSavedAlbums(ids),
      follow: (ids) => me.followArtistsOrUsers(ids, "artist"),
      follows: (ids) => me.followsArtistsOrUsers(ids, "artist"),
      unfollow: (ids) => me.unfollowArtistsOrUsers(ids, "artist"),
      followPlaylist: (id) => me.playlists.follow(id),
      unfollowPlaylist: (id) => me.playlists.unfollow(id),
      track: (id) => api.tracks.get(id),
      top: () => me.topItems("tracks"),
      playing: () => api.player.getPlaybackState(),
      tracks: (ids) => api.tracks.get(ids),
      user: (id) => api.users.profile(id),
    };
  },

  "spotify-web-api-js": () => {
    globalThis.window = globalThis; // as a browser has it
    globalThis.XMLHttpRequest = Request;
    const api = new (require("spotify-web-api-js"))();
    api.setAccessToken(token);
    return {
      me: () => api.getMe(),
      search: (limit) => api.search("radio", ["track", "playlist"], { limit }),
      playlists: () => api.getUserPlaylists({ limit: 50 }),
      playlistsOf: (user) => api.getUserPlaylists(user, { limit: 50 }),
      create: (user, name) => api.createPlaylist(user, { name, public: false }),
      add: (id, uris) => api.addTracksToPlaylist(id, uris),
      playlist: (id) => api.getPlaylist(id),
      items: (id, limit) => api.getPlaylistTracks(id, { limit }),
      next: (page) => api.getGeneric(page.next),
      reorder: (id) => api.reorderTracksInPlaylist(id, 0, 2),
      remove: (id, uri) => api.removeTracksFromPlaylist(id, [uri]),
      save: (ids) => api.addToMySavedTracks(ids),
      saved: (ids) => api.containsMySavedTracks(ids),
      unsave: (ids) => api.removeFromMySavedTracks(ids),
      saveAlbums: (ids) => api.addToMySavedAlbums(ids),
      savedAlbums: (ids) => api.containsMySavedAlbums(ids),
      unsaveAlbums: (ids) => api.removeFromMySavedAlbums(ids),
      follow: (ids) => api.followArtists(ids),
      follows: (ids) => api.isFollowingArtists(ids),
      unfollow: (ids) => api.unfollowArtists(ids),
      followPlaylist: (id) => api.followPlaylist(id),
      unfollowPlaylist: (id) => api.unfollowPlaylist(id),
      track: (id) => api.getTrack(id),
      top: () => api.getMyTopTracks(),
      playing: () => api.getMyCurrentPlaybackState(),
      tracks: (ids) => api.getTracks(ids),
      user: (id) => api.getUser(id),
    };
  },

  "spotify-web-api-node": () => {
    const at = new URL(base);
    const request = require("spotify-web-api-node/src/base-request");
    require("spotify-web-api-node/src/webapi-request").builder = (token) => {
      const builder = request.builder().withHost(at.hostname).withPort(at.port).withScheme(at.protocol.slice(0, -1)).withAuth(token);
      const withPath = builder.withPath;
      builder.withPath = (path) => withPath.call(builder, at.pathname.replace(/\/$/, "") + path);
      return builder;
    };
    const api = new (require("spotify-web-api-node"))({ accessToken: token });
    const body = async (response) => (await response).body;
    return {
      me: () => body(api.getMe()),
      search: (limit) => body(api.search("radio", ["track", "playlist"], { limit })),
      playlists: () => body(api.getUserPlaylists({ limit: 50 })),
      playlistsOf: (user) => body(api.getUserPlaylists(user, { limit: 50 })),
      create: (user, name) => body(api.createPlaylist(name, { public: false })),
      add: (id, uris) => body(api.addTracksToPlaylist(id, uris)),
      playlist: (id) => body(api.getPlaylist(id)),
      items: (id, limit) => body(api.getPlaylistTracks(id, { limit })),
      // It has no way to follow a link.
      next: (page) => body(api.getPlaylistTracks(page.href.match(/playlists\/([^/]+)/)[1], { limit: page.limit, offset: page.limit })),
      reorder: (id) => body(api.reorderTracksInPlaylist(id, 0, 2)),
      remove: (id, uri) => body(api.removeTracksFromPlaylist(id, [{ uri }])),
      save: (ids) => body(api.addToMySavedTracks(ids)),
      saved: (ids) => body(api.containsMySavedTracks(ids)),
      unsave: (ids) => body(api.removeFromMySavedTracks(ids)),
      saveAlbums: (ids) => body(api.addToMySavedAlbums(ids)),
      savedAlbums: (ids) => body(api.containsMySavedAlbums(ids)),
      unsaveAlbums: (ids) => body(api.removeFromMySavedAlbums(ids)),
      follow: (ids) => body(api.followArtists(ids)),
      follows: (ids) => body(api.isFollowingArtists(ids)),
      unfollow: (ids) => body(api.unfollowArtists(ids)),
      followPlaylist: (id) => body(api.followPlaylist(id, { public: true })),
      unfollowPlaylist: (id) => body(api.unfollowPlaylist(id)),
      track: (id) => body(api.getTrack(id)),
      top: () => body(api.getMyTopTracks()),
      playing: () => body(api.getMyCurrentPlaybackState()),
      tracks: (ids) => body(api.getTracks(ids)),
      user: (id) => body(api.getUser(id)),
    };
  },
};

// Request is as much of XMLHttpRequest as spotify-web-api-js uses.
class Request {
  headers = {};
  open(method, url) {
    this.init = { method };
    this.url = url.replace("https://api.spotify.com", base);
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  send(body) {
    fetch(this.url, { ...this.init, headers: this.headers, body: body || undefined }).then(async (response) => {
      this.status = response.status;
      this.responseText = await response.text();
      this.readyState = 4;
      this.onreadystatechange();
    });
  }
}

// Calls in order; later ones use what earlier ones made. Where that failed, they use what
// an app knows by other ways.
const must = (holds, what) => {
  if (!holds) throw new Error(what);
};
const api = clients[name]();
let user, longest, mine, page, other;
const calls = {
  "the user's profile": async () => must((user = (await api.me()).id) === "mira", "another user"),
  "the user's playlists": async () => {
    const { items } = await api.playlists();
    longest = items.reduce((a, b) => ((b.tracks?.total ?? b.items.total) > (a.tracks?.total ?? a.items.total) ? b : a)).id;
    must(items.every((list) => list.tracks.total >= 0), "no tracks");
  },
  "playlists by the user's id": async () => must((await api.playlistsOf(user)).items[0].tracks.total >= 0, "no tracks"),
  "a playlist": async () => must((await api.playlist(longest)).tracks.items[0].track.uri, "no track"),
  "its items": async () => {
    page = await api.items(longest, 50);
    other = page.items.find((item) => item.track.uri !== uri).track.uri;
    must(page.items.length === 50, "not all");
  },
  "their next page": async () => must((await api.next(page)).items[0].track.uri !== page.items[0].track.uri, "the same"),
  "create a playlist": async () => must((mine = await api.create(user, "Made by a stock client")).tracks, "no tracks"),
  "add to it": async () => {
    await api.add(mine.id, [uri, other]);
    must((await api.items(mine.id, 50)).items.length === 2, "not added");
  },
  "reorder it": async () => must((await api.reorder(mine.id)).snapshot_id, "no snapshot"),
  "remove from it": async () => {
    await api.remove(mine.id, uri);
    must((await api.items(mine.id, 50)).items.every((item) => item.track.uri === other), "not removed");
  },
  "follow it": async () => api.followPlaylist(mine.id),
  "unfollow it": async () => api.unfollowPlaylist(mine.id),
  "save a track": async () => api.save([track]),
  "is it saved": async () => must((await api.saved([track]))[0] === true, "not saved"),
  "remove it": async () => {
    await api.unsave([track]);
    must((await api.saved([track]))[0] === false, "not removed");
  },
  "save an album": async () => api.saveAlbums([album]),
  "is that saved": async () => must((await api.savedAlbums([album]))[0] === true, "not saved"),
  "remove that": async () => {
    await api.unsaveAlbums([album]);
    must((await api.savedAlbums([album]))[0] === false, "not removed");
  },
  "follow an artist": async () => api.follow([artist]),
  "is the artist followed": async () => must((await api.follows([artist]))[0] === true, "not followed"),
  "unfollow the artist": async () => {
    await api.unfollow([artist]);
    must((await api.follows([artist]))[0] === false, "still followed");
  },
  "search for 5": async () => must((await api.search(5)).tracks.items.length, "nothing"),
  "search for 50": async () => must((await api.search(50)).tracks.items.length, "nothing"),
  "a track": async () => must((await api.track(track)).id === track, "another track"),
  "the user's top tracks": async () => must((await api.top()).items.length, "none"),
  "what is playing": async () => must((await api.playing()).item, "nothing"),
  "several tracks at once": async () => must((await api.tracks([track])).length || (await api.tracks([track])).tracks, "none"),
  "another user's profile": async () => must((await api.user("jonas")).id === "jonas", "another user"),
};

const outcome = {};
for (const [what, call] of Object.entries(calls)) {
  outcome[what] = await call().then(
    () => "",
    (error) => String(error.body?.error?.message ?? error.responseText ?? error.message ?? error).slice(0, 200) || "failed",
  );
}
console.log(JSON.stringify(outcome));
