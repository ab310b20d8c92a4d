package caddystorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// errCorrupt says that a record's file is not one. It is an ErrNotFound: were it
// taken for an outage, its user would be asked to come back later for ever,
// instead of to sign in again.
var errCorrupt = fmt.Errorf("%w: its file is corrupt", tokenstore.ErrNotFound)

// errNoVersion is why a file that is JSON is still not a record.
var errNoVersion = errors.New("it has no version")

// corruptLimit bounds how many corrupt records are remembered as reported.
const corruptLimit = 1000

// path returns where the record under key is stored.
func (b *backend) path(key string) string { return b.folder(key[:2]) + "/" + key + ".json" }

// folder returns the folder of all records whose keys begin with two given digits.
func (b *backend) folder(digits string) string { return b.prefix + "/" + digits }

func encode(rec *tokenstore.Record) ([]byte, error) { return json.Marshal(rec) }

// header is what the listing of records needs of each.
type header struct {
	tokenstore.Meta
	Version string `json:"version"`
}

// read returns the record under key, expired or not. It returns ErrNotFound if
// there is none, and errCorrupt if it cannot be read; then it says so in the
// log, once, and leaves the file for the operator to look at.
func (b *backend) read(ctx context.Context, storage certmagic.Storage, key string) (*tokenstore.Record, error) {
	rec := new(tokenstore.Record)
	if err := b.decode(ctx, storage, key, rec); err != nil {
		return nil, err
	}
	if rec.Version == "" {
		return nil, b.corrupt(key, errNoVersion)
	}
	return rec, nil
}

// readMeta is read for those who need the metadata only.
func (b *backend) readMeta(ctx context.Context, storage certmagic.Storage, key string) (tokenstore.Meta, error) {
	var h header
	if err := b.decode(ctx, storage, key, &h); err != nil {
		return tokenstore.Meta{}, err
	}
	if h.Version == "" {
		return tokenstore.Meta{}, b.corrupt(key, errNoVersion)
	}
	return h.Meta, nil
}

// decode reads the file of the record under key into v.
func (b *backend) decode(ctx context.Context, storage certmagic.Storage, key string, v any) error {
	file, err := storage.Load(ctx, b.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return tokenstore.ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(file, v); err != nil {
		return b.corrupt(key, err)
	}
	return nil
}

// corrupt reports a corrupt record, once for each key.
func (b *backend) corrupt(key string, reason error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, reported := b.reported[key]; !reported && len(b.reported) < corruptLimit {
		b.reported[key] = struct{}{}
		b.current.Load().logger.Warn("session record is corrupt; session ended, file kept for inspection",
			zap.String("session", tokenstore.Ref(key)),
			zap.String("folder", b.folder(key[:2])),
			zap.Error(reason))
	}
	return errCorrupt
}
