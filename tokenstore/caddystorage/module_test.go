package caddystorage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"

	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
)

const moduleID = "http.handlers.spotify_auth.stores.caddy"

func init() { caddy.RegisterModule(storageModule{}) }

// storageModule is a storage plugin. It hands out the storage that storages
// holds under its name.
type storageModule struct {
	Name   string `json:"name"`
	Secret string `json:"secret,omitempty"`
}

var storages = make(map[string]*handle)

func (storageModule) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.test", New: func() caddy.Module { return new(storageModule) }}
}

// pluginStorage is the storage of a storageModule with its configuration.
type pluginStorage struct {
	*handle
	storageModule
}

func (s pluginStorage) MarshalJSON() ([]byte, error) { return json.Marshal(s.storageModule) }

func (m storageModule) CertMagicStorage() (certmagic.Storage, error) {
	return pluginStorage{storages[m.Name], m}, nil
}

// config is a configuration of Caddy in force, with one store.
type config struct {
	*caddystorage.Provider
	stop context.CancelFunc // what Caddy does to a configuration it replaces
}

func load(t *testing.T, storage, store string) config {
	t.Helper()
	c, err := tryLoad(t, storage, store)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryLoad(t *testing.T, storage, store string) (config, error) {
	t.Helper()
	cfg := &caddy.Config{StorageRaw: json.RawMessage(storage)}
	parent, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(parent)
	t.Cleanup(cancel)
	mod, err := ctx.LoadModuleByID(moduleID, json.RawMessage(store))
	if err != nil {
		return config{}, err
	}
	return config{mod.(*caddystorage.Provider), cancel}, nil
}

func (c config) open(t *testing.T) *caddystorage.Store {
	t.Helper()
	store, err := c.Store()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.(*caddystorage.Store).Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store.(*caddystorage.Store)
}

// O57: a configuration is checked without touching the storage.
func TestProvisionIsOffline(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "never")
	c := load(t, fmt.Sprintf(`{"module":"file_system","root":%q}`, dir), `{}`)
	if c.UsageKey() == "" {
		t.Error("no usage key")
	}
	c.open(t)
	c.stop()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the storage was touched: %v", err)
	}
}

// The store is in the storage that Caddy is configured to use.
func TestProviderUsesCaddysStorage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SPOTIFY_TEST_FOLDER", "from-environment")
	c := load(t, fmt.Sprintf(`{"module":"file_system","root":%q}`, dir), `{"prefix":"{env.SPOTIFY_TEST_FOLDER}/x"}`)
	key, _ := create(t, c.open(t), time.Now().Add(time.Hour))
	if _, err := os.Stat(filepath.Join(dir, "from-environment", "x", key[:2], key+".json")); err != nil {
		t.Error(err)
	}
}

// A reload brings a new storage and may close the old one. The store that was
// opened before goes on with the new one.
func TestReload(t *testing.T) {
	const storage = `{"module":"test","name":"reload"}`
	shared := newFakeStorage()
	first, second := shared.handle(), shared.handle()
	storages["reload"] = first
	before := load(t, storage, `{}`)
	store := before.open(t)
	key, rec := create(t, store, time.Now().Add(time.Hour))
	held := lease(t, store, key)

	storages["reload"] = second
	after := load(t, storage, `{}`)
	if before.UsageKey() != after.UsageKey() {
		t.Fatalf("the usage key went from %q to %q", before.UsageKey(), after.UsageKey())
	}
	first.down.Store(true)
	if _, err := store.Load(t.Context(), key); err != nil {
		t.Errorf("Load amid a reload: %v", err)
	}
	before.stop()
	if err := store.Update(t.Context(), key, rec); err != nil {
		t.Errorf("Update after a reload: %v", err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Errorf("Release after a reload: %v", err)
	}
	if names := shared.lockNames(); len(names) != 0 {
		t.Errorf("locks are left over: %q", names)
	}

	// The next reload fails: its configuration goes, the one in force stays.
	third := shared.handle()
	storages["reload"] = third
	failed := load(t, storage, `{}`)
	failed.stop()
	third.down.Store(true)
	if _, err := store.Load(t.Context(), key); err != nil {
		t.Errorf("Load after a failed reload: %v", err)
	}

	// The last configuration is stopped; who has yet to save still can.
	after.stop()
	if err := store.Update(t.Context(), key, rec); err != nil {
		t.Errorf("Update at shutdown: %v", err)
	}
}

// Two configurations in force at once hold leases against each other without
// asking the storage, whose locks they share as one process.
func TestReloadKeepsLeasesApart(t *testing.T) {
	const storage = `{"module":"test","name":"leases"}`
	shared := newFakeStorage()
	storages["leases"] = shared.handle()
	one, two := load(t, storage, `{}`), load(t, storage, `{}`)
	key := newKey()
	held := lease(t, one.open(t), key)
	storages["leases"].down.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := two.open(t).Lease(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lease: %v, want context.DeadlineExceeded", err)
	}
	storages["leases"].down.Store(false)
	if err := held.Release(t.Context()); err != nil {
		t.Errorf("Release: %v", err)
	}
}

func TestUsageKey(t *testing.T) {
	storages["a"], storages["b"] = newFakeStorage().handle(), newFakeStorage().handle()
	const a = `{"module":"test","name":"a","secret":"hunter2"}`
	same := load(t, a, `{}`)
	if other := load(t, a, `{"prefix":"spotify/sessions"}`); other.UsageKey() != same.UsageKey() {
		t.Error("the default prefix and its explicit value differ")
	}
	if strings.Contains(same.UsageKey(), "hunter2") {
		t.Errorf("the usage key holds a secret: %s", same.UsageKey())
	}
	dir := t.TempDir()
	keys := map[string]string{
		"a":               same.UsageKey(),
		"a, other prefix": load(t, a, `{"prefix":"other"}`).UsageKey(),
		"a, other secret": load(t, `{"module":"test","name":"a","secret":"x"}`, `{}`).UsageKey(),
		"b":               load(t, `{"module":"test","name":"b"}`, `{}`).UsageKey(),
		"files":           load(t, fmt.Sprintf(`{"module":"file_system","root":%q}`, dir), `{}`).UsageKey(),
		"other files":     load(t, fmt.Sprintf(`{"module":"file_system","root":%q}`, dir+"/x"), `{}`).UsageKey(),
	}
	seen := make(map[string]string)
	for name, key := range keys {
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s are one store", name, other)
		}
		seen[key] = name
	}
}

// Cleanup also follows a Provision that failed.
func TestCleanupOfTheUnprovisioned(t *testing.T) {
	if err := new(caddystorage.Provider).Cleanup(); err != nil {
		t.Errorf("Cleanup: %v", err)
	}
}

// O57
func TestProvisionRefuses(t *testing.T) {
	storages["refused"] = newFakeStorage().handle()
	for store, want := range map[string]string{
		`{"prefix":"../x"}`:              `store caddy: prefix "../x" is not a folder name; use`,
		`{"prefix":"locks"}`:             `store caddy: prefix "locks" lies in a folder that Caddy keeps for itself; choose another`,
		`{"prefix":"{no.such.thing}/x"}`: `store caddy: prefix "{no.such.thing}/x": unrecognized placeholder`,
	} {
		_, err := tryLoad(t, `{"module":"test","name":"refused"}`, store)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", store, err, want)
		}
	}
}

func TestUnmarshalCaddyfile(t *testing.T) {
	for in, want := range map[string]string{
		"caddy":                        "",
		"caddy {\n}":                   "",
		"caddy {\n\tprefix a/b\n}":     "a/b",
		"caddy {\n\tprefix {env.X}\n}": "{env.X}",
	} {
		var p caddystorage.Provider
		if err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(in)); err != nil {
			t.Errorf("%q: %v", in, err)
		} else if p.Prefix != want {
			t.Errorf("%q: prefix %q, want %q", in, p.Prefix, want)
		}
	}
}

// O57: what is wrong is one line that names the option and the remedy.
func TestUnmarshalCaddyfileRefuses(t *testing.T) {
	const takes = "prefix takes exactly one folder, such as spotify/sessions"
	for in, want := range map[string]string{
		"caddy x":                              `unexpected "x"; write a block with prefix, or nothing`,
		"caddy {\n\tprefix\n}":                 takes,
		"caddy {\n\tprefix a b\n}":             takes,
		"caddy {\n\tprefix \"\"\n}":            takes,
		"caddy {\n\tprefix a\n\tprefix b\n}":   "prefix is given twice; keep one of them",
		"caddy {\n\troot /var/lib/sessions\n}": `unknown option "root"; the only one is prefix. The storage itself is configured by Caddy's global option storage`,
	} {
		var p caddystorage.Provider
		err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", in, err, want)
		}
	}
}

// Interface guard
var _ tokenstore.Provider = (*caddystorage.Provider)(nil)
