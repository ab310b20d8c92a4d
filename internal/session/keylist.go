package session

import (
	"context"
	"errors"
	"slices"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// KeyLists are the lists of access keys, one for each account. A key counts only
// while it is in its account's list, where its owner finds it.
type KeyLists interface {
	// ListOf returns the key of the record that has an account's list.
	ListOf(ctx context.Context, account string) (string, error)
	// Listed reports whether an access key is in its account's list, and returns the
	// renewal that waits for it there, which is nil if there is none. The error says
	// that it cannot be told.
	Listed(ctx context.Context, key *Session) (listed bool, waiting *Renewal, err error)
	// Settle notes in its account's list that an access key has taken a renewal, or
	// that it never will.
	Settle(ctx context.Context, key *Session, r *Renewal, taken bool) error
	// Strike takes the access key of a record's key from its account's list, if it
	// is there.
	Strike(ctx context.Context, account, record string) error
}

// JoinLists has EndSession strike access keys in the store from lists, too, until
// leave is called.
func (p *Store) JoinLists(lists KeyLists) (leave func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lists = append(p.lists, lists)
	return func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at := slices.Index(p.lists, lists); at >= 0 {
			p.lists = slices.Delete(p.lists, at, at+1)
		}
		return nil
	}
}

func (p *Store) allLists() []KeyLists {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lists)
}

// strike takes an access key from its owner's list, at each site that may have it
// there. Records of other kinds are in none.
func (p *Store) strike(ctx context.Context, entry tokenstore.Entry) error {
	if entry.Kind != tokenstore.KindKey {
		return nil
	}
	for _, lists := range p.allLists() {
		if err := lists.Strike(ctx, entry.AccountID, entry.Key); err != nil {
			return err
		}
	}
	return nil
}

// listing is where a key was listed when it was looked for last.
type listing struct {
	list  [32]byte // the digest of the list's record
	since cacheEpoch
	retry int64 // when to look again because a renewal failed, in Unix seconds; 0 for never
}

// errUnlisted says that a key is not in its owner's list.
var errUnlisted = errors.New("the access key is in no list")

// stillListed reports whether an access key's list has not changed since the key
// was found in it, and no renewal is to be tried again.
func (m *Manager) stillListed(s *Session, now int64) bool {
	l := s.Terms().listing.Load()
	return l != nil && (l.retry == 0 || now < l.retry) && !m.Cache.changed(l.list, l.since)
}

// findListed looks for an access key in its owner's list, and returns errUnlisted
// if it is not there. It has the key take a renewal that waits there. For other kinds, and without lists, it does nothing.
func (m *Manager) findListed(ctx context.Context, s *Session, lists KeyLists) error {
	if s.kind != Key || lists == nil {
		return nil
	}
	record, err := lists.ListOf(ctx, s.Account.ID)
	if err != nil {
		return err
	}
	digest, ok := digestOf(record)
	if !ok {
		return errUnlisted
	}
	found := &listing{list: digest, since: m.Cache.epoch(digest)}
	listed, waiting, err := lists.Listed(ctx, s)
	if err != nil {
		return err
	}
	if !listed {
		return errUnlisted
	}
	if waiting != nil {
		if err := m.renew(ctx, s, waiting, lists); err != nil {
			found.retry = m.Clock.Now().Add(renewalRetry).Unix()
			if m.Clock.Now().Unix() >= s.ExpiresAt() {
				return err // it has nothing else to go on with
			}
		}
	}
	s.Terms().listing.Store(found)
	return nil
}

// trustList has an access key go on working while its list is out of reach. It is
// looked for again along with the key's own record.
func (m *Manager) trustList(s *Session) {
	if s.kind != Key {
		return
	}
	terms := s.Terms()
	if l := terms.listing.Load(); l != nil {
		terms.listing.CompareAndSwap(l, &listing{list: l.list, since: m.Cache.epoch(l.list)})
	}
}
