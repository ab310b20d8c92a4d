// Package playertest simulates people who listen to music, to see what it costs to
// follow them and how late one hears.
package playertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
)

// Cause is why a player's state changed.
type Cause int

// The causes.
const (
	Started Cause = iota // music begins after a silence
	Ended                // an item ends by itself and another, or an advertisement, follows
	AdEnded              // an advertisement ends
	Skipped              // somebody chose another item elsewhere
	Sought               // somebody went to another place in the item
	Paused
	Resumed
	Stopped // nothing plays any more
)

// moment is a state from one time on.
type moment struct {
	from  time.Duration
	state player.State // at from
	cause Cause
}

// Life is what a player does, day after day. It is the same for the same seed.
type Life struct {
	moments []moment
	Length  time.Duration
}

// Habits are how somebody listens.
type Habits struct {
	Music     time.Duration // a day, in some sessions
	Skips     float64       // share of items that are skipped, elsewhere
	Pauses    float64       // share of items with a pause
	Seeks     float64       // share of items with a seek
	FreeDays  float64       // share of days with advertisements between the items
	Episodes  float64       // share of sessions that are an episode of a show
	Gap       time.Duration // between items, at most
	Crossfade time.Duration // items begin this long before the end of those before them
}

// Usual is six hours of music a day, of which a fifth of the tracks are skipped.
var Usual = Habits{
	Music: 6 * time.Hour, Skips: 0.2, Pauses: 0.04, Seeks: 0.02, FreeDays: 0.1, Episodes: 0.1,
	Gap: 600 * time.Millisecond,
}

const day = 24 * time.Hour

// NewLife returns a life of so many days.
func NewLife(seed uint64, days int, h Habits) *Life {
	l := &life{Life: Life{Length: time.Duration(days) * day}, rng: rand.New(rand.NewPCG(seed, 1)), habits: h}
	for d := range days {
		l.day(time.Duration(d) * day)
	}
	return &l.Life
}

// life is a Life under construction.
type life struct {
	Life
	rng    *rand.Rand
	habits Habits
	items  int
	free   bool
	device uint64
}

func (l *life) between(low, high time.Duration) time.Duration {
	return low + time.Duration(l.rng.Int64N(int64(high-low)))
}

func (l *life) chance(p float64) bool { return l.rng.Float64() < p }

// day adds the sessions of a day, from three to five, at times that do not meet.
func (l *life) day(start time.Duration) {
	l.free = l.chance(l.habits.FreeDays)
	sessions := 3 + l.rng.IntN(3)
	each := l.habits.Music / time.Duration(sessions)
	room := (day - l.habits.Music - time.Hour) / time.Duration(sessions)
	at := start
	for range sessions {
		at += l.between(room/4, room)
		at = l.session(at, at+each)
	}
}

func (l *life) add(at time.Duration, cause Cause, state player.State) {
	l.moments = append(l.moments, moment{at, state, cause})
}

// session plays from a time until about another one, and returns when it is over.
func (l *life) session(at, until time.Duration) time.Duration {
	l.device = l.rng.Uint64()
	cause, episode := Started, l.chance(l.habits.Episodes)
	for n := 0; at < until; n++ {
		if l.free && n > 0 && n%4 == 0 {
			for range 1 + l.rng.IntN(2) {
				l.add(at, cause, player.State{Active: true, Playing: true, Advertisement: true, Rest: l.device + 1})
				at, cause = at+l.between(15*time.Second, 31*time.Second), AdEnded
			}
		}
		length := l.between(140*time.Second, 290*time.Second)
		if episode {
			length = l.between(25*time.Minute, 55*time.Minute)
		}
		at, cause = l.item(at, cause, length)
	}
	if l.chance(0.5) {
		last := l.moments[len(l.moments)-1].state
		l.add(at, Paused, player.State{Active: true, Item: last.Item, Duration: last.Duration, Progress: last.Duration / 2, Rest: l.device + 2})
		at += l.between(10*time.Minute, 11*time.Minute)
	}
	l.add(at, Stopped, player.Idle)
	return at
}

// item plays an item and returns when the next one begins, and why.
func (l *life) item(at time.Duration, cause Cause, length time.Duration) (time.Duration, Cause) {
	l.items++
	st := player.State{Active: true, Playing: true, Item: fmt.Sprintf("spotify:track:%022d", l.items), Duration: length, Rest: l.device}
	l.add(at, cause, st)
	skipAt := length
	skipped := l.chance(l.habits.Skips)
	if skipped {
		skipAt = l.between(length/20, length*19/20)
	}
	position := time.Duration(0)
	pass := func(to time.Duration) { at, position = at+to-position, to }
	if l.chance(l.habits.Pauses) {
		pass(l.between(0, skipAt))
		st.Progress, st.Playing = position, false
		l.add(at, Paused, st)
		at += l.between(20*time.Second, 10*time.Minute)
		st.Playing = true
		l.add(at, Resumed, st)
	}
	if l.chance(l.habits.Seeks) {
		pass(l.between(position, skipAt))
		position = l.between(0, skipAt)
		st.Progress = position
		l.add(at, Sought, st)
	}
	pass(skipAt)
	if skipped {
		return at, Skipped
	}
	gap := time.Duration(0)
	if l.habits.Gap > 0 {
		gap = l.between(0, l.habits.Gap)
	}
	return at + gap - l.habits.Crossfade, Ended
}

// index returns which moment a time is in, or -1 before the first.
func (l *Life) index(at time.Duration) int {
	i, found := slices.BinarySearchFunc(l.moments, at, func(m moment, at time.Duration) int { return int(m.from - at) })
	if !found {
		i--
	}
	return i
}

// At returns the state at a time, as Spotify tells it.
func (l *Life) At(at time.Duration) player.State {
	i := l.index(at)
	if i < 0 {
		return player.Idle
	}
	st := l.moments[i].state
	if st.Playing {
		st.Progress += at - l.moments[i].from
		if st.Duration > 0 {
			st.Progress = min(st.Progress, st.Duration)
		}
	}
	return st
}
