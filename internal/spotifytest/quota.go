package spotifytest

import (
	"hash/fnv"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// quotaSpan is the span over which quotas count: a rolling day.
const quotaSpan = 24 * time.Hour

// Grouping says which operations have a quota in common. Spotify publishes neither
// its groups nor their sizes.
type Grouping int

const (
	// NoQuota has no quotas. It is the zero value.
	NoQuota Grouping = iota
	// OneBudget is one quota for everything.
	OneBudget
	// PerOperation is a quota for each operation.
	PerOperation
	// PerFamily is a quota for each first segment of paths, or the first two below
	// /v1/me.
	PerFamily
	// RandomGroups spreads operations over up to eight quotas, of random sizes.
	RandomGroups
)

// Quota configures the quotas of developer accounts over a rolling day.
type Quota struct {
	Grouping Grouping
	// Size is how many requests each quota allows, with RandomGroups at most.
	Size int
	// Seed chooses the groups and sizes of RandomGroups.
	Seed uint64
	// Developers are the developer accounts of client IDs, which share their
	// quotas. Client IDs that are not listed are of one account.
	Developers map[string]string
}

// Quotas counts requests against a Quota. It is safe for concurrent use.
type Quotas struct {
	quota Quota

	mu      sync.Mutex
	buckets map[bucketKey][]time.Time
	spent   map[string]map[string]*Spending
}

type bucketKey struct{ developer, group string }

// Spending is how many requests of an operation came.
type Spending struct {
	Served  int // not refused for a quota
	Refused int
}

// NewQuotas returns quotas of which nothing is spent.
func NewQuotas(q Quota) *Quotas {
	return &Quotas{quota: q, buckets: make(map[bucketKey][]time.Time), spent: make(map[string]map[string]*Spending)}
}

// Group returns the group that an operation, such as "GET /me/player", is of, and how
// many requests the group may make in a day.
func (qs *Quotas) Group(operation string) (group string, size int) {
	q := qs.quota
	switch q.Grouping {
	case OneBudget:
		return "all", q.Size
	case PerOperation:
		return operation, q.Size
	case PerFamily:
		_, path, _ := strings.Cut(operation, " /")
		first, rest, _ := strings.Cut(path, "/")
		if second, _, _ := strings.Cut(rest, "/"); first == "me" && second != "" {
			first += "/" + second
		}
		return first, q.Size
	case RandomGroups:
		n := 1 + q.random("groups")%8
		number := q.random("group of " + operation)
		group = strconv.FormatUint(number%n, 10)
		return group, 1 + int(q.random("size of "+group)%uint64(max(1, q.Size))) //nolint:gosec // it is small
	}
	return "", 0
}

// random is a number that depends on the seed and on what it is for.
func (q Quota) random(what string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatUint(q.Seed, 10) + " " + what))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// Wait returns how long an operation of a client ID would be refused at a time. It
// counts nothing.
func (qs *Quotas) Wait(clientID, operation string, now time.Time) time.Duration {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return qs.wait(clientID, operation, now)
}

func (qs *Quotas) wait(clientID, operation string, now time.Time) time.Duration {
	if qs.quota.Grouping == NoQuota {
		return 0
	}
	group, size := qs.Group(operation)
	key := bucketKey{qs.quota.Developers[clientID], group}
	times := qs.buckets[key]
	old := 0
	for old < len(times) && now.Sub(times[old]) >= quotaSpan {
		old++
	}
	times = times[old:]
	qs.buckets[key] = times
	if len(times) < size {
		return 0
	}
	if size <= 0 {
		return quotaSpan
	}
	return quotaSpan - now.Sub(times[len(times)-size])
}

// Take counts a request, unless others refuses it, which may be nil. If there is no
// room in the quota, ok is false, quota true and wait the time until there is.
// Refused requests do not count.
func (qs *Quotas) Take(clientID, operation string, now time.Time, others func() (time.Duration, bool)) (wait time.Duration, quota, ok bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	wait = qs.wait(clientID, operation, now)
	if wait == 0 && others != nil {
		if wait, ok := others(); !ok {
			return wait, false, false
		}
	}
	operations := qs.spent[clientID]
	if operations == nil {
		operations = make(map[string]*Spending)
		qs.spent[clientID] = operations
	}
	spent := operations[operation]
	if spent == nil {
		spent = new(Spending)
		operations[operation] = spent
	}
	if wait > 0 {
		spent.Refused++
		return wait, true, false
	}
	spent.Served++
	if qs.quota.Grouping != NoQuota {
		group, _ := qs.Group(operation)
		key := bucketKey{qs.quota.Developers[clientID], group}
		qs.buckets[key] = append(qs.buckets[key], now)
	}
	return 0, false, true
}

// Spent returns what came of a client ID, by operation.
func (qs *Quotas) Spent(clientID string) map[string]Spending {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	spent := make(map[string]Spending)
	for operation, s := range maps.All(qs.spent[clientID]) {
		spent[operation] = *s
	}
	return spent
}

// Spent returns the requests for the Web API that came of a client ID, by operation,
// such as "GET /me/player". Those that the rolling window refused, or an injected
// fault, are not among them.
func (s *Server) Spent(clientID string) map[string]Spending { return s.quotas.Spent(clientID) }

// takeQuota counts a request against the quotas and the rolling window.
func (s *Server) takeQuota(clientID, pattern string) (wait time.Duration, refusal *apiError) {
	now := s.Now()
	operation := strings.Replace(pattern, " /v1", " ", 1)
	wait, quota, ok := s.quotas.Take(clientID, operation, now, func() (time.Duration, bool) { return s.limiter.take(clientID, now) })
	switch {
	case ok:
		return 0, nil
	case quota:
		return wait, errQuota
	}
	return wait, errWindow
}
