package caddystorage_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// fakeStorage is a certmagic.Storage in memory that behaves as storages over a
// network do: folders do not exist, locks are granted at once when they are
// free, and everything fails while it is down. Several handles share one.
type fakeStorage struct {
	mu    sync.Mutex
	files map[string][]byte
	locks map[string]chan struct{} // closed when the lock is free again
	lists int
	loads int
}

var (
	errDown     = errors.New("connection refused")
	errReadOnly = errors.New("read-only storage")
)

func newFakeStorage() *fakeStorage {
	return &fakeStorage{files: make(map[string][]byte), locks: make(map[string]chan struct{})}
}

// handle is one process's connection to a fakeStorage.
type handle struct {
	*fakeStorage
	down atomic.Bool
	// readOnly has all fail that changes anything.
	readOnly atomic.Bool
	// unlockErr is what Unlock returns instead of unlocking, while it is set.
	unlockErr atomic.Pointer[error]
}

func (s *fakeStorage) handle() *handle { return &handle{fakeStorage: s} }

// reach takes the lock of the storage if it can be reached.
func (h *handle) reach(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.down.Load() {
		return errDown
	}
	h.mu.Lock()
	return nil
}

// change is reach for those who change something.
func (h *handle) change(ctx context.Context) error {
	if h.readOnly.Load() {
		return errReadOnly
	}
	return h.reach(ctx)
}

func (h *handle) Store(ctx context.Context, key string, value []byte) error {
	if err := h.change(ctx); err != nil {
		return err
	}
	defer h.mu.Unlock()
	h.files[key] = bytes.Clone(value)
	return nil
}

func (h *handle) Load(ctx context.Context, key string) ([]byte, error) {
	if err := h.reach(ctx); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	h.loads++
	if value, ok := h.files[key]; ok {
		return bytes.Clone(value), nil
	}
	return nil, fs.ErrNotExist
}

// Delete takes a missing file for an error, as some storages do.
func (h *handle) Delete(ctx context.Context, key string) error {
	if err := h.change(ctx); err != nil {
		return err
	}
	defer h.mu.Unlock()
	if _, ok := h.files[key]; !ok {
		return fs.ErrNotExist
	}
	delete(h.files, key)
	return nil
}

func (h *handle) Exists(ctx context.Context, key string) bool {
	if err := h.reach(ctx); err != nil {
		return false
	}
	defer h.mu.Unlock()
	_, ok := h.files[key]
	return ok
}

func (h *handle) List(ctx context.Context, path string, _ bool) ([]string, error) {
	if err := h.reach(ctx); err != nil {
		return nil, err
	}
	defer h.mu.Unlock()
	h.lists++
	var found []string
	for key := range h.files {
		if strings.HasPrefix(key, path+"/") {
			found = append(found, key)
		}
	}
	return found, nil
}

func (h *handle) Stat(context.Context, string) (certmagic.KeyInfo, error) {
	panic("not used")
}

func (h *handle) Lock(ctx context.Context, name string) error {
	for {
		if err := h.change(ctx); err != nil {
			return err
		}
		held := h.locks[name]
		if held == nil {
			h.locks[name] = make(chan struct{})
			h.mu.Unlock()
			return nil
		}
		h.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			// Not ctx's error: storages word their own.
			return errors.New("lock not acquired")
		}
	}
}

func (h *handle) Unlock(ctx context.Context, name string) error {
	if err := h.unlockErr.Load(); err != nil {
		return *err
	}
	if err := h.reach(ctx); err != nil {
		return err
	}
	defer h.mu.Unlock()
	held := h.locks[name]
	if held == nil {
		return errors.New("unlocking what is not locked")
	}
	close(held)
	delete(h.locks, name)
	return nil
}

// lockNames returns the names of the locks held.
func (s *fakeStorage) lockNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.locks))
}

// dump returns all names and contents.
func (s *fakeStorage) dump(*testing.T) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all bytes.Buffer
	for key, value := range s.files {
		all.WriteString(key + "\n")
		all.Write(value)
	}
	return all.Bytes()
}

// renewing is a handle of a storage that can renew its locks.
type renewing struct {
	*handle
	renew func(name string, d time.Duration) error
}

func (r renewing) RenewLockLease(_ context.Context, name string, d time.Duration) error {
	return r.renew(name, d)
}

// Interface guards
var (
	_ certmagic.Storage          = (*handle)(nil)
	_ certmagic.LockLeaseRenewer = renewing{}
)
