package spotifytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// editorID owns the playlists that belong to no listener.
const editorID = "nightdesk"

// library is everything that users can change: playlists, what they saved and
// follow, and their players. One lock guards it all.
type library struct {
	now func() time.Time

	mu        sync.Mutex
	created   int
	playlists map[string]*playlist
	shelves   map[string]*shelf
	covers    map[string]cover
	pictures  map[string][]byte // uploaded covers
}

// shelf is one user's part of the library.
type shelf struct {
	playlists  []*playlist // owned and followed, in the user's order
	tracks     []savedTrack
	albums     []savedAlbum
	artists    []*artist // followed
	others     []string  // URIs of saved shows, episodes and audiobooks, and of users followed
	topArtists []*artist
	topTracks  []*track
	player     *player
}

type savedTrack struct {
	at    time.Time
	track *track
}

type savedAlbum struct {
	at    time.Time
	album *album
}

type playlist struct {
	id, name, description, owner string
	public, collaborative        bool
	items                        []playlistItem
	version                      int
	cover                        string // of covers
	picture                      string // of pictures; wins
}

type playlistItem struct {
	at    time.Time
	by    string
	track *track
}

// snapshot changes with every change of the playlist.
func (p *playlist) snapshot() string {
	sum := sha256.Sum256([]byte(p.id))
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d,%s", p.version, hex.EncodeToString(sum[:16])))
}

var playlistNames = []struct{ name, description string }{
	{"Everything, All at Once", "Every song that ever stuck."},
	{"Slow Sunday", "Coffee, newspaper, nothing planned."},
	{"Kitchen Disco", "For stirring with feeling."},
	{"Light Rain, Deep Focus", "No words, no hurry."},
	{"Night Trains", "Window seat recommended."},
	{"New in Town", "First weeks somewhere else."},
	{"Long Run", "Ninety minutes, gently uphill."},
	{"Blue Hour", ""},
	{"Songs My Sister Sent", "She is usually right."},
	{"Roof Terrace", "From seven till the neighbours complain."},
	{"Winter Swim", "Cold in, warm out."},
	{"Afrobeat Starter Kit", "Where to begin, and where to go on."},
	{"Synths & City Lights", ""},
	{"Sunday Roast & Bossa", ""},
	{"Piano, Mostly", "And the odd cello."},
	{"Guilty of Nothing", "All pleasure."},
	{"Ferry to the Islands", "Two hours and ten minutes."},
	{"Shoegaze for Beginners", "Look down."},
	{"Late Shift", "Quiet ward, long corridor."},
	{"The Good Speakers", "Only for the big room."},
	{"Road 66 and a Half", ""},
	{"Vinyl, Actually", "The ones I own twice."},
	{"Garden, with Bees", ""},
	{"Rainy Tokyo", "Neon and puddles."},
	{"Wedding, Second Half", "After the speeches."},
	{"Study Hall", "Forty minutes on, five off."},
	{"Folk Round the Fire", ""},
	{"Basslines", "Feel it in the stairs."},
	{"2026, so Far", "Kept up to date. Mostly."},
	{"Sleep, Eventually", ""},
	{"Bike Lane", "Tailwind not included."},
	{"Lost & Found", "I don't know who added these."},
	{"Goosebumps", "You'll know when."},
	{"One More", "Before we go."},
}

func newLibrary(users []*User, longest int, now func() time.Time) *library {
	l := &library{
		now:       now,
		playlists: make(map[string]*playlist),
		shelves:   make(map[string]*shelf),
		covers:    make(map[string]cover),
		pictures:  make(map[string][]byte),
	}
	start := now()
	for _, u := range users {
		sh := &shelf{player: newPlayer(start)}
		l.shelves[u.ID] = sh
		if !u.Newcomer {
			l.furnish(u, sh, longest, start)
		}
	}
	return l
}

// furnish gives a user a past.
func (l *library) furnish(u *User, sh *shelf, longest int, start time.Time) {
	rng := seeded("user/" + u.ID)
	c := theCatalog()
	favourites := slices.Clone(c.tracks)
	rng.Shuffle(len(favourites), func(i, j int) { favourites[i], favourites[j] = favourites[j], favourites[i] })
	for i, entry := range playlistNames {
		p := &playlist{
			id: derivedID("playlist/" + u.ID + "/" + entry.name), name: entry.name, description: entry.description,
			owner: u.ID, public: i%3 != 1, collaborative: i == 8,
		}
		if i%7 == 3 {
			p.owner = editorID
			p.public = true
		}
		p.cover = l.addCover(cover{style: coverPlaylist, seed: "playlist/" + entry.name, title: entry.name})
		n := 18 + rng.IntN(70)
		if i == 0 {
			n = longest
		}
		for k := range n {
			p.items = append(p.items, playlistItem{
				at: start.AddDate(0, 0, k-n-3).Truncate(time.Second), by: p.owner, track: favourites[(i*53+k)%len(favourites)],
			})
		}
		p.version = n + 1
		l.playlists[p.id] = p
		sh.playlists = append(sh.playlists, p)
	}
	for k := range 173 {
		sh.tracks = append(sh.tracks, savedTrack{start.Add(-time.Duration(k*7+1) * time.Hour).Truncate(time.Second), favourites[(k*11)%len(favourites)]})
	}
	for k, i := range rng.Perm(len(c.albums))[:41] {
		sh.albums = append(sh.albums, savedAlbum{start.AddDate(0, 0, -3*k-1).Truncate(time.Second), c.albums[i]})
	}
	for _, i := range rng.Perm(len(c.artists)) {
		sh.topArtists = append(sh.topArtists, c.artists[i])
	}
	sh.artists = slices.Clone(sh.topArtists[:27])
	sh.topTracks = slices.Clone(favourites[:99])
	l.seat(u, sh, rng, start)
}

// seat puts a premium user before a playing device.
func (l *library) seat(u *User, sh *shelf, rng *rand.Rand, start time.Time) {
	p := sh.player
	p.devices = []*device{
		{id: derivedDevice(u.ID, "web"), name: "Web Player (Chrome)", kind: "Computer", volume: 65},
		{id: derivedDevice(u.ID, "phone"), name: u.DisplayName + "’s phone", kind: "Smartphone", volume: 100},
		{id: derivedDevice(u.ID, "kitchen"), name: "Kitchen", kind: "Speaker", volume: 40},
	}
	first := sh.playlists[2]
	for k := range 50 {
		item := first.items[(len(first.items)+k)%len(first.items)]
		p.recent = append(p.recent, played{start.Add(-time.Duration(k*4+5) * time.Minute).Truncate(time.Second), item.track, first.uri()})
	}
	p.context, p.tracks = first.uri(), first.tracks()
	p.index = rng.IntN(len(p.tracks))
	p.progress = 30 * time.Second
	if u.Product == "premium" {
		p.active = p.devices[0]
		p.playing = true
	}
}

func derivedDevice(user, name string) string {
	sum := sha256.Sum256([]byte("device/" + user + "/" + name))
	return hex.EncodeToString(sum[:20])
}

func (p *playlist) uri() string { return "spotify:playlist:" + p.id }

func (p *playlist) tracks() []*track {
	list := make([]*track, len(p.items))
	for i, item := range p.items {
		list[i] = item.track
	}
	return list
}

func (l *library) addCover(cv cover) string {
	id := cv.id()
	l.covers[id] = cv
	return id
}

func (l *library) cover(id string) (cover, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cv, found := l.covers[id]
	return cv, found
}

func (l *library) picture(id string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pictures[id]
}

// create adds a playlist at the head of the owner's list.
func (l *library) create(owner, name, description string, public, collaborative bool) *playlist {
	l.created++
	p := &playlist{
		id: derivedID(fmt.Sprintf("created/%s/%d", owner, l.created)), name: name, description: description,
		owner: owner, public: public, collaborative: collaborative, version: 1,
	}
	p.cover = l.addCover(cover{style: coverPlaylist, seed: p.id, title: name})
	l.playlists[p.id] = p
	sh := l.shelves[owner]
	sh.playlists = append([]*playlist{p}, sh.playlists...)
	return p
}
