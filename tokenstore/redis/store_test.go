package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
	"github.com/caddyspotify/caddy-spotify/tokenstore/storetest"
)

// provision provisions a provider, which must succeed.
func provision(t *testing.T, p redis.Provider) *redis.Provider {
	t.Helper()
	if err := p.Provision(caddy.Context{}); err != nil {
		t.Fatalf("Provision: %v", err)
	}
	return &p
}

// open opens a store that is closed with the test.
func open(t *testing.T, p redis.Provider) *redis.Store {
	t.Helper()
	opened, err := provision(t, p).Store()
	if err != nil {
		t.Fatalf("Store: %v", err)
	}
	store := opened.(*redis.Store)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

// at returns the configuration for a server.
func at(server *redistest.Server) redis.Provider {
	return redis.Provider{Addresses: []string{server.Addr}}
}

func newKey() string { return tokenstore.NewSessionID().Key("test") }

func newRecord() *tokenstore.Record {
	now := time.Now()
	return &tokenstore.Record{
		Meta:   tokenstore.Meta{AccountID: "account", CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Hour)},
		Sealed: []byte(rand.Text()),
	}
}

// create stores a new record and returns its key.
func create(t *testing.T, store *redis.Store) (string, *tokenstore.Record) {
	t.Helper()
	key, rec := newKey(), newRecord()
	if err := store.Create(t.Context(), key, rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return key, rec
}

func load(t *testing.T, store *redis.Store, key string) *tokenstore.Record {
	t.Helper()
	rec, err := store.Load(t.Context(), key)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return rec
}

// eventually calls f until it returns true. It is for what a server does in its
// own time and tells nobody.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// isAnswer reports whether err says something about a record.
func isAnswer(err error) bool {
	return errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrExists) || errors.Is(err, tokenstore.ErrConflict)
}

// R28 R38 O51 O58: the suite that every store passes, with the server killed for an
// outage.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		server := redistest.Start(t, redistest.Persistent())
		return storetest.Instances{
			Stores: []tokenstore.Store{open(t, at(server)), open(t, at(server))},
			Down: func(*testing.T) func() {
				server.Kill()
				return server.Restart
			},
			ReadOnly: func(*testing.T) func() {
				// A replica whose master does not answer.
				server.Do("REPLICAOF", "127.0.0.1", "1")
				return func() { server.Do("REPLICAOF", "NO", "ONE") }
			},
			Dump: func(*testing.T) []byte { return []byte(dump(server)) },
		}
	})
}

// dump returns all names and values on the server.
func dump(server *redistest.Server) string {
	var all strings.Builder
	names, _ := server.Do("KEYS", "*").([]any)
	for _, name := range names {
		name := name.(string)
		value := any("")
		switch kind := server.Do("TYPE", name); kind {
		case "hash":
			value = server.Do("HGETALL", name)
		case "string":
			value = server.Do("GET", name)
		}
		fmt.Fprintln(&all, name, value)
	}
	return all.String()
}

// The time to live is the server's own: nobody needs to sweep.
func TestRecordExpiresByItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, at(server))
	key, rec := create(t, store)
	name := "caddy-spotify:{" + key + "}"
	if got := server.Do("PEXPIRETIME", name).(int64); got < rec.ExpiresAt.UnixMilli() || got > rec.ExpiresAt.UnixMilli()+1 {
		t.Errorf("expires at %d, want %d", got, rec.ExpiresAt.UnixMilli())
	}
	rec.ExpiresAt = rec.ExpiresAt.Add(time.Hour)
	if err := store.Update(t.Context(), key, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	if got := server.Do("PEXPIRETIME", name).(int64); got < rec.ExpiresAt.UnixMilli() || got > rec.ExpiresAt.UnixMilli()+1 {
		t.Errorf("after Update: expires at %d, want %d", got, rec.ExpiresAt.UnixMilli())
	}
	rec.ExpiresAt = time.Now().Add(50 * time.Millisecond)
	if err := store.Update(t.Context(), key, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	eventually(t, "record removed by the server", func() bool { return server.Do("DBSIZE") == int64(0) })
}

// S25: a record that somebody else damaged is no session, and no reason to fail.
func TestDamagedRecordIsNoRecord(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, at(server))
	for field, value := range map[string]string{"meta": "{", "version": "", "sealed": ""} {
		key, _ := create(t, store)
		name := "caddy-spotify:{" + key + "}"
		if value == "" {
			server.Do("HDEL", name, field)
		} else {
			server.Do("HSET", name, field, value)
		}
		if rec, err := store.Load(t.Context(), key); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("damaged %s: Load: %v, %v, want ErrNotFound", field, rec, err)
		}
	}
}

// Two prefixes on one server are two stores, also if the prefix looks like a pattern.
func TestKeyPrefixSeparates(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	star, starry := at(server), at(server)
	star.KeyPrefix, starry.KeyPrefix = "app*:", "apple:"
	one, two := open(t, star), open(t, starry)
	key, _ := create(t, two)
	if _, err := one.Load(t.Context(), key); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load under another prefix: %v, want ErrNotFound", err)
	}
	for entry, err := range one.Walk(t.Context()) {
		t.Errorf("Walk under another prefix yielded %v, %v", entry, err)
	}
	n := 0
	for range two.Walk(t.Context()) {
		n++
	}
	if n != 1 {
		t.Errorf("Walk yielded %d records, want 1", n)
	}
}

// A walk shows records and not leases, over more than one page, each once.
func TestWalkOverManyPages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, at(server))
	const records = 1500
	want := make(map[string]bool)
	for range records {
		key, _ := create(t, store)
		want[key] = true
	}
	lease, err := store.Lease(t.Context(), newKey())
	if err != nil {
		t.Fatalf("Lease: %v", err)
	}
	defer lease.Release(context.Background())
	for entry, err := range store.Walk(t.Context()) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		if !want[entry.Key] {
			t.Fatalf("Walk yielded %q twice, or it is no record", entry.Key)
		}
		delete(want, entry.Key)
	}
	if len(want) != 0 {
		t.Errorf("Walk missed %d of %d records", len(want), records)
	}
}
