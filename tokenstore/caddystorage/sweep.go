package caddystorage

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// sweepFolders is how many folders one call of Sweep looks into at most.
	sweepFolders = 16
	// sweepRecords is the number of records after which it looks into no other.
	sweepRecords = 1000
)

// Sweep implements tokenstore.Sweeper. It goes on where the last call ended, and
// begins at random. Records that cannot be read stay: they may be of use to
// somebody, if only to find out what happened to them.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	storage := s.storage()
	seen := 0
	for range sweepFolders {
		keys, err := s.list(ctx, storage, s.nextFolder())
		if err != nil {
			return removed, fmt.Errorf("sweeping sessions: %w", err)
		}
		for _, key := range keys {
			swept, err := s.sweep(ctx, storage, key)
			if err != nil {
				return removed, fmt.Errorf("sweeping sessions: %w", err)
			}
			if swept {
				removed++
			}
		}
		if seen += len(keys); seen >= sweepRecords {
			break
		}
	}
	return removed, nil
}

// nextFolder moves the cursor on first, so that trouble in one folder does not
// keep the others from being swept.
func (b *backend) nextFolder() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	folder := b.cursor
	b.cursor = (b.cursor + 1) % folders
	return folder
}

// sweep removes the record under key if it has expired, and asks again once it
// holds the lock: another instance may have put a new record in its place.
func (s *Store) sweep(ctx context.Context, storage certmagic.Storage, key string) (swept bool, err error) {
	if due, err := s.due(ctx, storage, key); !due {
		return false, err
	}
	err = s.change(ctx, key, func(ctx context.Context, storage certmagic.Storage) error {
		due, err := s.due(ctx, storage, key)
		if !due {
			return err
		}
		swept = true
		return s.remove(ctx, storage, key)
	})
	return swept && err == nil, err
}

// due reports whether there is a record under key that has expired.
func (s *Store) due(ctx context.Context, storage certmagic.Storage, key string) (bool, error) {
	meta, err := s.walked(ctx, storage, key)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return false, nil
	}
	return err == nil && s.expired(meta), err
}
