package caddystorage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

func newKey() string { return tokenstore.NewSessionID().Key("caddystorage") }

func filePath(key string) string { return "spotify/sessions/" + key[:2] + "/" + key + ".json" }

func create(t *testing.T, store *caddystorage.Store, expires time.Time) (key string, rec *tokenstore.Record) {
	t.Helper()
	key = newKey()
	rec = &tokenstore.Record{Meta: tokenstore.Meta{AccountID: "smedjan", ExpiresAt: expires}, Sealed: []byte("sealed")}
	if err := store.Create(t.Context(), key, rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return key, rec
}

// S25: a corrupt record is no session, not an outage that never ends, and not
// something to be swept away unseen.
func TestCorruptRecord(t *testing.T) {
	for name, content := range map[string]string{
		"empty":      "",
		"truncated":  `{"account_id":"smedjan","expires_at":"2100-01-`,
		"not JSON":   "\x00\x01\x02",
		"null":       "null",
		"no record":  `{}`,
		"wrong type": `{"version":5}`,
		"an array":   `[]`,
		"bad time":   `{"version":"1","expires_at":"tomorrow"}`,
		"no version": `{"expires_at":"2000-01-01T00:00:00Z","sealed":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			core, logs := observer.New(zap.WarnLevel)
			shared := newFakeStorage()
			storage := shared.handle()
			store := open(t, storage, caddystorage.Config{Logger: zap.New(core)})
			key := newKey()
			if err := storage.Store(ctx, filePath(key), []byte(content)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := store.Load(ctx, key); !errors.Is(err, tokenstore.ErrNotFound) {
					t.Fatalf("Load: %v, want ErrNotFound", err)
				}
			}
			if err := store.Update(ctx, key, &tokenstore.Record{}); !errors.Is(err, tokenstore.ErrNotFound) {
				t.Errorf("Update: %v, want ErrNotFound", err)
			}
			for entry, err := range store.Walk(ctx) {
				t.Errorf("Walk yielded %v, %v", entry, err)
			}
			for range 256 / 16 {
				if n, err := store.Sweep(ctx); n != 0 || err != nil {
					t.Errorf("Sweep: %d, %v", n, err)
				}
			}
			if err := store.Create(ctx, key, &tokenstore.Record{}); !errors.Is(err, tokenstore.ErrExists) {
				t.Errorf("Create: %v, want ErrExists", err)
			}
			if got, err := storage.Load(ctx, filePath(key)); err != nil || string(got) != content {
				t.Errorf("the file is now %q, %v", got, err)
			}

			entries := logs.All()
			if len(entries) != 1 {
				t.Fatalf("%d lines logged, want 1: %v", len(entries), entries)
			}
			fields := entries[0].ContextMap()
			if fields["session"] != key[:12] {
				t.Errorf("logged session %v, want %s", fields["session"], key[:12])
			}
			for field, value := range fields {
				if text, _ := value.(string); strings.Contains(text, key) {
					t.Errorf("field %s holds the whole key", field)
				}
			}

			// A logout removes it like any other.
			if err := store.Delete(ctx, key); err != nil {
				t.Errorf("Delete: %v", err)
			}
			if _, err := storage.Load(ctx, filePath(key)); err == nil {
				t.Error("Delete left the file")
			}
		})
	}
}

// Whatever a corrupt record says to one caller, others are readable.
func TestCorruptRecordHidesNoOther(t *testing.T) {
	ctx := t.Context()
	storage := newFakeStorage().handle()
	store := open(t, storage, caddystorage.Config{})
	good, _ := create(t, store, time.Now().Add(time.Hour))
	bad := good[:2] + strings.Repeat("0", 62)
	if err := storage.Store(ctx, filePath(bad), []byte("{")); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for entry, err := range store.Walk(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, entry.Key)
	}
	if len(seen) != 1 || seen[0] != good {
		t.Errorf("Walk yielded %q, want %q", seen, good)
	}
}
