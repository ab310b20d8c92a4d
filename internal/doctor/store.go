package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const storesNamespace = "http.handlers.spotify_auth.stores."

// checkStore writes a record, reads it back and deletes it.
func checkStore(ctx context.Context, r *SiteReport, raw, storage json.RawMessage) {
	var named struct {
		Module string `json:"module"`
	}
	if raw == nil {
		raw = json.RawMessage(`{"module":"caddy"}`)
	}
	if err := json.Unmarshal(raw, &named); err != nil || named.Module == "" {
		r.fail("store", "names no module: use caddy, memory or redis")
		return
	}
	store, folders, err := openForCheck(named.Module, raw, storage)
	if err != nil {
		r.fail("store", "%s: cannot be opened: %s", named.Module, err)
		return
	}
	if c, ok := store.(io.Closer); ok {
		defer c.Close()
	}
	key := tokenstore.NewSessionID().Key("check")
	if folders != nil {
		if path, owner, ok := folders.rootsOwn(); ok {
			r.fail("store", "%s: %s belongs to root, and Caddy's user cannot write there: chown -R %s %[2]s", named.Module, path, owner)
			return
		}
		if path, owner, ok := folders.notOurs(); ok {
			r.skip("store", "%s: not tried as root, since %s belongs to user %s, who would be left with folders of root's: run this command as "+
				"that user, for example with sudo -u %[3]s", named.Module, path, owner)
			return
		}
		defer folders.tidy(key)()
	}
	if err := tryStore(ctx, store, key); err != nil {
		r.fail("store", "%s: %s: %s", named.Module, err, storeRemedy(named.Module))
		return
	}
	r.ok("store", "%s: takes a record, gives it back and deletes it", named.Module)
}

func storeRemedy(module string) string {
	if module == "redis" {
		return "see that the server runs, that its address and password are right, and that the user may write"
	}
	return "see that the storage of the configuration exists and that Caddy's user may write there"
}

// Context returns the context of a config that has a storage, or the default one,
// and no apps.
func Context(storage json.RawMessage) (caddy.Context, error) {
	return caddy.ProvisionContext(&caddy.Config{
		StorageRaw: storage,
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{
			"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}},
		}},
	})
}

// openForCheck provisions a store beside no app but with the config's storage. If
// the store is in files, it returns where.
func openForCheck(module string, raw, storage json.RawMessage) (tokenstore.Store, *storeFolders, error) {
	ctx, err := Context(storage)
	if err != nil {
		return nil, nil, err
	}
	options := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &options); err != nil {
		return nil, nil, err
	}
	delete(options, "module")
	if raw, err = json.Marshal(options); err != nil {
		return nil, nil, err
	}
	mod, err := ctx.LoadModuleByID(storesNamespace+module, raw)
	if err != nil {
		return nil, nil, err
	}
	provider, ok := mod.(tokenstore.Provider)
	if !ok {
		return nil, nil, fmt.Errorf("module %T is no token store", mod)
	}
	store, err := provider.Store()
	if err != nil {
		return nil, nil, err
	}
	return store, foldersOf(store, ctx.Storage()), nil
}

// tryStore uses a key that no session has, and leaves no record behind.
func tryStore(ctx context.Context, store tokenstore.Store, key string) error {
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	now := time.Now()
	rec := &tokenstore.Record{
		Meta:   tokenstore.Meta{CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Minute)},
		Sealed: []byte("check"),
	}
	if err := store.Create(ctx, key, rec); err != nil {
		return fmt.Errorf("cannot be written (%w)", err)
	}
	read, err := store.Load(ctx, key)
	if err != nil {
		return fmt.Errorf("cannot be read (%w)", err)
	}
	if !bytes.Equal(read.Sealed, rec.Sealed) {
		return errors.New("gives back something else than was written")
	}
	if err := store.Delete(ctx, key); err != nil {
		return fmt.Errorf("cannot delete (%w)", err)
	}
	return nil
}
