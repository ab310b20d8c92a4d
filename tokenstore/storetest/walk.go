package storetest

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var walkTests = map[string]func(*testing.T, *suite){
	"Walk":              testWalk,
	"WalkEmpty":         testWalkEmpty,
	"WalkStops":         testWalkStops,
	"WalkAmidChanges":   testWalkAmidChanges,
	"WalkContextEnding": testWalkContextEnding,
}

func walk(t *testing.T, ctx context.Context, store tokenstore.Store) map[string]tokenstore.Meta {
	t.Helper()
	seen := make(map[string]tokenstore.Meta)
	for entry, err := range store.Walk(ctx) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		seen[entry.Key] = entry.Meta
	}
	return seen
}

func testWalk(t *testing.T, s *suite) {
	ctx := s.context(t)
	want := make(map[string]tokenstore.Meta)
	for i := range 40 {
		rec := s.record(time.Duration(i+1) * time.Hour)
		want[s.create(t, ctx, rec)] = rec.Meta
	}
	gone := s.create(t, ctx, s.record(time.Hour))
	if err := s.b.Delete(ctx, gone); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for i, store := range s.Stores {
		if got := walk(t, ctx, store); !maps.EqualFunc(got, want, sameMeta) {
			t.Errorf("instance %d: Walk yielded %d records, want these %d: %v; got %v", i, len(got), len(want), want, got)
		}
	}
}

func testWalkEmpty(t *testing.T, s *suite) {
	for i, store := range s.Stores {
		if got := walk(t, s.context(t), store); len(got) != 0 {
			t.Errorf("instance %d: Walk yielded %v", i, got)
		}
	}
}

func testWalkStops(t *testing.T, s *suite) {
	ctx := s.context(t)
	for range 10 {
		s.create(t, ctx, s.record(time.Hour))
	}
	n := 0
	for _, err := range s.a.Walk(ctx) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("Walk yielded %d records, want 3 before the stop", n)
	}
	if got := walk(t, ctx, s.a); len(got) != 10 {
		t.Errorf("the next Walk yielded %d records, want 10", len(got))
	}
}

// Records that come and go, even by the hand of the one who walks, are no error
// and do not hide those that stay.
func testWalkAmidChanges(t *testing.T, s *suite) {
	ctx := s.context(t)
	stay := make(map[string]bool)
	var gone []string
	for i := range 40 {
		k := s.create(t, ctx, s.record(time.Hour))
		if i%2 == 0 {
			stay[k] = true
		} else {
			gone = append(gone, k)
		}
	}
	first := true
	for entry, err := range s.a.Walk(ctx) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		if first {
			first = false
			for _, k := range gone {
				if err := s.b.Delete(ctx, k); err != nil {
					t.Fatalf("Delete: %v", err)
				}
			}
			s.create(t, ctx, s.record(time.Hour))
		}
		delete(stay, entry.Key)
	}
	if len(stay) != 0 {
		t.Errorf("Walk did not see %d of the 20 records that stayed", len(stay))
	}
}

func testWalkContextEnding(t *testing.T, s *suite) {
	ctx := s.context(t)
	for range 10 {
		s.create(t, ctx, s.record(time.Hour))
	}
	walking, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	for _, err := range s.a.Walk(walking) {
		if last != nil {
			t.Fatal("Walk went on after an error")
		}
		last = err
		cancel()
	}
	// A store may have all ten at hand already; it must stop cleanly if not.
	if last != nil && !errors.Is(last, context.Canceled) {
		t.Errorf("Walk ended with %v, want context.Canceled", last)
	}
}
