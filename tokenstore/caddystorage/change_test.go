package caddystorage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

// hanging is a storage that takes writes and never answers.
type hanging struct{ *handle }

func (h hanging) Store(ctx context.Context, key string, value []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

// R38: a change is given up long before the storage may hand its lock to another
// instance, so that it cannot come through after that one's. Its lock is free again.
func TestChangeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newFakeStorage()
		other := open(t, shared.handle(), caddystorage.Config{})
		key, rec := create(t, other, time.Now().Add(time.Hour))
		before := rec.Version
		start := time.Now()
		err := open(t, hanging{shared.handle()}, caddystorage.Config{}).Update(t.Context(), key, rec)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update: %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Update took %v", took)
		}
		if rec.Version != before {
			t.Error("failed Update changed the version")
		}
		if err := other.Update(t.Context(), key, rec); err != nil {
			t.Errorf("Update through another instance: %v", err)
		}
	})
}
