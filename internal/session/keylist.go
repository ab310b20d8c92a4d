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
	// Listed reports whether an access key is in its account's list. The error
	// says that it cannot be told.
	Listed(ctx context.Context, key *Session) (bool, error)
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

// strike takes an access key from its owner's list, at each site that may have it
// there. Records of other kinds are in none.
func (p *Store) strike(ctx context.Context, entry tokenstore.Entry) error {
	if entry.Kind != tokenstore.KindKey {
		return nil
	}
	p.mu.Lock()
	all := slices.Clone(p.lists)
	p.mu.Unlock()
	for _, lists := range all {
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
}

// errUnlisted says that a key is not in its owner's list.
var errUnlisted = errors.New("the access key is in no list")

// stillListed reports whether an access key's list has not changed since the key
// was found in it.
func (m *Manager) stillListed(s *Session) bool {
	l := s.Terms.listing.Load()
	return l != nil && !m.Cache.changed(l.list, l.since)
}

// findListed looks for an access key in its owner's list, and returns errUnlisted
// if it is not there. For other kinds, and without lists, it does nothing.
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
	listed, err := lists.Listed(ctx, s)
	if err != nil {
		return err
	}
	if !listed {
		return errUnlisted
	}
	s.Terms.listing.Store(found)
	return nil
}

// trustList has an access key go on working while its list is out of reach. It is
// looked for again along with the key's own record.
func (m *Manager) trustList(s *Session) {
	if s.kind != Key {
		return
	}
	if l := s.Terms.listing.Load(); l != nil {
		s.Terms.listing.CompareAndSwap(l, &listing{list: l.list, since: m.Cache.epoch(l.list)})
	}
}
