package session

import (
	"context"
	"slices"
)

// SessionLists are the lists of people's sessions, one for each account, in which
// their owners see them. Unlike an access key, a session counts whether it is in a list
// or not.
type SessionLists interface {
	// Forget takes the session of a record's key from its account's list, if it is
	// there. It may fail: a session that has ended is not shown in any case.
	Forget(ctx context.Context, account, record string)
}

// JoinSessionLists has sessions that end in the store taken from lists, until leave is
// called.
func (p *Store) JoinSessionLists(lists SessionLists) (leave func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = append(p.known, lists)
	return func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at := slices.Index(p.known, lists); at >= 0 {
			p.known = slices.Delete(p.known, at, at+1)
		}
		return nil
	}
}

// unlist takes a session that has ended from its account's list, at each site that may
// have it there.
func (p *Store) unlist(ctx context.Context, account, record string) {
	p.mu.Lock()
	all := slices.Clone(p.known)
	p.mu.Unlock()
	for _, lists := range all {
		lists.Forget(ctx, account, record)
	}
}

// unlist is Store.unlist for a browser's session of m. It does not stop when the person
// has gone.
func (m *Manager) unlist(ctx context.Context, s *Session) {
	if view, ok := m.store.(storeView); ok && s.kind == Browser {
		view.pool.unlist(context.WithoutCancel(ctx), s.Account.ID, s.Key())
	}
}
