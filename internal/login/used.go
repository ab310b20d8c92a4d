package login

import (
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
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
// It is bounded; what it forgets, Spotify's single-use code still stops.
type usedStates struct {
	mu   sync.Mutex
	seen *lru.Cache[string, usedState] // by nonce
}

func newUsedStates() *usedStates {
	seen, _ := lru.New[string, usedState](8192) // fails only for a size below one
	return &usedStates{seen: seen}
}

// take marks a state as used and reports whether it was unused before. The nonce is
// kept, and so must not be part of a larger string.
func (u *usedStates) take(nonce string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen.Contains(nonce) {
		return false
	}
	u.seen.Add(strings.Clone(nonce), usedState{})
	return true
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
