package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var sweepTests = map[string]func(*testing.T, *suite){
	"Sweep":       testSweep,
	"SweepAtOnce": testSweepAtOnce,
}

// enoughSweeps is how often a sweeper may be called until all is swept.
const enoughSweeps = 100

func testSweep(t *testing.T, s *suite) {
	ctx := s.context(t)
	sweeper := s.b.(tokenstore.Sweeper)
	life := s.shortLife()
	kept := make(map[string]*tokenstore.Record)
	var expired []string
	for range 12 {
		expired = append(expired, s.create(t, ctx, s.record(life)))
		rec := s.record(24 * time.Hour)
		kept[s.create(t, ctx, rec)] = rec
	}
	s.pass(life)
	removed := 0
	for range enoughSweeps {
		n, err := sweeper.Sweep(ctx)
		if err != nil {
			t.Fatalf("Sweep: %v", err)
		}
		removed += n
	}
	if removed != len(expired) {
		t.Errorf("removed %d records, want %d", removed, len(expired))
	}
	if s.Dump != nil {
		dump := string(s.Dump(t))
		for _, k := range expired {
			if strings.Contains(dump, k) {
				t.Errorf("expired record %s is still stored", tokenstore.Ref(k))
			}
		}
	}
	for k, rec := range kept {
		s.wantRecord(t, ctx, k, rec)
	}
}

// Sweepers of several instances do not disturb each other, nor those who
// create a record in the place of an expired one.
func testSweepAtOnce(t *testing.T, s *suite) {
	ctx := s.context(t)
	life := s.shortLife()
	var keys []string
	for range 8 {
		keys = append(keys, s.create(t, ctx, s.record(life)))
	}
	s.pass(life)
	records := make([]*tokenstore.Record, len(keys))
	s.each(2, func(store tokenstore.Store, user int) {
		if user == 0 {
			for i, k := range keys {
				records[i] = s.record(time.Hour)
				if err := store.Create(ctx, k, records[i]); err != nil {
					t.Errorf("Create: %v", err)
				}
			}
			return
		}
		for range enoughSweeps / 4 {
			if _, err := store.(tokenstore.Sweeper).Sweep(ctx); err != nil {
				t.Errorf("Sweep: %v", err)
			}
		}
	})
	for i, k := range keys {
		s.wantRecord(t, ctx, k, records[i])
	}
}
