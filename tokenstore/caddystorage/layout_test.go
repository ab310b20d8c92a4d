package caddystorage_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

// The layout is a promise to the operator, and to the next version.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	clock := fakeclock.New(epoch)
	store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{Prefix: "my/sessions", Now: clock.Now})
	key, rec := create(t, store, epoch.Add(time.Hour))
	file, err := os.ReadFile(filepath.Join(dir, "my", "sessions", key[:2], key+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(file, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"account_id":    "smedjan",
		"created_at":    "0001-01-01T00:00:00Z",
		"authorized_at": "0001-01-01T00:00:00Z",
		"expires_at":    "2026-06-01T13:00:00Z",
		"sealed":        "c2VhbGVk",
		"version":       rec.Version,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	// S24: nothing else is there in the clear.
	if len(got) != len(want) {
		t.Errorf("the file holds %v, want only %v", got, want)
	}
}

// Two prefixes are two stores.
func TestPrefixesAreApart(t *testing.T) {
	storage := newFakeStorage().handle()
	one := open(t, storage, caddystorage.Config{Prefix: "one"})
	two := open(t, storage, caddystorage.Config{Prefix: "two"})
	key, _ := create(t, one, time.Now().Add(time.Hour))
	if _, err := two.Load(t.Context(), key); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load: %v, want ErrNotFound", err)
	}
	for entry, err := range two.Walk(t.Context()) {
		t.Errorf("Walk yielded %v, %v", entry, err)
	}
}

// O57
func TestPrefixes(t *testing.T) {
	for _, prefix := range []string{"", "a", "spotify/sessions", "A-b_9/c/d", strings.Repeat("x", 100)} {
		if _, err := caddystorage.New(newFakeStorage().handle(), caddystorage.Config{Prefix: prefix}); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	for prefix, want := range map[string]string{
		"/abs":                   "is not a folder name",
		"a/":                     "is not a folder name",
		"a//b":                   "is not a folder name",
		"../up":                  "is not a folder name",
		"a/../../b":              "is not a folder name",
		".":                      "is not a folder name",
		`a\b`:                    "is not a folder name",
		"a b":                    "is not a folder name",
		"C:":                     "is not a folder name",
		"{env.X}":                "is not a folder name",
		"certificates":           "Caddy keeps for itself",
		"Locks/x":                "Caddy keeps for itself",
		strings.Repeat("x", 101): "use 100 at most",
	} {
		_, err := caddystorage.New(newFakeStorage().handle(), caddystorage.Config{Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "spotify/sessions") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q and an example", prefix, err, want)
		}
	}
}

// What others put into the folders is neither yielded nor removed.
func TestForeignFiles(t *testing.T) {
	ctx := t.Context()
	shared := newFakeStorage()
	storage := shared.handle()
	store := open(t, storage, caddystorage.Config{})
	key := newKey()
	foreign := []string{
		"spotify/sessions/" + key[:2] + "/123456789",
		"spotify/sessions/" + key[:2] + "/readme.json",
		"spotify/sessions/" + key[:2] + "/" + key,
		"spotify/sessions/" + key[:2] + "/" + strings.ToUpper(key) + ".json",
		"spotify/sessions/0x/" + key + ".json",
		"spotify/other/" + key + ".json",
	}
	for _, name := range foreign {
		if err := storage.Store(ctx, name, []byte(`{"version":"1"}`)); err != nil {
			t.Fatal(err)
		}
	}
	for entry, err := range store.Walk(ctx) {
		t.Errorf("Walk yielded %v, %v", entry, err)
	}
	for range 256 / 16 {
		if n, err := store.Sweep(ctx); n != 0 || err != nil {
			t.Errorf("Sweep: %d, %v", n, err)
		}
	}
	for _, name := range foreign {
		if !storage.Exists(ctx, name) {
			t.Errorf("%s is gone", name)
		}
	}
}

// A copy that someone made elsewhere is not a second record.
func TestMisplacedCopy(t *testing.T) {
	ctx := t.Context()
	storage := newFakeStorage().handle()
	store := open(t, storage, caddystorage.Config{})
	key, _ := create(t, store, time.Now().Add(time.Hour))
	file, err := storage.Load(ctx, filePath(key))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := "00"
	if key[:2] == elsewhere {
		elsewhere = "01"
	}
	if err := storage.Store(ctx, "spotify/sessions/"+elsewhere+"/"+key+".json", file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range store.Walk(ctx) {
		n++
	}
	if n != 1 {
		t.Errorf("Walk yielded %d records, want 1", n)
	}
}

// restless is file storage whose listings stumble over files that vanish.
type restless struct {
	certmagic.FileStorage
	stumbles int
}

func (r *restless) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	files, err := r.FileStorage.List(ctx, path, recursive)
	if err == nil && r.stumbles > 0 {
		r.stumbles--
		return files[:len(files)-1], &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
	}
	return files, err
}

// Records that vanish while a folder is listed do not hide the others in it.
func TestWalkRepeatsListing(t *testing.T) {
	storage := &restless{FileStorage: certmagic.FileStorage{Path: t.TempDir()}}
	store := open(t, storage, caddystorage.Config{})
	key, _ := create(t, store, time.Now().Add(time.Hour))
	storage.stumbles = 3
	n := 0
	for entry, err := range store.Walk(t.Context()) {
		if err != nil || entry.Key != key {
			t.Fatalf("Walk yielded %v, %v", entry, err)
		}
		n++
	}
	if n != 1 || storage.stumbles != 0 {
		t.Errorf("Walk yielded %d records after %d stumbles, want 1 after 3", n, 3-storage.stumbles)
	}

	// A folder that cannot be listed for good is an error, not an empty one.
	storage.stumbles = 1000
	var last error
	for _, err := range store.Walk(t.Context()) {
		last = err
	}
	if last == nil || errors.Is(last, tokenstore.ErrNotFound) {
		t.Errorf("Walk ended with %v, want an error that is no answer", last)
	}
}
