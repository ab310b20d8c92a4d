package secret

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// hangingStorage is a storage that hangs, until the context ends or for good.
type hangingStorage struct {
	certmagic.Storage
	forGood <-chan struct{}
	loads   atomic.Int32
}

func (h *hangingStorage) Load(ctx context.Context, _ string) ([]byte, error) {
	h.loads.Add(1)
	if h.forGood != nil {
		<-h.forGood
		return nil, errors.New("a late error")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Nobody waits for a storage that hangs in others' stead, however many need the
// key at once and however many of them have hung up.
func TestStoredKeyInAStorageThatHangs(t *testing.T) {
	for name, forGood := range map[string]bool{"until the context ends": false, "for good": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := new(hangingStorage)
				if forGood {
					never := make(chan struct{})
					defer close(never)
					storage.forGood = never
				}
				k := &Stored{storage: storage, Option: "share"}
				began := time.Now()
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						ctx, most := t.Context(), loadTimeout
						if i%2 == 0 {
							most = time.Second
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(ctx, most)
							defer cancel()
						}
						if _, err := k.Load(ctx); !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("load: %v", err)
						}
						if took := time.Since(began); took != most {
							t.Errorf("it took %s, want %s", took, most)
						}
					})
				}
				wg.Wait()
				if n := storage.loads.Load(); n != 1 {
					t.Errorf("the storage was asked %d times, want once", n)
				}
			})
		})
	}
}

// sharedStorage is a storage that two instances share, whose answers come with a
// pause so that they overlap. No more is needed of it than a key takes.
type sharedStorage struct {
	certmagic.Storage
	lock  chan struct{} // holds one
	mu    sync.Mutex
	files map[string][]byte
	fails error // of Load, unless it is nil
}

func newSharedStorage() *sharedStorage {
	return &sharedStorage{lock: make(chan struct{}, 1), files: make(map[string][]byte)}
}

func (s *sharedStorage) Lock(context.Context, string) error {
	s.lock <- struct{}{}
	return nil
}

func (s *sharedStorage) Unlock(context.Context, string) error {
	<-s.lock
	return nil
}

func (s *sharedStorage) Load(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	content, ok := s.files[name]
	err := s.fails
	s.mu.Unlock()
	time.Sleep(time.Millisecond)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(content), nil
}

func (s *sharedStorage) Store(_ context.Context, name string, content []byte) error {
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = bytes.Clone(content)
	return nil
}

// Instances that begin at once have one key: none overwrites what another has made
// since it looked.
func TestStoredKeyIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newSharedStorage()
		var keys [4][]byte
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				k := &Stored{storage: storage, Option: "share"}
				var err error
				if keys[i], err = k.Load(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, key := range keys {
			if len(key) != storedKeySize || !bytes.Equal(key, keys[0]) || !bytes.Equal(key, storage.files["spotify/share/key"]) {
				t.Errorf("instance %d has another key than the first or the storage", i)
			}
		}
		if len(storage.lock) != 0 {
			t.Error("the lock is held")
		}
	})
}

// A failure is not remembered, and makes no key.
func TestStoredKeyAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newSharedStorage()
		want := bytes.Repeat([]byte("k"), storedKeySize)
		storage.files["spotify/share/key"] = want
		storage.fails = errors.New("the disk is on fire")
		k := &Stored{storage: storage, Option: "share"}
		if key, err := k.Load(t.Context()); !errors.Is(err, storage.fails) || key != nil {
			t.Errorf("load: %v", err)
		}
		storage.fails = nil
		for range 2 {
			if key, err := k.Load(t.Context()); err != nil || !bytes.Equal(key, want) {
				t.Errorf("load: %q, %v", key, err)
			}
		}
	})
}
