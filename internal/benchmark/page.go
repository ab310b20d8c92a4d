package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// page is about so many bytes of somebody's saved tracks, with the fields that
// Spotify documents for them and so as many links among other text as its own.
// IDs, names and numbers are random, the same in every run, so that it compresses
// to as little as Spotify's pages do, about an eighth.
//
// https://developer.spotify.com/documentation/web-api/reference/get-users-saved-tracks
func page(size int) []byte {
	const api = "https://api.spotify.com/v1"
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // nothing is secret
	id := func() string {
		const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		b := make([]byte, 22)
		for i := range b {
			b[i] = digits[rng.IntN(len(digits))]
		}
		return string(b)
	}
	words := strings.Fields(`Golden Quiet Electric Hollow Paper Velvet Distant Northern Broken Slow River Harbour Lantern Orchard
		Satellite Window Letter Summer Mirror Compass Garden Signal Thunder Avenue Horizon Photograph Ember Tide Island`)
	name := func() string { return words[rng.IntN(len(words))] + " " + words[rng.IntN(len(words))] }
	artist := func() string {
		id := id()
		return `{"external_urls":{"spotify":"https://open.spotify.com/artist/` + id + `"},"href":"` + api + `/artists/` + id + `",` +
			`"id":"` + id + `","name":"` + name() + `","type":"artist","uri":"spotify:artist:` + id + `"}`
	}
	image := func(cover, kind string, size int) string {
		return fmt.Sprintf(`{"url":"https://i.scdn.co/image/ab67616d%s%s","height":%d,"width":%[3]d}`, kind, cover, size)
	}
	date := func(from, to int) string {
		return fmt.Sprintf("%d-%02d-%02d", from+rng.IntN(to-from), 1+rng.IntN(12), 1+rng.IntN(28))
	}
	item := func() string {
		id, album, artist, cover := id(), id(), artist(), fmt.Sprintf("%016x%08x", rng.Uint64(), rng.Uint32())
		return fmt.Sprintf(`{"added_at":"%sT%02d:%02d:%02dZ","track":{"album":{"album_type":"album","total_tracks":%d,`,
			date(2015, 2026), rng.IntN(24), rng.IntN(60), rng.IntN(60), 1+rng.IntN(20)) +
			`"external_urls":{"spotify":"https://open.spotify.com/album/` + album + `"},"href":"` + api + `/albums/` + album + `",` +
			`"id":"` + album + `","images":[` + image(cover, "0000b273", 640) + "," + image(cover, "00001e02", 300) + "," + image(cover, "00004851", 64) +
			`],"name":"` + name() + `","release_date":"` + date(1980, 2026) + `","release_date_precision":"day","type":"album",` +
			`"uri":"spotify:album:` + album + `","artists":[` + artist + `]},"artists":[` + artist + `],` +
			fmt.Sprintf(`"disc_number":1,"duration_ms":%d,"explicit":false,"external_ids":{"isrc":"USUM7%07d"},`, 100_000+rng.IntN(200_000), rng.IntN(10_000_000)) +
			`"external_urls":{"spotify":"https://open.spotify.com/track/` + id + `"},` +
			`"href":"` + api + "/tracks/" + id + `","id":"` + id + `","is_playable":true,"name":"` + name() +
			fmt.Sprintf(`","popularity":%d,"preview_url":null,"track_number":%d,`, rng.IntN(100), 1+rng.IntN(15)) +
			`"type":"track","uri":"spotify:track:` + id + `","is_local":false}}`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"href":"%s/me/tracks?offset=0&limit=50","next":"%s/me/tracks?offset=50&limit=50","previous":null,"limit":50,"offset":0,"total":540,"items":[`, api, api)
	b.WriteString(item())
	for b.Len() < size-800 {
		b.WriteString("," + item())
	}
	b.WriteString("]}")
	return []byte(b.String())
}
