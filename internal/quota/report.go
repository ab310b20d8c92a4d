package quota

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// users are the sites that use a ledger.
type users struct {
	mu  sync.Mutex
	all []*Use
}

// Report is what an operator sees of a ledger: the counts of the rolling day, of all
// instances that are known.
type Report struct {
	ClientID string `json:"client_id"`
	// Budget is the limit of the site that was configured last, or 0 if there is none.
	Budget int `json:"budget,omitempty"`
	Counts
	Operations []Count `json:"operations"`
	Callers    []Count `json:"callers"`
	// Observed are the likely sizes of quotas.
	Observed []Observation `json:"observed"`
}

// Counts are numbers of requests in the rolling day.
type Counts struct {
	// Used is how many were sent and not refused, Refused how many Spotify refused with
	// a 429, and Held how many were not sent because the budget was spent.
	Used    int `json:"used"`
	Refused int `json:"refused"`
	Held    int `json:"held"`
}

// Count is what was counted for an operation or a caller.
type Count struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	Counts
}

// Size returns a limit that Spotify, or the operator, sets to all requests: that of
// the budget, or else what had been spent when Spotify last said that the quota was
// exceeded. It is 0 if there is none.
func (r *Report) Size() int {
	if r.Budget > 0 {
		return r.Budget
	}
	size := 0
	for _, o := range r.Observed {
		if size == 0 || o.UsedInAll < size {
			size = o.UsedInAll
		}
	}
	return size
}

// ClientID returns the client ID of the app that the ledger is of.
func (l *Ledger) ClientID() string { return l.clientID }

// Report returns what is counted at this moment.
func (l *Ledger) Report() *Report {
	now := l.clock.Now()
	minute := minuteOf(now)
	r := &Report{ClientID: l.clientID, Operations: []Count{}, Callers: []Count{}, Observed: []Observation{}}
	l.users.mu.Lock()
	for _, use := range l.users.all {
		if use.Budget != nil {
			r.Budget = use.Budget.Limit
		}
	}
	l.users.mu.Unlock()
	others := l.others.Load()
	r.Operations = countsOf(Operation, minute, l.own.operations, others.operations)
	for i, kind := range callers {
		r.Callers = append(r.Callers, l.callersOf(kind, minute, l.own.callers[i], others.callers[i])...)
		for _, t := range []*table{l.own.callers[i], others.callers[i]} {
			r.add(&t.total, minute)
		}
	}
	slices.SortStableFunc(r.Callers, byUse)
	l.seen.mu.Lock()
	for _, o := range l.seen.latest {
		if minuteOf(now)-minuteOf(o.At) <= day {
			r.Observed = append(r.Observed, o)
		}
	}
	l.seen.mu.Unlock()
	slices.SortFunc(r.Observed, func(a, b Observation) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Operation, b.Operation))
	})
	return r
}

// add adds the counts of a row.
func (c *Counts) add(r *row, minute int64) {
	c.Used += r.spent.sum(minute)
	c.Refused += r.refused.sum(minute)
	c.Held += r.held.sum(minute)
}

// countsOf returns the counts of several tables of a kind, the most used first.
func countsOf(k Kind, minute int64, tables ...*table) []Count {
	counts := make(map[string]*Count)
	for _, t := range tables {
		for name, r := range *t.rows.Load() {
			c := counts[name]
			if c == nil {
				c = &Count{Kind: k, Name: name}
				counts[name] = c
			}
			c.add(r, minute)
		}
	}
	list := make([]Count, 0, len(counts))
	for _, c := range counts {
		if c.Counts != (Counts{}) {
			list = append(list, *c)
		}
	}
	slices.SortFunc(list, byUse)
	return list
}

// callersOf is countsOf for callers, of which other instances know the aliases only.
func (l *Ledger) callersOf(k Kind, minute int64, own, others *table) []Count {
	if k != Account {
		return countsOf(k, minute, own, others)
	}
	names := make(map[string]string) // by alias
	for name, r := range *own.rows.Load() {
		if alias := l.aliases.ofRow(k, name, r); alias != "" && names[alias] != name && !strings.HasPrefix(name, aliasMark) {
			names[alias] = name
		}
	}
	merged := newTable(k)
	rows := make(map[string]*row)
	for name, r := range *others.rows.Load() {
		rows[cmp.Or(names[name], name)] = r
	}
	merged.rows.Store(&rows)
	return countsOf(k, minute, own, merged)
}

func byUse(a, b Count) int {
	return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(b.Refused, a.Refused), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name))
}
