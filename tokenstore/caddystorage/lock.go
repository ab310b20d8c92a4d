package caddystorage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// changeTimeout bounds how long a change may take once it holds the lock, so
	// that it is over before a storage takes its holder for dead.
	changeTimeout = 5 * time.Second
	// unlockTimeout bounds how long giving a lock back is tried.
	unlockTimeout = 5 * time.Second
	// unlockRetry is the first wait between two such tries; it doubles.
	unlockRetry = 100 * time.Millisecond
)

// lockName returns the name of a lock of the record under key. Storages turn it
// into a file name and drop slashes on the way.
func (b *backend) lockName(purpose, key string) string {
	return strings.ReplaceAll(b.prefix, "/", "_") + "_" + key + "_" + purpose
}

// change runs f, which may change the record under key, while nobody else
// changes it, in this process or another. So a save that comes late finds out
// that the record is gone, instead of bringing it back.
func (b *backend) change(ctx context.Context, key string, f func(context.Context, certmagic.Storage) error) error {
	unlock, err := b.changes.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	storage, name := b.storage(), b.lockName("change", key)
	if _, err := b.lock(ctx, storage, name, false); err != nil {
		return err
	}
	defer func() {
		if err := b.unlock(ctx, storage, name); err != nil {
			// The change itself was made or not; this does not alter it.
			b.current.Load().logger.Warn("unlocking session record failed; writes to the session wait until the lock is stale",
				zap.String("session", tokenstore.Ref(key)), zap.Error(err))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return f(ctx, storage)
}

// lock waits for a lock of the storage until ctx ends. It reports whether the
// lock was taken from a holder that had died, as far as that can be told. A lock
// that is renewed is a lease.
func (b *backend) lock(ctx context.Context, storage certmagic.Storage, name string, renewed bool) (expired bool, err error) {
	expired, err = lockStorage(ctx, storage, name, renewed)
	if ended := ctx.Err(); ended != nil {
		if err == nil {
			_ = b.unlock(ctx, storage, name) // if even that fails, the lock goes stale
		}
		// Storages word their errors as they like when ctx ends.
		return false, fmt.Errorf("waiting for the storage's lock: %w", ended)
	}
	return expired, err
}

// unlock gives a lock of the storage back, even after ctx has ended, and tries
// again for a while if that fails: file storage would keep it for as long as the
// process lives. A lock that is gone already is no error.
func (b *backend) unlock(ctx context.Context, storage certmagic.Storage, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	for wait := unlockRetry; ; wait *= 2 {
		err := storage.Unlock(ctx, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
		// A reload may have closed the storage since the lock was taken.
		storage = b.storage()
	}
}
