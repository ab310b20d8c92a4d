package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// noticeLife is how long a notice stays in the store if nobody replaces it.
	noticeLife = 10 * time.Minute
	// readerLife is how long an instance that reads is known to do so, and readerEvery
	// how often it says so.
	readerLife  = 45 * time.Second
	readerEvery = 15 * time.Second
	// leasePatience is how long the lease is waited for. Another instance has it for as
	// long as somebody listens there.
	leasePatience = 400 * time.Millisecond
)

// board keeps the notices about one account in the token store, sealed, under ids that
// derive from the site's secret. The instances that share the store and the secret meet
// there. No content is written while one instance is alone.
type board struct {
	store   tokenstore.Store
	now     func() time.Time
	secret  *secret.Stored
	names   []string // of the account's records
	mu      sync.Mutex
	ids     *boardIDs // once they are known
	version string    // of the notice, as it was seen last
	said    time.Time // when this instance made itself known last
}

// boardIDs are the ids of an account's records.
type boardIDs struct{ notice, readers tokenstore.SessionID }

// Labels keep the ids apart from those of other records, and namespaces theirs.
const (
	noticeLabel  = "caddy-spotify player notice v1\x00"
	readersLabel = "caddy-spotify player readers v1\x00"
	namespace    = "player"
)

func newBoard(o *Options, account string) *board {
	return &board{
		store: o.Site.Store, now: o.Site.Clock.Now, secret: o.Secret,
		names: []string{o.Site.ClientID, o.Site.Origin, o.Site.Prefix, account},
	}
}

// id returns the ids of the records. b is locked.
func (b *board) id(ctx context.Context) (*boardIDs, error) {
	if b.ids != nil {
		return b.ids, nil
	}
	key, err := b.secret.Load(ctx)
	if err != nil {
		return nil, err
	}
	var ids boardIDs
	for id, label := range map[*tokenstore.SessionID]string{&ids.notice: noticeLabel, &ids.readers: readersLabel} {
		if *id, err = secret.DeriveID(key, append([]string{label}, b.names...)...); err != nil {
			return nil, err
		}
	}
	b.ids = &ids
	return b.ids, nil
}

// Lease implements player.Board.
func (b *board) Lease(ctx context.Context) (player.Lease, error) {
	b.mu.Lock()
	ids, err := b.id(ctx)
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, leasePatience)
	defer cancel()
	lease, err := b.store.Lease(patient, ids.notice.Key(namespace))
	if err != nil {
		if patient.Err() != nil && ctx.Err() == nil {
			return nil, player.ErrLeased
		}
		return nil, fmt.Errorf("leasing the player: %w", err)
	}
	return lease, nil
}

// Read implements player.Board.
func (b *board) Read(ctx context.Context, polls bool) (player.Reading, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids, err := b.id(ctx)
	if err != nil {
		return player.Reading{}, err
	}
	var r player.Reading
	if polls {
		_, err := b.store.Load(ctx, ids.readers.Key(namespace))
		if errors.Is(err, tokenstore.ErrNotFound) {
			return r, nil // nobody posts but this instance
		}
		if err != nil {
			return r, err
		}
		r.Others = true
	} else if err := b.say(ctx, ids); err != nil {
		return r, err
	}
	rec, err := b.store.Load(ctx, ids.notice.Key(namespace))
	if errors.Is(err, tokenstore.ErrNotFound) {
		b.version = ""
		return r, nil
	}
	if err != nil {
		return r, err
	}
	b.version = rec.Version
	plain, err := tokenstore.Open(ids.notice, namespace, rec.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, &r.Notice)
	}
	if err != nil {
		return player.Reading{Others: r.Others}, nil //nolint:nilerr // it is no notice, and the next one replaces it
	}
	r.Version = rec.Version
	return r, nil
}

// say makes this instance known as one that reads. b is locked.
func (b *board) say(ctx context.Context, ids *boardIDs) error {
	now := b.now()
	if !b.said.IsZero() && now.Sub(b.said).Abs() < readerEvery {
		return nil
	}
	if _, err := b.put(ctx, ids.readers, "", readerLife, []byte("{}")); err != nil {
		return err
	}
	b.said = now
	return nil
}

// Post implements player.Board.
func (b *board) Post(ctx context.Context, n player.Notice) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids, err := b.id(ctx)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(n)
	if err != nil {
		return "", err
	}
	version, err := b.put(ctx, ids.notice, b.version, noticeLife, plain)
	if err != nil {
		return "", err
	}
	b.version = version
	return version, nil
}

// put stores a record under an id, whatever is there, and returns its version.
func (b *board) put(ctx context.Context, id tokenstore.SessionID, version string, life time.Duration, plain []byte) (string, error) {
	sealed, err := tokenstore.Seal(id, namespace, plain)
	if err != nil {
		return "", err
	}
	now := b.now()
	rec := &tokenstore.Record{
		Meta:   tokenstore.Meta{Kind: tokenstore.KindNotice, CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(life)},
		Sealed: sealed, Version: version,
	}
	key := id.Key(namespace)
	const tries = 3
	for range tries {
		if rec.Version == "" {
			err = b.store.Create(ctx, key, rec)
		} else {
			err = b.store.Update(ctx, key, rec)
		}
		switch {
		case err == nil:
			return rec.Version, nil
		case errors.Is(err, tokenstore.ErrNotFound):
			rec.Version = ""
		case errors.Is(err, tokenstore.ErrExists), errors.Is(err, tokenstore.ErrConflict):
			there, loadErr := b.store.Load(ctx, key)
			switch {
			case loadErr == nil:
				rec.Version = there.Version
			case errors.Is(loadErr, tokenstore.ErrNotFound):
				rec.Version = ""
			default:
				return "", loadErr
			}
		default:
			return "", err
		}
	}
	return "", err
}

// Clear implements player.Board.
func (b *board) Clear(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids, err := b.id(ctx)
	if err != nil {
		return err
	}
	b.version = ""
	return b.store.Delete(ctx, ids.notice.Key(namespace))
}
