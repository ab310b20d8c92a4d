// Package quota counts what an app sends to Spotify in a rolling day, and shares it
// out.
//
// Spotify allows an app some thousand requests in 24 hours, counted over a window
// that rolls, and tells neither how many nor of what. A Ledger, one per client ID,
// counts each request that leaves, by the minute: by its operation, and by who caused
// it. The instances that have one storage in common see the sum of all. A Budget sets
// a limit of one's own, below which nobody uses up what others need.
//
// The day of a count is the minute under way and the 1,440 before it. So at the
// beginning of a minute it is exactly the last 24 hours, and at other times it may
// have requests in it that are up to a minute older: it is never too low.
package quota

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Clock tells the time. pkce.Clock implements Clock.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Caller is who causes a request.
type Caller struct {
	Kind Kind
	// Name tells callers of a kind apart.
	Name string
}

// Ledger counts the requests of one app. Use New. It is safe for concurrent use.
type Ledger struct {
	clientID string
	instance string
	clock    Clock
	logger   *zap.Logger

	own    tables
	others atomic.Pointer[tables] // of other instances, and of before a restart
	seen   observations

	fair    fairness
	sync    synchronizer
	aliases aliases
	users   users
}

// tables are the tables of every kind.
type tables struct {
	operations *table
	callers    [len(callers)]*table
}

func newTables() tables {
	t := tables{operations: newTable(Operation)}
	for i, kind := range callers {
		t.callers[i] = newTable(kind)
	}
	return t
}

// of returns the table of a kind, or nil.
func (t *tables) of(k Kind) *table {
	if k == Operation {
		return t.operations
	}
	for i, kind := range callers {
		if kind == k {
			return t.callers[i]
		}
	}
	return nil
}

// New returns a ledger that has counted nothing. It keeps its counts in the storage
// once there are any, and reads what is there when it is first used. An instance is a
// name that no other ledger of the app has, ever.
func New(clientID, instance string, storage certmagic.Storage, clock Clock, logger *zap.Logger) *Ledger {
	l := &Ledger{clientID: clientID, instance: instance, clock: clock, logger: logger, own: newTables()}
	others := newTables()
	l.others.Store(&others)
	l.own.of(Account).former = func(name string) string { return l.aliases.of(Account, name) }
	l.sync.init(l, storage)
	return l
}

// Entry is one request, as long as it is not known what becomes of it. The zero Entry
// counts nothing.
type Entry struct {
	ledger    *Ledger
	operation *row
	total     *row // of the caller's kind
	caller    *row
	minute    int64
	counted   bool
}

// Begin notes that a request is about to be sent. Sent counts it.
func (l *Ledger) Begin(operation string, c Caller) Entry {
	minute := minuteOf(l.clock.Now())
	of := l.own.of(c.Kind)
	return Entry{
		ledger: l, minute: minute,
		operation: l.own.operations.get(operation, minute),
		total:     &of.total, caller: of.get(c.Name, minute),
	}
}

// count adds n to what was spent.
func (e *Entry) count(n int32) {
	e.operation.spent.add(e.minute, n)
	e.caller.spent.add(e.minute, n)
	e.total.spent.add(e.minute, n)
	e.counted = n > 0
}

// Sent counts the request, which goes out now.
func (e *Entry) Sent() {
	if e.ledger == nil {
		return
	}
	if !e.counted {
		e.count(1)
	}
	e.ledger.sync.changed(e.minute)
}

// Withdraw takes back a request that did not go out, counted or not.
func (e *Entry) Withdraw() {
	if e.ledger != nil && e.counted {
		e.count(-1)
		e.ledger.sync.changed(e.minute)
	}
}

// Refused says that Spotify refused the request with a 429, which it does not count.
// If the quota is exceeded, what had been spent by then is likely its size.
func (e *Entry) Refused(operation string, quotaExceeded bool) {
	if e.ledger == nil || !e.counted {
		return
	}
	e.count(-1)
	e.operation.refused.add(e.minute, 1)
	e.caller.refused.add(e.minute, 1)
	e.total.refused.add(e.minute, 1)
	if quotaExceeded {
		e.ledger.observe(operation)
	}
	e.ledger.sync.changed(e.minute)
}

// used returns what callers of all kinds have spent in the day that ends in a minute.
func (l *Ledger) used(minute int64) int {
	n := 0
	for i := range callers {
		n += l.usedBy(i, minute)
	}
	return n
}

// usedBy returns what the callers of one kind have spent.
func (l *Ledger) usedBy(kind int, minute int64) int {
	return l.own.callers[kind].total.spent.sum(minute) + l.others.Load().callers[kind].total.spent.sum(minute)
}

// Used returns what the app has spent in the rolling day.
func (l *Ledger) Used() int { return l.used(minuteOf(l.clock.Now())) }

// Observation is what had been spent when Spotify first said that the quota of an
// operation is exceeded. It is likely its size.
type Observation struct {
	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
	// Used is the number of requests of the operation in the day before, and UsedInAll
	// that of all.
	Used      int `json:"used"`
	UsedInAll int `json:"used_in_all"`
}

// observations are those of the last day, by operation.
type observations struct {
	mu     sync.Mutex
	latest map[string]Observation
}

// observe notes that Spotify has said QUOTA_EXCEEDED to an operation, unless it had
// said so before within a day.
func (l *Ledger) observe(operation string) {
	now := l.clock.Now().UTC()
	minute := minuteOf(now)
	if l.own.operations.find(operation) == nil {
		operation = Other
	}
	o := Observation{Operation: operation, At: now, UsedInAll: l.used(minute)}
	for _, t := range []*tables{&l.own, l.others.Load()} {
		if r := t.operations.find(operation); r != nil {
			o.Used += r.spent.sum(minute)
		}
	}
	l.seen.add(o)
}

// add keeps an observation, unless there is an earlier one of the same day.
func (s *observations) add(o Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		s.latest = make(map[string]Observation)
	}
	for name, old := range s.latest {
		if o.At.Sub(old.At) >= 24*time.Hour {
			delete(s.latest, name)
		}
	}
	before, ok := s.latest[o.Operation]
	if !ok || o.At.Before(before.At) {
		s.latest[o.Operation] = o
	}
}
