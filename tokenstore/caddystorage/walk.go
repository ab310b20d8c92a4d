package caddystorage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// folders is how many folders the records are spread over.
const folders = 256

// listTries is how often a folder is listed that changes meanwhile.
const listTries = 10

// Walk implements tokenstore.Store. It lists one folder after the other, so that
// it neither holds all keys at once nor keeps the storage busy for long.
func (s *Store) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		storage := s.storage()
		for folder := range folders {
			keys, err := s.list(ctx, storage, folder)
			if err != nil {
				yield(tokenstore.Entry{}, fmt.Errorf("walking sessions: %w", err))
				return
			}
			for _, key := range keys {
				meta, err := s.walked(ctx, storage, key)
				if errors.Is(err, tokenstore.ErrNotFound) || err == nil && s.expired(meta) {
					continue
				}
				if err != nil {
					yield(tokenstore.Entry{}, fmt.Errorf("walking sessions: %w", err))
					return
				}
				if !yield(tokenstore.Entry{Key: key, Meta: meta}, nil) {
					return
				}
			}
		}
	}
}

// walked reads the metadata of a record on the way.
func (s *Store) walked(ctx context.Context, storage certmagic.Storage, key string) (tokenstore.Meta, error) {
	if err := ctx.Err(); err != nil {
		return tokenstore.Meta{}, err
	}
	return s.readMeta(ctx, storage, key)
}

// list returns the keys of the records in the nth folder.
func (b *backend) list(ctx context.Context, storage certmagic.Storage, n int) ([]string, error) {
	digits := fmt.Sprintf("%02x", n)
	var files []string
	var err error
	for range listTries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		files, err = storage.List(ctx, b.folder(digits), false)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// File storage says so of a missing folder, and also when a file in it
		// vanished between two steps of the listing.
		if !storage.Exists(ctx, b.folder(digits)) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(files))
	for _, file := range files {
		// What else is there, such as the temporary files of file storage, is not ours.
		key, ok := strings.CutSuffix(path.Base(file), ".json")
		if ok && tokenstore.CheckKey(key) == nil && strings.HasPrefix(key, digits) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
