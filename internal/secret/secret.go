// Package secret keeps a site's secrets, given or made once in Caddy's storage, and
// derives the ids of records from them.
package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const storedKeySize = 32

// loadTimeout bounds one wait for Caddy's storage.
const loadTimeout = 5 * time.Second

// Stored is a secret from which the ids of some records derive: the one
// given, or one that is made once for all instances that share Caddy's storage.
// It is read when it is first needed, since checking a config must touch no
// storage.
type Stored struct {
	given   string
	storage certmagic.Storage
	Option  string // the option that it is for: "share"
	Remedy  string // what to do once it is lost

	kept atomic.Pointer[[]byte]

	mu     sync.Mutex
	flight *keyFlight // the attempt under way
}

// keyFlight is one attempt at reading the key, which all who need it meanwhile wait
// for.
type keyFlight struct {
	done chan struct{}
	key  []byte // once done is closed
	err  error
}

// New returns the secret of an option: the one given, or, if that is empty,
// one that is kept in storage. The remedy is what to do once it is lost.
func New(given string, storage certmagic.Storage, option, remedy string) *Stored {
	return &Stored{given: given, storage: storage, Option: option, Remedy: remedy}
}

// file is where the key is kept in Caddy's storage.
func (k *Stored) file() string { return "spotify/" + k.Option + "/key" }

func (k *Stored) lock() string { return "spotify_" + k.Option + "_key" }

// Load returns the key. However many need it at once, the storage is asked once,
// and each of them waits for loadTimeout at most, or until ctx ends.
func (k *Stored) Load(ctx context.Context) ([]byte, error) {
	if k.given != "" {
		return []byte(k.given), nil
	}
	if key := k.kept.Load(); key != nil {
		return *key, nil
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	k.mu.Lock()
	flight := k.flight
	if flight == nil {
		flight = &keyFlight{done: make(chan struct{})}
		k.flight = flight
		// One caller's hanging up is not the others' business.
		go k.fly(context.WithoutCancel(ctx), flight)
	}
	k.mu.Unlock()
	select {
	case <-flight.done:
		return flight.key, flight.err
	case <-ctx.Done():
		// Not every storage ends with a context.
		return nil, fmt.Errorf("the key of %s: %w", k.Option, ctx.Err())
	}
}

// fly makes one attempt at reading the key.
func (k *Stored) fly(ctx context.Context, flight *keyFlight) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	key, err := k.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = k.create(ctx)
	}
	if err != nil {
		flight.err = fmt.Errorf("the key of %s: %w", k.Option, err)
	} else {
		flight.key = key
		k.kept.Store(&key)
	}
	k.mu.Lock()
	k.flight = nil
	k.mu.Unlock()
	close(flight.done)
}

func (k *Stored) read(ctx context.Context) ([]byte, error) {
	key, err := k.storage.Load(ctx, k.file())
	if err != nil {
		return nil, err
	}
	if len(key) != storedKeySize {
		return nil, fmt.Errorf("what is stored in %s is no key: delete it, then %s", k.file(), k.Remedy)
	}
	return key, nil
}

// create makes the key, unless another instance is first.
func (k *Stored) create(ctx context.Context) (key []byte, err error) {
	if err := k.storage.Lock(ctx, k.lock()); err != nil {
		return nil, err
	}
	defer func() {
		if unlockErr := k.storage.Unlock(context.WithoutCancel(ctx), k.lock()); unlockErr != nil && err == nil {
			err = unlockErr
		}
	}()
	key, err = k.read(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, storedKeySize)
	_, _ = rand.Read(key) // never fails
	if err := k.storage.Store(ctx, k.file(), key); err != nil {
		return nil, err
	}
	return key, nil
}

// DeriveID returns the id of a record that nobody was given the id of. It derives
// from a secret by HKDF-SHA256 (RFC 5869); what names the record begins with a
// label, which keeps it apart from any other use of the secret.
func DeriveID(secret []byte, names ...string) (tokenstore.SessionID, error) {
	b, err := hkdf.Key(sha256.New, secret, nil, strings.Join(names, "\x00"), len(tokenstore.SessionID{}))
	if err != nil {
		return tokenstore.SessionID{}, fmt.Errorf("deriving the id of a record: %w", err)
	}
	return tokenstore.SessionID(b), nil
}
