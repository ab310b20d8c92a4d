package spotifytest

import (
	"math/rand/v2"
	"slices"
	"time"
)

// player is one user's player. It runs with the simulator's clock: sync works
// out what happened since it was last looked at. The library's lock guards it.
type player struct {
	devices []*device
	active  *device // nil: nothing plays anywhere
	context string  // URI of what is played; may be empty
	tracks  []*track
	index   int
	queue   []*track // played before the context goes on
	current *track   // from the queue; nil: tracks[index]
	playing bool
	shuffle bool
	repeat  string // off, context, track

	interlude *interlude // played instead of the track; nil if nothing is

	progress time.Duration // at since
	since    time.Time
	recent   []played // newest first
	rng      *rand.Rand
}

type device struct {
	id, name, kind string
	volume         int
	private        bool
}

type played struct {
	at      time.Time
	track   *track
	context string
}

const recentLimit = 50

func newPlayer(now time.Time) *player {
	return &player{repeat: "off", since: now, rng: seeded("shuffle")}
}

// now playing, or nil.
func (p *player) item() *track {
	switch {
	case p.current != nil:
		return p.current
	case p.index < len(p.tracks):
		return p.tracks[p.index]
	default:
		return nil
	}
}

// sync brings the player to the present.
func (p *player) sync(now time.Time) {
	elapsed := now.Sub(p.since)
	p.since = now
	if !p.playing || elapsed < 0 {
		return
	}
	p.progress += p.passInterlude(elapsed)
	for p.playing {
		t := p.item()
		if t == nil {
			p.playing, p.progress = false, 0
			return
		}
		length := time.Duration(t.duration) * time.Millisecond
		if p.progress < length {
			return
		}
		p.progress -= length
		p.remember(t, now.Add(-p.progress))
		if p.repeat != "track" {
			p.advance()
		}
	}
}

func (p *player) remember(t *track, at time.Time) {
	p.recent = append([]played{{at, t, p.context}}, p.recent...)
	p.recent = p.recent[:min(len(p.recent), recentLimit)]
}

// advance goes to the next track; at the end of the context it stops, unless repeated.
func (p *player) advance() {
	p.current = nil
	if len(p.queue) > 0 {
		p.current, p.queue = p.queue[0], p.queue[1:]
		return
	}
	switch {
	case p.shuffle && len(p.tracks) > 1:
		p.index = (p.index + 1 + p.rng.IntN(len(p.tracks)-1)) % len(p.tracks)
	case p.index+1 < len(p.tracks):
		p.index++
	default:
		p.index = 0
		if p.repeat == "off" {
			p.playing, p.progress = false, 0
		}
	}
}

// next and previous are the buttons.
func (p *player) next() {
	if t := p.item(); t != nil {
		p.remember(t, p.since)
	}
	p.progress = 0
	p.advance()
}

func (p *player) previous() {
	restart := p.progress > 3*time.Second
	p.progress, p.current = 0, nil
	if !restart && len(p.tracks) > 0 {
		p.index = (p.index + len(p.tracks) - 1) % len(p.tracks)
	}
}

// start plays tracks from one of them on.
func (p *player) start(context string, tracks []*track, index int, position time.Duration) {
	p.context, p.tracks, p.index, p.current = context, slices.Clone(tracks), index, nil
	p.progress, p.playing = position, true
}

func (p *player) device(id string) *device {
	for _, d := range p.devices {
		if d.id == id {
			return d
		}
	}
	return nil
}

// upcoming are the next tracks, at most n.
func (p *player) upcoming(n int) []*track {
	list := slices.Clone(p.queue)
	for i := p.index + 1; i < len(p.tracks) && len(list) < n; i++ {
		list = append(list, p.tracks[i])
	}
	return list[:min(n, len(list))]
}
