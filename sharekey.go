package caddyspotify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/caddyserver/certmagic"
)

const (
	// shareKeyFile is where the key for shared accounts is kept in Caddy's storage.
	shareKeyFile = "spotify/share/key"
	shareKeyLock = "spotify_share_key"
	shareKeySize = 32
)

// shareKey is the secret from which the ids of shared accounts' sessions derive:
// the one given, or one that is made once for all instances that share Caddy's
// storage. It is read when it is first needed, since checking a config must
// touch no storage.
type shareKey struct {
	given   string
	storage certmagic.Storage

	mu   sync.Mutex
	kept []byte
}

func (k *shareKey) load(ctx context.Context) ([]byte, error) {
	if k.given != "" {
		return []byte(k.given), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept != nil {
		return k.kept, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	key, err := k.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = k.create(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the key for the shared account: %w", err)
	}
	k.kept = key
	return key, nil
}

var errBadShareKey = errors.New("what is stored in " + shareKeyFile + " is no key: delete it, then connect the account anew")

func (k *shareKey) read(ctx context.Context) ([]byte, error) {
	key, err := k.storage.Load(ctx, shareKeyFile)
	if err != nil {
		return nil, err
	}
	if len(key) != shareKeySize {
		return nil, errBadShareKey
	}
	return key, nil
}

// create makes the key, unless another instance is first.
func (k *shareKey) create(ctx context.Context) (key []byte, err error) {
	if err := k.storage.Lock(ctx, shareKeyLock); err != nil {
		return nil, err
	}
	defer func() {
		if unlockErr := k.storage.Unlock(context.WithoutCancel(ctx), shareKeyLock); unlockErr != nil && err == nil {
			err = unlockErr
		}
	}()
	key, err = k.read(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, shareKeySize)
	_, _ = rand.Read(key) // never fails
	if err := k.storage.Store(ctx, shareKeyFile, key); err != nil {
		return nil, err
	}
	return key, nil
}
