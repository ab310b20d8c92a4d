package redis

import (
	"context"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// R33: an update whose answer got lost is sent again, and knows its own work.
func TestUpdateIsRepeatable(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := &Provider{Addresses: []string{server.Addr}}
	if err := p.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	opened, err := p.Store()
	if err != nil {
		t.Fatal(err)
	}
	store := opened.(*Store)
	defer store.Close()

	now := time.Now()
	rec := &tokenstore.Record{Meta: tokenstore.Meta{AccountID: "account", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}, Sealed: []byte("old")}
	key := tokenstore.NewSessionID().Key("test")
	if err := store.Create(t.Context(), key, rec); err != nil {
		t.Fatal(err)
	}
	rec.Sealed = []byte("new")
	version, args, err := arguments(rec)
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{rec.Version}, args...)
	for try := range 2 {
		n, err := call(t.Context(), store, "update", func(ctx context.Context, c rueidis.Client) (int64, error) {
			return updateScript.Exec(ctx, c, []string{store.recordKey(key)}, args).AsInt64()
		})
		if err != nil || n != 1 {
			t.Errorf("try %d: %d, %v, want 1", try+1, n, err)
		}
	}
	if got, err := store.Load(t.Context(), key); err != nil || got.Version != version || string(got.Sealed) != "new" {
		t.Errorf("Load: %+v, %v", got, err)
	}
}
