package quota

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
)

// disk is a storage in memory. An instance has a handle on it.
type disk struct {
	mu     sync.Mutex
	files  map[string][]byte
	writes int
}

func newDisk() *disk { return &disk{files: make(map[string][]byte)} }

// handle is one instance's access to a disk, until it is killed.
type handle struct {
	certmagic.Storage
	*disk
	dead bool
}

var errDead = errors.New("the instance is dead")

func (d *disk) handle() *handle { return &handle{disk: d} }

func (h *handle) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = true
}

func (h *handle) do(f func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return errDead
	}
	return f()
}

// Instances run one after the other here, so a lock is always free.
func (h *handle) Lock(context.Context, string) error { return h.do(func() error { return nil }) }

func (h *handle) Unlock(context.Context, string) error { return nil }

func (h *handle) Store(_ context.Context, key string, value []byte) error {
	return h.do(func() error { h.writes++; h.files[key] = slices.Clone(value); return nil })
}

func (h *handle) Load(_ context.Context, key string) (value []byte, err error) {
	err = h.do(func() error {
		var ok bool
		if value, ok = h.files[key]; !ok {
			return fs.ErrNotExist
		}
		return nil
	})
	return value, err
}

func (h *handle) Delete(_ context.Context, key string) error {
	return h.do(func() error { delete(h.files, key); return nil })
}

func (h *handle) List(_ context.Context, folder string, _ bool) (keys []string, err error) {
	err = h.do(func() error {
		for _, key := range slices.Sorted(maps.Keys(h.files)) {
			if strings.TrimSuffix(path.Dir(key), "/") == folder {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}
