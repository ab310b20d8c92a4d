package spotifytest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// artist, album and track are the music. They are the same in every run and
// never change, so they need no lock.
type artist struct {
	id, name   string
	genres     []string
	popularity int
	followers  int
	albums     []*album
	cover      string
}

type album struct {
	id, name, kind, date, label string
	artist                      *artist
	tracks                      []*track
	popularity                  int
	cover                       string
}

type track struct {
	id, name   string
	artists    []*artist
	album      *album
	number     int
	duration   int // ms
	explicit   bool
	popularity int
	isrc       string
}

// catalog is all the music, and the pictures that belong to it.
type catalog struct {
	artists  []*artist
	albums   []*album // newest first
	tracks   []*track // most popular first
	artistBy map[string]*artist
	albumBy  map[string]*album
	trackBy  map[string]*track
	covers   map[string]cover
}

var theCatalog = sync.OnceValue(newCatalog)

// seeded is a generator that depends on its name alone.
func seeded(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return rand.New(rand.NewPCG(h.Sum64(), 0x5107f7))
}

func newCatalog() *catalog {
	c := &catalog{
		artistBy: make(map[string]*artist),
		albumBy:  make(map[string]*album),
		trackBy:  make(map[string]*track),
		covers:   make(map[string]cover),
	}
	for _, entry := range artistNames {
		c.addArtist(entry.name, scenes[entry.scene])
	}
	// Guests come once all artists are there.
	rng := seeded("guests")
	for _, t := range c.tracks {
		if rng.IntN(9) == 0 {
			if guest := c.artists[rng.IntN(len(c.artists))]; guest != t.artists[0] {
				t.artists = append(t.artists, guest)
			}
		}
	}
	slices.SortStableFunc(c.albums, func(a, b *album) int { return strings.Compare(b.date, a.date) })
	slices.SortStableFunc(c.tracks, func(a, b *track) int { return b.popularity - a.popularity })
	return c
}

func (c *catalog) addArtist(name string, genres []string) {
	rng := seeded("artist/" + name)
	a := &artist{
		id: derivedID("artist/" + name), name: name, genres: genres,
		popularity: 25 + rng.IntN(65), followers: 900 + rng.IntN(2_400_000),
	}
	a.cover = c.addCover(cover{style: coverArtist, seed: "artist/" + name})
	used := map[string]bool{}
	year := 2012 + rng.IntN(6)
	for range 3 + rng.IntN(4) {
		c.addAlbum(a, rng, used, year)
		year += 1 + rng.IntN(3)
		if year > 2026 {
			break
		}
	}
	c.artists = append(c.artists, a)
	c.artistBy[a.id] = a
}

func (c *catalog) addAlbum(a *artist, rng *rand.Rand, used map[string]bool, year int) {
	title := func(forAlbum bool) string {
		for {
			if t := songTitle(rng, forAlbum); !used[t] {
				used[t] = true
				return t
			}
		}
	}
	al := &album{
		name: title(true), kind: "album", artist: a,
		date:  fmt.Sprintf("%04d-%02d-%02d", year, 1+rng.IntN(12), 1+rng.IntN(28)),
		label: labels[rng.IntN(len(labels))], popularity: min(99, a.popularity-10+rng.IntN(20)),
	}
	songs := 8 + rng.IntN(6)
	if rng.IntN(5) == 0 {
		al.kind, songs = "single", 1+rng.IntN(3)
	}
	seed := "album/" + a.name + "/" + al.name
	al.id = derivedID(seed)
	al.cover = c.addCover(cover{style: coverAlbum, seed: seed, title: al.name, subtitle: a.name})
	for n := range songs {
		t := &track{
			name: title(false), artists: []*artist{a}, album: al, number: n + 1,
			duration: 95_000 + rng.IntN(220_000), explicit: rng.IntN(12) == 0,
			popularity: max(1, al.popularity-15+rng.IntN(30)),
		}
		t.id = derivedID(fmt.Sprintf("track/%s/%s/%d", a.name, al.name, n))
		t.isrc = fmt.Sprintf("SIM%02d%07d", year%100, rng.IntN(10_000_000))
		al.tracks = append(al.tracks, t)
		c.tracks = append(c.tracks, t)
		c.trackBy[t.id] = t
	}
	a.albums = append([]*album{al}, a.albums...)
	c.albums = append(c.albums, al)
	c.albumBy[al.id] = al
}

func (c *catalog) addCover(cv cover) string {
	id := cv.id()
	c.covers[id] = cv
	return id
}

// trackURI returns the track of spotify:track:… or nil.
func (c *catalog) trackURI(uri string) *track {
	id, ok := strings.CutPrefix(uri, "spotify:track:")
	if !ok {
		return nil
	}
	return c.trackBy[id]
}

// topTracks are the artist's most popular.
func (a *artist) topTracks(n int) []*track {
	var all []*track
	for _, al := range a.albums {
		all = append(all, al.tracks...)
	}
	slices.SortStableFunc(all, func(x, y *track) int { return y.popularity - x.popularity })
	return all[:min(n, len(all))]
}
