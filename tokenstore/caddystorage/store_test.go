package caddystorage_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
	"github.com/caddyspotify/caddy-spotify/tokenstore/storetest"
)

var epoch = time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)

// open returns a store that stands for a process of its own.
func open(t *testing.T, storage certmagic.Storage, cfg caddystorage.Config) *caddystorage.Store {
	t.Helper()
	store, err := caddystorage.New(storage, cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return store
}

// R28 R38 S24 S26 O51 O54 O58: as the suite says, over the files that Caddy uses by default.
func TestFileStorage(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		clock := fakeclock.New(epoch)
		cfg := caddystorage.Config{Now: clock.Now}
		dir := filepath.Join(t.TempDir(), "data")
		return storetest.Instances{
			Stores: []tokenstore.Store{
				open(t, &certmagic.FileStorage{Path: dir}, cfg),
				open(t, &certmagic.FileStorage{Path: dir}, cfg),
			},
			Now:     clock.Now,
			Advance: clock.Advance,
			Down:    func(t *testing.T) func() { return takeAway(t, dir) },
			Dump:    func(t *testing.T) []byte { return dumpFiles(t, dir) },
		}
	})
}

// takeAway makes a folder inaccessible, whatever the rights of the user.
func takeAway(t *testing.T, dir string) (restore func()) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Rename(dir, dir+".away"))
	must(os.WriteFile(dir, nil, 0o600))
	return func() {
		must(os.Remove(dir))
		must(os.Rename(dir+".away", dir))
	}
}

func dumpFiles(t *testing.T, dir string) []byte {
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all.WriteString(path + "\n")
		all.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// R28 R38 S24 S26 O51 O54: as the suite says, over a storage shared by machines.
func TestSharedStorage(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		clock := fakeclock.New(epoch)
		cfg := caddystorage.Config{Now: clock.Now}
		shared := newFakeStorage()
		a, b, c := shared.handle(), shared.handle(), shared.handle()
		t.Cleanup(func() {
			if names := shared.lockNames(); len(names) > 0 {
				t.Errorf("locks are left over: %q", names)
			}
		})
		set := func(what func(*handle) *atomic.Bool) (restore func()) {
			for _, h := range []*handle{a, b, c} {
				what(h).Store(true)
			}
			return func() {
				for _, h := range []*handle{a, b, c} {
					what(h).Store(false)
				}
			}
		}
		return storetest.Instances{
			Stores:   []tokenstore.Store{open(t, a, cfg), open(t, b, cfg), open(t, c, cfg)},
			Now:      clock.Now,
			Advance:  clock.Advance,
			Dump:     shared.dump,
			Down:     func(*testing.T) func() { return set(func(h *handle) *atomic.Bool { return &h.down }) },
			ReadOnly: func(*testing.T) func() { return set(func(h *handle) *atomic.Bool { return &h.readOnly }) },
		}
	})
}
