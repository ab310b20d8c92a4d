package main

import (
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// cost is what an operation asks of Redis: requests, each a round trip, and commands as
// INFO commandstats counts them, those within scripts included.
type cost struct{ requests, commands int }

func (c cost) times(n int) cost { return cost{n * c.requests, n * c.commands} }

func sum(costs ...cost) (all cost) {
	for _, c := range costs {
		all.requests += c.requests
		all.commands += c.commands
	}
	return all
}

// What one call of the store asks of Redis (tokenstore/redis: store.go, scripts.go). A
// script is one EVAL and the commands in it.
var (
	costLoad    = cost{1, 1} // HMGET
	costDelete  = cost{1, 1} // DEL
	costCreate  = cost{1, 5} // EXISTS, HSET, PEXPIREAT, HEXISTS
	costUpdate  = cost{1, 5} // HGET, HSET, PEXPIREAT, HEXISTS
	costAcquire = cost{1, 5} // SET, GET, TIME, SET
	costRefused = cost{1, 2} // SET: another instance has the lease
	costRenew   = cost{1, 3} // GET, PEXPIRE
	costRelease = cost{1, 5} // GET, GET, SET, DEL
)

// What happens to a session, in calls of the store.
var (
	// The lease, a look at what others have stored, the new token, the lease again
	// (pkce/refresh.go).
	costRefresh = sum(costAcquire, costLoad, costUpdate, costRelease)
	// The same when another instance was first.
	costAdopted = sum(costAcquire, costLoad, costRelease)
	// Spotify refuses the refresh token: a second look, a third one before the record is
	// deleted, and the account's list of sessions.
	costRevoked = sum(costAcquire, costLoad.times(3), costDelete, costRelease, costUnlist)
	// The account's list of sessions, and the session (internal/login/finish.go,
	// internal/account/index.go). The account has no other session.
	costLogin  = sum(costLoad, costCreate, costCreate)
	costUnlist = sum(costLoad, costDelete)
	costLogout = sum(costDelete, costUnlist)
)

// Constants of the code that it does not export. A test compares them with the source.
const (
	freeRefreshes = 4                       // internal/session/limits.go
	longestPace   = 10 * time.Second        // internal/session/limits.go
	maxRefreshes  = 1024                    // internal/session/limits.go
	minPoll       = 20 * time.Millisecond   // tokenstore/redis/lease.go
	maxPoll       = 200 * time.Millisecond  // tokenstore/redis/lease.go
	defaultLease  = 2500 * time.Millisecond // tokenstore/redis/settings.go

	leastSpread      = 6 * time.Second // internal/player/event.go
	longestSpread    = time.Minute
	returnsPerSecond = 400
	soonestReturn    = 500 * time.Millisecond
	lookEvery        = time.Second // internal/player/member.go

	// saveUseEvery is how often the store learns that a session is used: a twentieth of
	// the idle time, or 6 hours if that is less (internal/session/background.go).
	saveUseEvery = 6 * time.Hour
	// bytesOfSession is what a session in memory takes at most (internal/session/cache.go).
	bytesOfSession = 900
)

// margins are pkce.Config's, for tokens of some life.
func margins(life time.Duration) (margin, ahead time.Duration) {
	margin, ahead = min(pkce.DefaultMargin, life/4), min(pkce.DefaultAhead, life/2)
	return margin, max(ahead, margin)
}

// costStream is what following an account's player asks of Redis in a second, from the one
// instance that has listeners of it: it renews its lease thrice in a lease's life, and
// looks whether there are other instances that read what it posts. It is a mean.
func costStream() (requests, commands float64) {
	renewals := 3 * float64(time.Second) / float64(defaultLease)
	looks := float64(time.Second) / float64(lookEvery)
	return renewals*float64(costRenew.requests) + looks*float64(costLoad.requests),
		renewals*float64(costRenew.commands) + looks*float64(costLoad.commands)
}
