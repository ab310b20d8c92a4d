package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// OwnerList keeps a list of what an account has: a record of its own, sealed under an ID
// that derives from a site's secret and the account, so that it can be found from a session
// of the account's. L is the list, and is stored as JSON. An OwnerList does not change
// after it is made, and is safe for concurrent use.
type OwnerList[L any] struct {
	Store     *Store
	Clock     pkce.Clock
	Kind      string // of the record
	Namespace string // where its ID means something
	Of        string // what is listed, for errors: "keys"

	// ID returns the record's ID.
	ID func(ctx context.Context, account string) (tokenstore.SessionID, error)
	// Empty reports whether a list has nothing in it. An empty one is not created.
	Empty func(*L) bool
	// Until returns when the record may go. If it is zero, it goes at once.
	Until func(list *L, now time.Time) time.Time
	// Replace has a list that cannot be opened count as empty, so that the next change
	// replaces it. Otherwise it is an error, which is tokenstore.ErrUnsealable if the
	// record was sealed under another ID.
	Replace bool
}

// maxListConflicts bounds how often a change of a list starts over.
const maxListConflicts = 8

// Load returns an account's list, its record, which is nil if there is none, and its ID.
func (o *OwnerList[L]) Load(ctx context.Context, account string) (*L, *tokenstore.Record, tokenstore.SessionID, error) {
	id, err := o.ID(ctx, account)
	if err != nil {
		return nil, nil, id, err
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	rec, err := o.Store.Load(ctx, id.Key(o.Namespace))
	if errors.Is(err, tokenstore.ErrNotFound) {
		return new(L), nil, id, nil
	}
	if err != nil {
		return nil, nil, id, fmt.Errorf("loading the list of %s: %w", o.Of, err)
	}
	list, err := o.open(id, rec)
	switch {
	case err == nil:
		return list, rec, id, nil
	case o.Replace:
		return new(L), rec, id, nil
	}
	return nil, nil, id, err
}

func (o *OwnerList[L]) open(id tokenstore.SessionID, rec *tokenstore.Record) (*L, error) {
	plain, err := tokenstore.Open(id, o.Namespace, rec.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening the list of %s: %w", o.Of, err)
	}
	list := new(L)
	if err := json.Unmarshal(plain, list); err != nil {
		return nil, fmt.Errorf("reading the list of %s: %w", o.Of, err)
	}
	return list, nil
}

// Change changes an account's list. change may be called many times, since others change
// it as well, and may refuse with an error.
func (o *OwnerList[L]) Change(ctx context.Context, account string, change func(*L) error) error {
	for range maxListConflicts {
		list, rec, id, err := o.Load(ctx, account)
		if err != nil {
			return err
		}
		if err := change(list); err != nil {
			return err
		}
		err = o.Save(ctx, account, id, list, rec)
		if !errors.Is(err, tokenstore.ErrConflict) && !errors.Is(err, tokenstore.ErrExists) && !errors.Is(err, tokenstore.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("saving the list of %s: %w", o.Of, tokenstore.ErrConflict)
}

// Save stores a list that was loaded from a record, if there was one.
func (o *OwnerList[L]) Save(ctx context.Context, account string, id tokenstore.SessionID, list *L, old *tokenstore.Record) error {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	if old == nil && o.Empty(list) {
		return nil
	}
	now := o.Clock.Now().UTC().Truncate(time.Second)
	until := o.Until(list, now)
	if until.IsZero() {
		return o.Store.Delete(ctx, id.Key(o.Namespace))
	}
	plain, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encoding the list of %s: %w", o.Of, err)
	}
	sealed, err := tokenstore.Seal(id, o.Namespace, plain)
	if err != nil {
		return fmt.Errorf("sealing the list of %s: %w", o.Of, err)
	}
	rec := &tokenstore.Record{
		Meta:   tokenstore.Meta{Kind: o.Kind, AccountID: account, CreatedAt: now, AuthorizedAt: now, ExpiresAt: until},
		Sealed: sealed,
	}
	if old == nil {
		err = o.Store.Create(ctx, id.Key(o.Namespace), rec)
	} else {
		rec.CreatedAt, rec.Version = old.CreatedAt, old.Version
		err = o.Store.Update(ctx, id.Key(o.Namespace), rec)
	}
	if err != nil {
		return fmt.Errorf("saving the list of %s: %w", o.Of, err)
	}
	return nil
}
