// Package caddystorage keeps sessions in Caddy's configured storage: in files
// unless configured otherwise, or in whatever storage plugin a cluster of Caddy
// instances shares already. It registers the guest module
// http.handlers.spotify_auth.stores.caddy.
//
// A record is one JSON file, <prefix>/<first two digits of the key>/<key>.json.
// Changes and leases are kept apart by the storage's own locks, preceded by
// locks in the process, because file storage polls for its locks each second.
package caddystorage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Store implements tokenstore.Store and tokenstore.Sweeper over a
// certmagic.Storage. It is safe for concurrent use. The zero value is not
// usable; call New.
//
// How well it keeps several machines apart is up to the storage's locks. Where
// a storage loses a lock, two instances may refresh one session at once; a
// record then still holds what one of them saved.
type Store struct {
	*backend
	close func() error
}

// Config says how a Store is made. The zero value is ready for use.
type Config struct {
	// Prefix is the folder of the records; "" means DefaultPrefix.
	Prefix string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger is told of records that cannot be read; nil means nobody is.
	Logger *zap.Logger
}

// New returns the store in a folder of storage. It fails only if the prefix is
// not fit for one, and does no I/O.
func New(storage certmagic.Storage, cfg Config) (*Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if err := checkPrefix(cfg.Prefix); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	b := newBackend(cfg.Prefix, cfg.Now)
	b.add(&use{storage: storage, logger: cfg.Logger})
	return &Store{backend: b, close: func() error { return nil }}, nil
}

// Close ends the use of the store. Leases held may still be released.
func (s *Store) Close() error { return s.close() }

// Folder returns the folder of the records within the storage.
func (s *Store) Folder() string { return s.prefix }

// begin is what every method does first.
func begin(ctx context.Context, key string) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// Load implements tokenstore.Store. A record that cannot be read is not found.
func (s *Store) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("loading session: %w", err)
	}
	rec, err := s.read(ctx, s.storage(), key)
	if err != nil {
		return nil, fmt.Errorf("loading session: %w", err)
	}
	if s.expired(rec.Meta) {
		return nil, tokenstore.ErrNotFound
	}
	return rec, nil
}

// Create implements tokenstore.Store. It is not atomic between processes: two
// never draw the same key.
func (s *Store) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("creating session: %w", err)
	}
	err := s.create(ctx, key, rec)
	if err != nil {
		return fmt.Errorf("creating session: %w", err)
	}
	return nil
}

func (s *Store) create(ctx context.Context, key string, rec *tokenstore.Record) error {
	unlock, err := s.changes.Lock(ctx, key)
	if err != nil {
		return err
	}
	storage := s.storage()
	_, err = storage.Load(ctx, s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		defer unlock()
		return s.write(ctx, storage, key, rec)
	}
	unlock()
	if err != nil {
		return err
	}
	// A sweeper may be about to remove what is there, if it has expired.
	return s.change(ctx, key, func(ctx context.Context, storage certmagic.Storage) error {
		switch old, err := s.read(ctx, storage, key); {
		case err == nil && !s.expired(old.Meta):
			return tokenstore.ErrExists
		case errors.Is(err, errCorrupt):
			return tokenstore.ErrExists
		case err != nil && !errors.Is(err, tokenstore.ErrNotFound):
			return err
		}
		return s.write(ctx, storage, key, rec)
	})
}

// Update implements tokenstore.Store.
func (s *Store) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("updating session: %w", err)
	}
	err := s.change(ctx, key, func(ctx context.Context, storage certmagic.Storage) error {
		old, err := s.read(ctx, storage, key)
		switch {
		case err != nil:
			return err
		case s.expired(old.Meta):
			return tokenstore.ErrNotFound
		case old.Version != rec.Version:
			return tokenstore.ErrConflict
		}
		return s.write(ctx, storage, key, rec)
	})
	if err != nil {
		return fmt.Errorf("updating session: %w", err)
	}
	return nil
}

// Delete implements tokenstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("deleting session: %w", err)
	}
	err := s.change(ctx, key, func(ctx context.Context, storage certmagic.Storage) error {
		return s.remove(ctx, storage, key)
	})
	if err != nil {
		return fmt.Errorf("deleting session: %w", err)
	}
	return nil
}

// write stores rec under a new version and sets it on success.
func (s *Store) write(ctx context.Context, storage certmagic.Storage, key string, rec *tokenstore.Record) error {
	next := *rec
	next.Version = rand.Text() // 128 random bits: no version comes twice
	file, err := encode(&next)
	if err != nil {
		return err
	}
	if err := storage.Store(ctx, s.path(key), file); err != nil {
		return err
	}
	rec.Version = next.Version
	return nil
}

// remove deletes the record's file. Some storages take a missing one for an
// error, against their contract.
func (s *Store) remove(ctx context.Context, storage certmagic.Storage, key string) error {
	if err := storage.Delete(ctx, s.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) expired(meta tokenstore.Meta) bool { return !s.now().Before(meta.ExpiresAt) }

// Interface guards
var (
	_ tokenstore.Store   = (*Store)(nil)
	_ tokenstore.Sweeper = (*Store)(nil)
)
