package quota

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Kind says what a row of the ledger counts for.
type Kind string

// The kinds. Each request is counted once by its operation, and once by who caused
// it.
const (
	Operation Kind = "operation"
	Account   Kind = "account" // a visitor's requests, by the account's ID
	Key       Kind = "key"     // a program's, by the reference of its access key
	Line      Kind = "share"   // what is shown of a shared account, by path and query
	Login     Kind = "login"   // the profiles that logins ask for
)

// callers are the kinds of who causes a request.
var callers = [...]Kind{Account, Key, Line, Login}

// Other is the name of the row that counts what has no row of its own any more.
const Other = "other"

// Bounds of the rows that there are of a kind. Known operations have one in any case.
const (
	maxOperations = 256
	maxCallers    = 1024
)

// bound returns how many rows of a kind are told apart.
func (k Kind) bound() int {
	if k == Operation {
		return maxOperations
	}
	return maxCallers
}

// row has the counts of one operation or caller.
type row struct {
	spent   series // sent, and not refused by Spotify
	refused series // refused by Spotify with a 429
	held    series // not sent, because the budget was spent

	alias atomic.Pointer[string] // of an account, once it is known
}

// idle reports whether a row has nothing of the day that ends in a minute.
func (r *row) idle(minute int64) bool {
	return r.spent.sum(minute) == 0 && r.refused.sum(minute) == 0 && r.held.sum(minute) == 0
}

// table has the rows of one kind, by name, and their total. Looking one up takes no
// lock. It is safe for concurrent use.
type table struct {
	total row
	bound int
	// unbounded, if any, tells the names that have a row whatever the bound.
	unbounded func(name string) bool
	// former, if any, tells another name whose row is to be that of a name, too.
	former func(name string) string
	rows   atomic.Pointer[map[string]*row]
	mu     sync.Mutex // for changes of rows
	// cleared is the hour in which idle rows were last looked for, in vain if it is
	// that of full.
	cleared int64
	full    atomic.Int64
}

func newTable(k Kind) *table {
	t := &table{bound: k.bound()}
	if k == Operation {
		t.unbounded = webapi.IsOperation
	}
	t.rows.Store(new(map[string]*row))
	return t
}

// get returns the row of a name. It makes one if there is room, also that of rows
// that are idle in the day up to a minute. Otherwise it returns the row Other.
func (t *table) get(name string, minute int64) *row {
	rows := *t.rows.Load()
	if r := rows[name]; r != nil {
		return r
	}
	free := t.unbounded != nil && t.unbounded(name)
	if !free && t.full.Load() == minute/60 {
		return rows[Other]
	}
	return t.grow(name, minute, free)
}

// grow is get for a name that had no row a moment ago.
func (t *table) grow(name string, minute int64, free bool) *row {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := *t.rows.Load()
	if r := rows[name]; r != nil {
		return r
	}
	next := make(map[string]*row, len(rows)+1)
	maps.Copy(next, rows)
	if !free && len(next) >= t.bound {
		// Room is looked for once an hour.
		if hour := minute / 60; t.cleared != hour {
			t.cleared = hour
			maps.DeleteFunc(next, func(name string, r *row) bool { return name != Other && r.idle(minute) })
		}
		if len(next) >= t.bound {
			name = Other
		}
	}
	r := next[name]
	if r == nil && t.former != nil {
		former := t.former(name)
		if r = next[former]; r != nil {
			delete(next, former)
			next[name] = r
		}
	}
	if r == nil {
		r = new(row)
		next[name] = r
	}
	t.rows.Store(&next)
	if name == Other {
		t.full.Store(t.cleared)
	}
	return r
}

// rename gives a row another name, which has none.
func (t *table) rename(from, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := maps.Clone(*t.rows.Load())
	r := rows[from]
	if r != nil {
		delete(rows, from)
		rows[to] = r
		t.rows.Store(&rows)
	}
}

// find returns the row of a name, or nil.
func (t *table) find(name string) *row { return (*t.rows.Load())[name] }
