package upstream

import (
	"hash/maphash"
	"sync/atomic"
	"time"
	"weak"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// rejectedFor is how long a token that did not help is not refreshed again.
const rejectedFor = 30 * time.Second

// rejectedTokens remembers tokens that had just been refreshed because of a
// 401 and got a 401 again. The API has endpoints that say 401 where they mean
// 403 ("Permissions missing"), and a page that asks such a one every second
// must not cause a refresh every second.
//
// It remembers the latest few and may forget one early, which costs a refresh.
// It is safe for concurrent use.
type rejectedTokens struct {
	clock pkce.Clock
	seed  maphash.Seed
	slots [256]atomic.Pointer[rejectedToken]
}

type rejectedToken struct {
	token weak.Pointer[pkce.Token]
	until time.Duration // by the monotonic clock
}

func newRejectedTokens(clock pkce.Clock) *rejectedTokens {
	return &rejectedTokens{clock: clock, seed: maphash.MakeSeed()}
}

func (u *rejectedTokens) slot(token weak.Pointer[pkce.Token]) *atomic.Pointer[rejectedToken] {
	return &u.slots[maphash.Comparable(u.seed, token)%uint64(len(u.slots))]
}

func (u *rejectedTokens) add(token *pkce.Token) {
	w := weak.Make(token)
	u.slot(w).Store(&rejectedToken{token: w, until: u.clock.Monotonic() + rejectedFor})
}

func (u *rejectedTokens) has(token *pkce.Token) bool {
	w := weak.Make(token)
	e := u.slot(w).Load()
	return e != nil && e.token == w && u.clock.Monotonic() < e.until
}
