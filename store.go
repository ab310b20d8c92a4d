package caddyspotify

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// pooledStore is a store that several configs may share, one after the other
// or at once.
type pooledStore struct {
	// Store measures what is done with it.
	tokenstore.Store
	// name is the guest module's.
	name string

	meter  *storeMeter
	probe  storeProbe
	opened tokenstore.Store
}

func openStore(provider tokenstore.Provider, clock pkce.Clock) (*pooledStore, error) {
	store, err := provider.Store()
	if err != nil {
		return nil, err
	}
	name := "unknown"
	if mod, ok := provider.(caddy.Module); ok {
		name = mod.CaddyModule().ID.Name()
	}
	meter := newStoreMeter(name, clock)
	return &pooledStore{Store: measured(store, meter), name: name, meter: meter, opened: store}, nil
}

// Destruct implements caddy.Destructor. It closes the store, for the last
// config that uses it is gone.
func (p *pooledStore) Destruct() error {
	if c, ok := p.opened.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

const (
	// reachableFor is how long it counts that the store could be reached or
	// not, so that load balancers that ask often cost nothing.
	reachableFor = time.Second
	// probeTimeout bounds one attempt at reaching the store.
	probeTimeout = 2 * time.Second
)

// storeProbe remembers what came of the last attempt to reach a store.
type storeProbe struct {
	mu   sync.Mutex
	made bool
	at   time.Duration
	err  error
}

// nobody is a key that no session has: its hash would have to be zero.
var nobody = strings.Repeat("0", 64)

// reachable returns nil if the store answers, or has answered in the last second.
// Callers that come at once share one attempt.
func (p *pooledStore) reachable(ctx context.Context) error {
	if p.meter.answeredWithin(reachableFor) {
		return nil
	}
	p.probe.mu.Lock()
	defer p.probe.mu.Unlock()
	if p.probe.made && p.meter.clock.Monotonic()-p.probe.at < reachableFor {
		return p.probe.err
	}
	// One caller's hanging up is not the others' business.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	_, err := p.Load(ctx, nobody)
	if errors.Is(err, tokenstore.ErrNotFound) {
		err = nil
	}
	p.probe.made, p.probe.at, p.probe.err = true, p.meter.clock.Monotonic(), err
	return err
}
