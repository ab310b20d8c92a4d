package spotifytest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Phone is what a user does with their player elsewhere: on a phone, say. Nothing of it
// goes through the Web API. The methods are safe for concurrent use.
type Phone struct {
	s    *Server
	user string
}

// Phone returns the phone of a user, by id. It panics if there is no such user.
func (s *Server) Phone(user string) Phone {
	if s.users[user] == nil {
		panic(fmt.Sprintf("spotifytest: there is no user %q", user))
	}
	return Phone{s, user}
}

// interlude is what is played and is no track: an advertisement or an episode. The track
// goes on after it.
type interlude struct {
	kind     string // as currently_playing_type
	uri      string
	length   time.Duration
	progress time.Duration
}

// passInterlude lets an interlude pass and returns what of the time is left.
func (p *player) passInterlude(elapsed time.Duration) time.Duration {
	i := p.interlude
	if i == nil {
		return elapsed
	}
	passed := min(elapsed, i.length-i.progress)
	if i.progress += passed; i.progress >= i.length {
		p.interlude = nil
	}
	return elapsed - passed
}

// show puts the interlude into what the Web API says is played. Without episodes asked
// for, one has no item.
func (i *interlude) show(n *nowPlaying, episodes bool) {
	if i == nil {
		return
	}
	n.CurrentlyPlayingType, n.ProgressMS, n.Item = i.kind, i.progress.Milliseconds(), nil
	if i.kind == "episode" && episodes {
		id := i.uri[strings.LastIndexByte(i.uri, ':')+1:]
		n.Item = map[string]any{
			"type": "episode", "id": id, "uri": i.uri, "name": "Episode " + id, "duration_ms": i.length.Milliseconds(),
			"explicit": false, "images": []any{}, "external_urls": openURL("episode", id),
		}
	}
}

func (p Phone) with(f func(*player)) {
	l := p.s.library
	l.mu.Lock()
	defer l.mu.Unlock()
	pl := l.shelves[p.user].player
	pl.sync(l.now())
	f(pl)
}

// errNothingToPlay says that none of the URIs is a track of the catalogue.
var errNothingToPlay = errors.New("none of these is a track of the catalogue")

// Play plays tracks, from the beginning of the first.
func (p Phone) Play(uris ...string) error {
	var tracks []*track
	for _, uri := range uris {
		if t := theCatalog().trackURI(uri); t != nil {
			tracks = append(tracks, t)
		}
	}
	if len(tracks) == 0 {
		return errNothingToPlay
	}
	p.with(func(pl *player) {
		if pl.active == nil {
			pl.active = &device{id: "phone-" + p.user, name: "Phone", kind: "Smartphone", volume: 60}
			pl.devices = append(pl.devices, pl.active)
		}
		pl.interlude, pl.queue = nil, nil
		pl.start("", tracks, 0, 0)
	})
	return nil
}

// Skip goes to the next track.
func (p Phone) Skip() {
	p.with(func(pl *player) { pl.interlude = nil; pl.next() })
}

// Pause pauses, and Resume goes on.
func (p Phone) Pause() { p.with(func(pl *player) { pl.playing = false }) }

// Resume goes on after a pause.
func (p Phone) Resume() { p.with(func(pl *player) { pl.playing = pl.item() != nil }) }

// Seek goes to a position in the track.
func (p Phone) Seek(to time.Duration) {
	p.with(func(pl *player) {
		pl.progress = to
		pl.sync(pl.since)
	})
}

// Volume sets the volume of the device that is active, in percent.
func (p Phone) Volume(percent int) {
	p.with(func(pl *player) {
		if pl.active != nil {
			pl.active.volume = percent
		}
	})
}

// Quit closes the app: nothing is active any more, and the Web API says 204.
func (p Phone) Quit() {
	p.with(func(pl *player) { pl.active, pl.playing, pl.interlude = nil, false, nil })
}

// PrivateSession begins or ends one.
func (p Phone) PrivateSession(on bool) {
	p.with(func(pl *player) {
		if pl.active != nil {
			pl.active.private = on
		}
	})
}

// Advertise interrupts the tracks by an advertisement, and Episode by the episode of a
// show.
func (p Phone) Advertise(length time.Duration) {
	p.with(func(pl *player) { pl.interlude = &interlude{kind: "ad", length: length} })
}

// Episode interrupts the tracks by the episode of a show.
func (p Phone) Episode(id string, length time.Duration) {
	p.with(func(pl *player) {
		pl.interlude = &interlude{kind: "episode", uri: "spotify:episode:" + id, length: length}
	})
}

// Playing returns the URI of what is played and how much of it is left, or "".
func (p Phone) Playing() (uri string, left time.Duration) {
	p.with(func(pl *player) {
		t := pl.item()
		switch {
		case pl.active == nil || !pl.playing:
		case pl.interlude != nil:
			uri, left = pl.interlude.uri, pl.interlude.length-pl.interlude.progress
		case t != nil:
			uri, left = "spotify:track:"+t.id, time.Duration(t.duration)*time.Millisecond-pl.progress
		}
	})
	return uri, left
}

// Tracks returns the URIs of some tracks of the catalogue, the same each time.
func (s *Server) Tracks(n int) []string {
	uris := make([]string, 0, n)
	for _, a := range theCatalog().albums {
		for _, t := range a.tracks {
			if len(uris) == n {
				return uris
			}
			uris = append(uris, "spotify:track:"+t.id)
		}
	}
	return uris
}
