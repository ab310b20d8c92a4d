package login

import (
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyspotify/caddy-spotify/internal/site"
)

// ending is how a login ended.
type ending uint8

const (
	endedOtherwise ending = iota
	endedSucceeded
	endedCancelled
)

// usedState is a login that has come back.
type usedState struct {
	how  ending
	next string // where it went on to, if it succeeded
}

// usedStates remembers the logins that have come back, so that a second
// callback is told from a first even when the browser presents an old cookie.
// It is bounded; what it forgets, Spotify's single-use code still stops. Both maps are
// by nonce.
type usedStates struct {
	mu       sync.Mutex
	seen     *lru.Cache[string, usedState]
	underway map[string]*completion
}

// completion is a login that is being completed. Callbacks that bring the same state
// meanwhile, as after a double click, wait for its response.
type completion struct {
	done     chan struct{}
	response *site.Recorder // once done; nil if there is none to share
}

func newUsedStates() *usedStates {
	seen, _ := lru.New[string, usedState](8192) // fails only for a size below one
	return &usedStates{seen: seen, underway: make(map[string]*completion)}
}

// begin begins to complete the login of a state, or returns the completion that is
// under way. It returns nil if the state is used up.
func (u *usedStates) begin(nonce string) (c *completion, first bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c, ok := u.underway[nonce]; ok {
		return c, false
	}
	if u.seen.Contains(nonce) {
		return nil, false
	}
	c = &completion{done: make(chan struct{})}
	u.underway[strings.Clone(nonce)] = c
	return c, true
}

// end ends a completion with a response to share, if there is one. The state is used
// up if it says so.
func (u *usedStates) end(nonce string, c *completion, response *site.Recorder, used bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.underway, nonce)
	if used && !u.seen.Contains(nonce) {
		u.seen.Add(strings.Clone(nonce), usedState{})
	}
	c.response = response
	close(c.done)
}

// Succeeded notes that the login of a state did what it was for, and where it went
// on to: the browser is sent there again if it comes back once more.
func (f *Flow) Succeeded(state, next string) {
	if s, ok := parseState(state); ok {
		f.states.seen.Add(strings.Clone(s.nonce), usedState{endedSucceeded, strings.Clone(next)})
	}
}

// cancelled notes that the person said no.
func (u *usedStates) cancelled(nonce string) {
	u.seen.Add(strings.Clone(nonce), usedState{how: endedCancelled})
}
