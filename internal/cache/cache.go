// Package cache has identical GETs of one account sent once, and keeps their
// responses for a while.
//
// A response belongs to one account. It is kept in memory only, for as long as
// Spotify's own Cache-Control or a rule of the operator's says, and dropped when
// the account changes something (see Accounts.Write) or one of its sessions ends
// (see Accounts.End).
package cache

import (
	"math"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// DefaultSize is the bound of a site's cache, in bytes.
	DefaultSize = 32 << 20
	// MaxBody is the longest body that is shared or kept, in bytes.
	MaxBody = 1 << 20
	// sweepEvery is how often responses that are too old to be shown are looked
	// for. They are in memory for so much longer at most.
	sweepEvery = time.Minute
)

// Key tells the GETs of one account apart. Two requests with equal keys have the
// same response.
type Key struct {
	Via         any    // what sends the request; comparable
	Scope       string // that was granted to the session
	Path, Query string
	Variant     string // the headers that are passed on, as far as they matter
}

// Options are the options of a site's cache.
type Options struct {
	// Rules say how long responses are kept, whatever Spotify says. The first
	// that covers a path counts.
	Rules []Rule
	// Size bounds what is kept, in bytes. 0 keeps nothing.
	Size int64
	// Off joins no requests and keeps nothing.
	Off bool
	// Variant is mixed into entity tags. It says in what ways the site changes
	// the responses that are kept.
	Variant string
	Clock   pkce.Clock
}

// Cache is the cache of one site in one configuration. It is safe for concurrent
// use.
type Cache struct {
	accounts *Accounts
	rules    []Rule
	size     int64
	off      bool
	variant  string
	clock    pkce.Clock

	// Guarded by accounts.mu:
	recent    *simplelru.LRU[entryKey, *entry]
	used      int64
	closed    bool
	stopSweep func() bool // nil if no sweep is due
}

// New returns the cache of a site. The accounts are those of its app, whose other
// sites have them as well.
func New(accounts *Accounts, o Options) *Cache {
	c := &Cache{accounts: accounts, rules: o.Rules, size: o.Size, off: o.Off, variant: o.Variant, clock: o.Clock}
	// It fails only for a size below one. What bounds it is its size in bytes.
	c.recent, _ = simplelru.NewLRU(math.MaxInt, c.removed)
	return c
}

// Off reports whether c neither joins requests nor keeps responses.
func (c *Cache) Off() bool { return c == nil || c.off }

// Accounts returns the accounts that c was made with.
func (c *Cache) Accounts() *Accounts { return c.accounts }

// Close drops all that c keeps. Nothing is kept afterwards.
func (c *Cache) Close() {
	a := c.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	c.closed = true
	c.recent.Purge()
	if c.stopSweep != nil {
		c.stopSweep()
		c.stopSweep = nil
	}
}

// Used returns how many bytes are kept.
func (c *Cache) Used() int64 {
	c.accounts.mu.Lock()
	defer c.accounts.mu.Unlock()
	return c.used
}

// entry is what is kept for one key of an account. c.accounts.mu guards it.
type entry struct {
	acct   *account
	family string
	cost   int64

	response *Response     // nil if there is none
	at       time.Duration // when it came, by the monotonic clock
	fresh    time.Duration // until when it is fresh
	stale    time.Duration // until when it may be shown while there is no newer one

	failure     error // of the last attempt, if that failed
	failedUntil time.Duration
}

type entryKey struct {
	account string
	Key
}

// Kept is what is known without asking Spotify.
type Kept struct {
	Response *Response     // nil if there is none that may be shown
	Age      time.Duration // of it, since it came
	TTL      time.Duration // until it is no longer fresh; 0 or less if it is stale
	// Failure is that of the last attempt, if it was too short a time ago for
	// another one, which may be made after Wait.
	Failure error
	Wait    time.Duration
}

// kept returns what an entry has to show.
func (e *entry) kept(now time.Duration) (k Kept) {
	if e.response != nil && now < max(e.fresh, e.stale) {
		k.Response, k.Age, k.TTL = e.response, now-e.at, e.fresh-now
	}
	if e.failure != nil && now < e.failedUntil {
		k.Failure, k.Wait = e.failure, e.failedUntil-now
	}
	return k
}

// What Begin found.
const (
	Leads State = iota // the caller has to ask, and to finish the flight
	Joined
	Hit // there is a fresh response, or a recent failure
)

// State is what Begin found.
type State int

// Asks are what a client's own Cache-Control asks for (RFC 9111 §5.2.1).
type Asks struct {
	NoCache bool          // no kept response
	NoStore bool          // and none is to be kept
	MaxAge  time.Duration // none that is older; negative if there is no limit
}

// Begin looks for what spares a request of an account with a key: a response that
// is kept, or a request under way. Otherwise room becomes the request under way,
// which the caller has to finish; nil is room as well. The flight returned is that one
// or, if it is Joined, the one to wait for. The family is that of the request's
// operation.
func (c *Cache) Begin(room *Flight, accountID, family string, key Key, asks Asks) (Kept, *Flight, State) {
	a := c.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	acct := a.get(accountID)
	k := Kept{}
	if !asks.NoCache {
		if e := acct.entries[c.keyOf(key)]; e != nil {
			k = e.kept(c.clock.Monotonic())
			if k.Response != nil && k.TTL > 0 && (asks.MaxAge < 0 || k.Response.Age(k.Age) <= asks.MaxAge) ||
				k.Failure != nil {
				c.recent.Get(entryKey{accountID, key}) // it is in use
				return k, nil, Hit
			}
		}
	}
	for _, f := range acct.flights {
		if f.cache == c && f.key == key && f.epoch == acct.epoch && f.asks.NoCache == asks.NoCache && !f.sealed {
			f.join()
			return k, f, Joined
		}
	}
	if room == nil {
		room = new(Flight)
	}
	*room = Flight{cache: c, acct: acct, family: family, key: key, asks: asks, epoch: acct.epoch, callers: 1}
	acct.flights = append(acct.flights, room)
	return k, room, Leads
}

// Peek returns what is kept for a key, fresh or not.
func (c *Cache) Peek(accountID string, key Key) Kept {
	a := c.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	if acct := a.byID[accountID]; acct != nil {
		if e := acct.entries[c.keyOf(key)]; e != nil {
			return e.kept(c.clock.Monotonic())
		}
	}
	return Kept{}
}

// siteKey is a key of one site's.
type siteKey struct {
	cache *Cache
	Key
}

func (c *Cache) keyOf(key Key) siteKey { return siteKey{c, key} }

// keep keeps the outcome of a flight, if there is room for it, and reports whether
// it did. accounts.mu is held.
func (c *Cache) keep(f *Flight, o Outcome) bool {
	if c.closed {
		return false
	}
	now := c.clock.Monotonic()
	id := entryKey{f.acct.id, f.key}
	e, known := c.recent.Peek(id)
	if !known {
		e = &entry{acct: f.acct, family: f.family}
	}
	if o.Response != nil {
		e.response, e.failure = o.Response, nil
		e.at, e.fresh, e.stale = now, now+o.Fresh, now+o.Fresh+o.Stale
	} else {
		e.failure, e.failedUntil = o.Err, now+o.FailFor
		if now >= e.stale {
			e.response = nil
		}
	}
	cost := entryOverhead + int64(len(f.key.Path)+len(f.key.Query)+len(f.key.Scope)+len(f.key.Variant)+len(f.acct.id))
	if e.response != nil {
		cost += e.response.cost()
	}
	if cost > c.size {
		if known {
			c.recent.Remove(id)
		}
		return false
	}
	if !known {
		f.acct.add(c.keyOf(f.key), e)
	}
	c.used += cost - e.cost
	e.cost = cost
	c.recent.Add(id, e)
	for c.used > c.size {
		c.recent.RemoveOldest()
	}
	if c.stopSweep == nil {
		c.stopSweep = c.clock.AfterFunc(sweepEvery, c.sweep)
	}
	return true
}

// entryOverhead is what an entry takes beside its strings and bytes: the structs,
// and its places in the map and list, with room for what those have to spare.
const entryOverhead = 1 << 10

// removed takes an entry that recent has dropped off the account as well.
// accounts.mu is held.
func (c *Cache) removed(id entryKey, e *entry) {
	c.used -= e.cost
	delete(e.acct.entries, c.keyOf(id.Key))
	c.accounts.release(e.acct)
}

// sweep drops what is too old to be shown.
func (c *Cache) sweep() {
	a := c.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	c.stopSweep = nil
	if c.closed {
		return
	}
	now := c.clock.Monotonic()
	for _, id := range c.recent.Keys() {
		if e, ok := c.recent.Peek(id); ok && now >= max(e.fresh, e.stale, e.failedUntil) {
			c.recent.Remove(id)
		}
	}
	if c.recent.Len() > 0 {
		c.stopSweep = c.clock.AfterFunc(sweepEvery, c.sweep)
	}
}
