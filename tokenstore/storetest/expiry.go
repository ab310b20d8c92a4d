package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var expiryTests = map[string]func(*testing.T, *suite){
	"Expiry":        testExpiry,
	"ExpiryPutOff":  testExpiryPutOff,
	"ExpiryAtOnce":  testExpiryAtOnce,
	"ExpiryAdvance": testExpiryAdvance,
}

// A record past its time is gone in every respect.
func testExpiry(t *testing.T, s *suite) {
	ctx := s.context(t)
	life := s.shortLife()
	rec := s.record(life)
	k := s.create(t, ctx, rec)
	s.wantRecord(t, ctx, k, rec)
	s.pass(life)
	for i, store := range s.Stores {
		if got, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Load: %v, %v, want ErrNotFound", i, got, err)
		}
		late := clone(rec)
		late.ExpiresAt = s.now().Add(time.Hour)
		if err := store.Update(ctx, k, late); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Update: %v, want ErrNotFound", i, err)
		}
		if got := walk(t, ctx, store); len(got) != 0 {
			t.Errorf("instance %d: Walk yielded %v", i, got)
		}
	}
	again := s.record(time.Hour)
	if err := s.b.Create(ctx, k, again); err != nil {
		t.Fatalf("Create in the place of an expired record: %v", err)
	}
	if again.Version == rec.Version {
		t.Errorf("version %q was used before", again.Version)
	}
	s.wantRecord(t, ctx, k, again)
}

// Use puts the end off.
func testExpiryPutOff(t *testing.T, s *suite) {
	ctx := s.context(t)
	life := s.shortLife()
	rec := s.record(life)
	k := s.create(t, ctx, rec)
	rec.ExpiresAt = rec.ExpiresAt.Add(time.Hour)
	if err := s.b.Update(ctx, k, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	s.pass(life)
	s.wantRecord(t, ctx, k, rec)
}

// An update may also bring the end forward.
func testExpiryAdvance(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(24 * time.Hour)
	k := s.create(t, ctx, rec)
	life := s.shortLife()
	rec.ExpiresAt = s.now().Add(life)
	if err := s.b.Update(ctx, k, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	s.pass(life)
	if _, err := s.a.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load: %v, want ErrNotFound", err)
	}
}

// What is stored past its time already is gone at once and does no harm.
func testExpiryAtOnce(t *testing.T, s *suite) {
	ctx := s.context(t)
	for _, past := range []time.Time{s.now().Add(-time.Hour), {}} {
		rec := s.record(0)
		rec.ExpiresAt = past
		k := s.create(t, ctx, rec)
		if _, err := s.b.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("expired at %v: Load: %v, want ErrNotFound", past, err)
		}
		rec = s.record(time.Hour)
		k = s.create(t, ctx, rec)
		rec.ExpiresAt = past
		if err := s.a.Update(ctx, k, rec); err != nil {
			t.Errorf("expired at %v: Update: %v", past, err)
		}
		if _, err := s.b.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("expired at %v: Load after Update: %v, want ErrNotFound", past, err)
		}
	}
}
