// Package player decides when Spotify is asked for an account's player, and who
// hears of what it says.
//
// A Hub has one poller for an account, however many listen, and none for an account
// that nobody listens to. When it asks is a Schedule's decision, which knows no clock
// and no network. What listeners get is state, not a log: one that is slow misses the
// states in between and never the newest.
package player

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"
)

// State is what the schedule needs to know of a player, at one moment.
type State struct {
	// Active is false if the account has no player: nothing plays anywhere.
	Active bool
	// Playing is false for a player that is paused.
	Playing bool
	// Item is the URI of the track or episode. It is "" in an advertisement, and
	// where Spotify does not say what is played.
	Item string
	// Advertisement reports whether one is played: they end without notice.
	Advertisement bool
	// Progress is the position in the item, and Duration the item's length, which
	// is 0 if it is not known.
	Progress, Duration time.Duration
	// Rest is a fingerprint of all else that Spotify says, such as the device, its volume
	// and the context. It is comparable within a process only.
	Rest uint64
}

// Idle is the state of an account without a player, to which Spotify responds 204.
var Idle = State{}

// ends returns how much of the item is left, if it is known.
func (s State) ends() (left time.Duration, known bool) {
	if !s.Active || !s.Playing || s.Duration <= 0 {
		return 0, false
	}
	return max(0, s.Duration-s.Progress), true
}

// ErrMalformed says that a response is not what Spotify documents for a player.
var ErrMalformed = errors.New("not the state of a player")

var fingerprintSeed = maphash.MakeSeed()

// volatile are members that change while nothing happens: the position, and when
// Spotify last noted a change.
var volatile = []string{"progress_ms", "timestamp"}

// Parse reads a response to GET /v1/me/player or /v1/me/player/currently-playing. An
// empty body is that of a 204.
func Parse(body []byte) (State, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Idle, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return State{}, fmt.Errorf("%w: no JSON object", ErrMalformed)
	}
	var known struct {
		Playing  bool     `json:"is_playing"`
		Progress *float64 `json:"progress_ms"`
		Type     string   `json:"currently_playing_type"`
		Item     *struct {
			URI      string  `json:"uri"`
			ID       string  `json:"id"`
			Duration float64 `json:"duration_ms"`
		} `json:"item"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, ok := members["is_playing"]; !ok {
		return State{}, fmt.Errorf("%w: no is_playing", ErrMalformed)
	}
	s := State{Active: true, Playing: known.Playing, Advertisement: known.Type == "ad", Rest: fingerprint(members)}
	if known.Progress != nil {
		s.Progress = milliseconds(*known.Progress)
	}
	if known.Item != nil {
		s.Item, s.Duration = known.Item.URI, milliseconds(known.Item.Duration)
		if s.Item == "" {
			s.Item = known.Item.ID // a local file has neither
		}
	}
	return s, nil
}

// longest bounds the positions and lengths that are believed.
const longest = 48 * time.Hour

func milliseconds(ms float64) time.Duration {
	if !(ms > 0) { // nor NaN
		return 0
	}
	return time.Duration(min(ms, float64(longest.Milliseconds()))) * time.Millisecond
}

// fingerprint is that of all members that are not volatile.
func fingerprint(members map[string]json.RawMessage) uint64 {
	var h maphash.Hash
	h.SetSeed(fingerprintSeed)
	var compact bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if slices.Contains(volatile, name) {
			continue
		}
		_, _ = h.WriteString(name)
		_ = h.WriteByte(0)
		compact.Reset()
		if json.Compact(&compact, members[name]) != nil {
			continue // cannot be: it has just been read
		}
		_, _ = h.Write(compact.Bytes())
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}
