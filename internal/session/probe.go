package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// reachableFor is how long it counts that the store could be read, and that it
	// could not be read or written, so that load balancers that ask often cost
	// nothing.
	reachableFor = time.Second
	// writableFor is how long it counts that the store could be written.
	writableFor = 5 * time.Second
	// probeTimeout bounds one attempt at reading or writing the store.
	probeTimeout = 2 * time.Second
	// probeLife is how long the record of a probe lasts that is not deleted.
	probeLife = time.Minute
)

// probe remembers what came of the last attempt at something.
type probe struct {
	mu   sync.Mutex
	made bool
	at   time.Duration // by the monotonic clock
	err  error
}

// try makes an attempt, or returns what came of the last one if that still counts:
// for validFor if it was a success, else for reachableFor. Callers that come at
// once share one attempt, and one's hanging up is not the others' business.
func (p *probe) try(ctx context.Context, clock pkce.Clock, validFor time.Duration, attempt func(context.Context) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		validFor = reachableFor
	}
	if p.made && clock.Monotonic()-p.at < validFor {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	err := attempt(ctx)
	p.made, p.at, p.err = true, clock.Monotonic(), err
	return err
}

// nobody is a key that no session has: its hash would have to be zero.
var nobody = strings.Repeat("0", 64)

// Ready returns nil if a login could be saved now: the store has answered within
// the last second and was written to in the last five. Without other users it is
// read, and a record written and deleted, to find out.
func (p *Store) Ready(ctx context.Context) error {
	if !p.meter.AnsweredWithin(reachableFor) {
		err := p.reads.try(ctx, p.meter.Clock, reachableFor, func(ctx context.Context) error {
			_, err := p.Load(ctx, nobody)
			if errors.Is(err, tokenstore.ErrNotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if p.meter.WrittenWithin(writableFor) {
		return nil
	}
	return p.writes.try(ctx, p.meter.Clock, writableFor, p.write)
}

// write creates a record and deletes it. Storages may grant the one and not the
// other.
func (p *Store) write(ctx context.Context) error {
	now := p.meter.Clock.Now().UTC()
	rec := &tokenstore.Record{
		Meta:   tokenstore.Meta{Kind: tokenstore.KindProbe, CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(probeLife)},
		Sealed: []byte(tokenstore.KindProbe),
	}
	// One that is there already was left when deleting it failed.
	if err := p.Create(ctx, p.probeKey, rec); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		return fmt.Errorf("writing to the store: %w", err)
	}
	if err := p.Delete(ctx, p.probeKey); err != nil {
		return fmt.Errorf("deleting from the store: %w", err)
	}
	return nil
}
