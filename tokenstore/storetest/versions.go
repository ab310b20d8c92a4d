package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var versionTests = map[string]func(*testing.T, *suite){
	"StaleVersion":         testStaleVersion,
	"UpdateAfterDelete":    testUpdateAfterDelete,
	"UpdateAfterRecreated": testUpdateAfterRecreated,
	"VersionsAreNotReused": testVersionsAreNotReused,
}

// R38: a late save never overwrites a newer record.
func testStaleVersion(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	late := load(t, ctx, s.b, k)
	newer := load(t, ctx, s.a, k)
	newer.Sealed = payload(50)
	if err := s.a.Update(ctx, k, newer); err != nil {
		t.Fatalf("Update: %v", err)
	}
	for _, version := range []string{late.Version, "", "0", "no such version"} {
		for i, store := range s.Stores {
			late.Version = version
			if err := store.Update(ctx, k, late); !errors.Is(err, tokenstore.ErrConflict) {
				t.Errorf("instance %d: Update with version %q: %v, want ErrConflict", i, version, err)
			}
			if late.Version != version {
				t.Errorf("instance %d: failed Update changed the version from %q to %q", i, version, late.Version)
			}
		}
	}
	s.wantRecord(t, ctx, k, newer)
}

// R38: a late save never brings back a deleted record.
func testUpdateAfterDelete(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	late := load(t, ctx, s.a, k)
	if err := s.b.Delete(ctx, k); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for i, store := range s.Stores {
		if err := store.Update(ctx, k, clone(late)); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Update: %v, want ErrNotFound", i, err)
		}
		if _, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Load: %v, want ErrNotFound", i, err)
		}
	}
}

// R38: not even when another record has taken its place.
func testUpdateAfterRecreated(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	late := load(t, ctx, s.a, k)
	if err := s.b.Delete(ctx, k); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	again := s.record(time.Hour)
	if err := s.b.Create(ctx, k, again); err != nil {
		t.Fatalf("Create after Delete: %v", err)
	}
	if err := s.a.Update(ctx, k, late); !errors.Is(err, tokenstore.ErrConflict) {
		t.Errorf("Update: %v, want ErrConflict", err)
	}
	s.wantRecord(t, ctx, k, again)
}

func testVersionsAreNotReused(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	seen := make(map[string]bool)
	note := func(version string) {
		t.Helper()
		if seen[version] {
			t.Fatalf("version %q was used before", version)
		}
		seen[version] = true
	}
	rec := s.record(time.Hour)
	for range 3 {
		if err := s.a.Create(ctx, k, rec); err != nil {
			t.Fatalf("Create: %v", err)
		}
		note(rec.Version)
		for _, store := range s.Stores {
			// The very same record again is a change all the same.
			if err := store.Update(ctx, k, rec); err != nil {
				t.Fatalf("Update: %v", err)
			}
			note(rec.Version)
		}
		if err := s.b.Delete(ctx, k); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
}
