package cache

import (
	"slices"
	"sync"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Accounts are the accounts of an app for which requests are under way or responses
// are kept. It outlives configurations, so that a change that is made through one
// counts for all. It is safe for concurrent use.
type Accounts struct {
	mu   sync.Mutex // guards all accounts, caches and flights; nothing waits while it is held
	byID map[string]*account
	free []*account
}

// NewAccounts returns accounts of which there are none yet.
func NewAccounts() *Accounts { return &Accounts{byID: make(map[string]*account)} }

// maxFree bounds the accounts that are kept for others.
const maxFree = 64

// account is what there is of one account. Its epoch advances with each change that
// the account makes and never goes back. Accounts.mu guards it.
type account struct {
	id      string
	epoch   uint64
	flights []*Flight
	entries map[siteKey]*entry
}

// get returns an account, which is made if there is none. a.mu is held.
func (a *Accounts) get(id string) *account {
	if acct := a.byID[id]; acct != nil {
		return acct
	}
	var acct *account
	if n := len(a.free); n > 0 {
		acct, a.free = a.free[n-1], a.free[:n-1]
	} else {
		acct = new(account)
	}
	acct.id = id
	a.byID[id] = acct
	return acct
}

// release lets go of an account of which nothing is left. a.mu is held.
func (a *Accounts) release(acct *account) {
	if len(acct.flights) > 0 || len(acct.entries) > 0 || a.byID[acct.id] != acct {
		return
	}
	delete(a.byID, acct.id)
	acct.id = ""
	if len(a.free) < maxFree {
		a.free = append(a.free, acct)
	}
}

func (acct *account) add(key siteKey, e *entry) {
	if acct.entries == nil {
		acct.entries = make(map[siteKey]*entry)
	}
	acct.entries[key] = e
}

// land takes a flight off its account.
func (acct *account) land(f *Flight) {
	acct.flights = slices.DeleteFunc(acct.flights, func(other *Flight) bool { return other == f })
}

// Write says that an account changes something by an operation of a family. It is
// called when the request is about to be sent, and again when its response is there:
// from the first moment on the change may have happened, and from the second on it
// has. No GET joins one that began before either, the response of such a one is not
// kept, and what is kept of the family is dropped.
func (a *Accounts) Write(accountID, family string) {
	a.advance(accountID, func(e *entry) bool { return touches(family, e.family) })
}

// End drops all that is kept of an account, and lets no request join those that are
// under way.
func (a *Accounts) End(accountID string) {
	a.advance(accountID, func(*entry) bool { return true })
}

func (a *Accounts) advance(accountID string, drop func(*entry) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acct := a.byID[accountID]
	if acct == nil {
		return
	}
	acct.epoch++
	for key, e := range acct.entries {
		if drop(e) {
			key.cache.recent.Remove(entryKey{accountID, key.Key})
		}
	}
}

// Waiting returns how many callers wait for the response to another's request.
func (a *Accounts) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, acct := range a.byID {
		for _, f := range acct.flights {
			n += max(0, f.callers-1)
		}
	}
	return n
}

// touches reports whether a change by an operation of one family may show in
// responses of another. What a person saves, follows and has playlists of overlaps,
// and of operations that are not known nothing is known.
func touches(changed, shown string) bool {
	if changed == shown {
		return true
	}
	switch changed {
	case webapi.FamilyPlayer:
		return false
	case webapi.FamilyLibrary, webapi.FamilyPlaylists, webapi.FamilyUsers:
		return shown != webapi.FamilyPlayer && shown != webapi.FamilyCatalogue && shown != webapi.FamilySearch
	}
	return true
}
