package session

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Store is a store that several configs may share, one after the other
// or at once.
type Store struct {
	// Store measures what is done with it.
	tokenstore.Store
	// Name is the guest module's.
	Name string

	meter  *telemetry.StoreMeter
	reads  probe
	writes probe
	// probeKey is that of the record of writes. No session has it.
	probeKey string
	opened   tokenstore.Store

	mu    sync.Mutex
	users []*Manager
	lists []KeyLists
	known []SessionLists
}

func openStore(provider tokenstore.Provider, clock pkce.Clock) (*Store, error) {
	store, err := provider.Store()
	if err != nil {
		return nil, err
	}
	name := "unknown"
	if mod, ok := provider.(caddy.Module); ok {
		name = mod.CaddyModule().ID.Name()
	}
	meter := telemetry.NewStoreMeter(name, clock)
	return &Store{Store: telemetry.Measured(store, meter), Name: name, meter: meter, opened: store, probeKey: tokenstore.NewSessionID().Key(tokenstore.KindProbe)}, nil
}

// Destruct implements caddy.Destructor. It closes the store, for the last
// config that uses it is gone.
func (p *Store) Destruct() error {
	if c, ok := p.opened.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Shared reports whether other instances may use the store as well.
func (p *Store) Shared() bool { return p.Name != "memory" }

// join has m use p until m.Destruct. A store tells its user nothing of what that
// user changes itself, and p is one user to it, however many sets of sessions are
// behind. They may have the same sessions, as those of two sites that differ in
// one option or of two configs during a reload, so each is told of what the others
// change. It must be called before m is used.
func (p *Store) join(m *Manager) {
	m.store = storeView{p.Store, p, m}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append(p.users, m)
}

func (p *Store) leave(m *Manager) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = slices.DeleteFunc(p.users, func(other *Manager) bool { return other == m })
}

// Create implements tokenstore.Store, for records that are no session's. All users
// have been told when it returns, as after the other changes.
func (p *Store) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	err := p.Store.Create(ctx, key, rec)
	p.changed(key, nil)
	return err
}

// Update implements tokenstore.Store.
func (p *Store) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	err := p.Store.Update(ctx, key, rec)
	p.changed(key, nil)
	return err
}

// Delete implements tokenstore.Store.
func (p *Store) Delete(ctx context.Context, key string) error {
	err := p.Store.Delete(ctx, key)
	p.changed(key, nil)
	return err
}

// changed tells all users but one, which may be nil, that a record was changed by
// that one. Sessions of other apps have other keys, so their users are not told.
func (p *Store) changed(key string, by *Manager) {
	p.mu.Lock()
	users := slices.Clone(p.users)
	p.mu.Unlock()
	for _, m := range users {
		if m != by && (by == nil || m.Namespace == by.Namespace) {
			m.changed(key)
		}
	}
}

// storeView is a Store as one of its users uses it.
type storeView struct {
	tokenstore.Store
	pool *Store
	user *Manager
}

// Update implements tokenstore.Store. The other users have been told when it
// returns.
func (v storeView) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	err := v.Store.Update(ctx, key, rec)
	if err == nil {
		v.pool.changed(key, v.user)
	}
	return err
}

// Delete implements tokenstore.Store. The other users have been told when it
// returns, also after an error: the record may be gone all the same.
func (v storeView) Delete(ctx context.Context, key string) error {
	err := v.Store.Delete(ctx, key)
	v.pool.changed(key, v.user)
	return err
}
