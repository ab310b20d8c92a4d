package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var recordTests = map[string]func(*testing.T, *suite){
	"Create":          testCreate,
	"CreateTwice":     testCreateTwice,
	"Missing":         testMissing,
	"Update":          testUpdate,
	"Delete":          testDelete,
	"PayloadSizes":    testPayloadSizes,
	"AccountIDs":      testAccountIDs,
	"Kinds":           testKinds,
	"Isolation":       testIsolation,
	"MalformedKeys":   testMalformedKeys,
	"ContextEnded":    testContextEnded,
	"NothingIsShared": testNothingIsShared,
}

func testCreate(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	s.wantRecord(t, ctx, k, rec)
}

func testCreateTwice(t *testing.T, s *suite) {
	ctx := s.context(t)
	first := s.record(time.Hour)
	k := s.create(t, ctx, first)
	for i, store := range s.Stores {
		second := s.record(time.Hour)
		if err := store.Create(ctx, k, second); !errors.Is(err, tokenstore.ErrExists) {
			t.Errorf("instance %d: second Create: %v, want ErrExists", i, err)
		}
		if second.Version != "" {
			t.Errorf("instance %d: failed Create set version %q", i, second.Version)
		}
	}
	s.wantRecord(t, ctx, k, first)
}

func testMissing(t *testing.T, s *suite) {
	ctx := s.context(t)
	for i, store := range s.Stores {
		k := key()
		if rec, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) || rec != nil {
			t.Errorf("instance %d: Load: %v, %v, want ErrNotFound", i, rec, err)
		}
		rec := s.record(time.Hour)
		rec.Version = "1"
		if err := store.Update(ctx, k, rec); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Update: %v, want ErrNotFound", i, err)
		}
		if rec.Version != "1" {
			t.Errorf("instance %d: failed Update set version %q", i, rec.Version)
		}
		if err := store.Delete(ctx, k); err != nil {
			t.Errorf("instance %d: Delete: %v", i, err)
		}
		if _, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Load after failed Update: %v, want ErrNotFound", i, err)
		}
	}
}

func testUpdate(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	for i, store := range s.Stores {
		rec := load(t, ctx, store, k)
		before := rec.Version
		next := s.record(3 * time.Hour)
		next.Sealed = payload(300 - 100*i) // shorter ones leave nothing of longer ones behind
		next.Version = before
		if err := store.Update(ctx, k, next); err != nil {
			t.Fatalf("instance %d: Update: %v", i, err)
		}
		if next.Version == before || next.Version == "" {
			t.Fatalf("instance %d: version went from %q to %q", i, before, next.Version)
		}
		s.wantRecord(t, ctx, k, next)
	}
}

func testDelete(t *testing.T, s *suite) {
	ctx := s.context(t)
	kept := s.record(time.Hour)
	other := s.create(t, ctx, kept)
	k := s.create(t, ctx, s.record(time.Hour))
	if err := s.b.Delete(ctx, k); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for i, store := range s.Stores {
		if _, err := store.Load(ctx, k); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("instance %d: Load: %v, want ErrNotFound", i, err)
		}
		if err := store.Delete(ctx, k); err != nil {
			t.Errorf("instance %d: second Delete: %v", i, err)
		}
	}
	s.wantRecord(t, ctx, other, kept)
}

func testPayloadSizes(t *testing.T, s *suite) {
	ctx := s.context(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, sealed := range [][]byte{{0}, all, payload(4 << 10), payload(64 << 10)} {
		rec := s.record(time.Hour)
		rec.Sealed = sealed
		k := s.create(t, ctx, rec)
		s.wantRecord(t, ctx, k, rec)
		if err := s.b.Update(ctx, k, rec); err != nil {
			t.Fatalf("Update with %d bytes: %v", len(sealed), err)
		}
		s.wantRecord(t, ctx, k, rec)
	}
}

func testAccountIDs(t *testing.T, s *suite) {
	ctx := s.context(t)
	for _, id := range []string{"", "smedjan", `a"b\c`, "Zoë ☃ 漢字", "a b:c|d*{}\n\r\t\x00", strings.Repeat("x", 300)} {
		rec := s.record(time.Hour)
		rec.AccountID = id
		s.wantRecord(t, ctx, s.create(t, ctx, rec), rec)
	}
}

// A record's kind, and when it was last used, are kept in the clear: they are
// there when it is loaded and when it is listed.
func testKinds(t *testing.T, s *suite) {
	ctx := s.context(t)
	want := make(map[string]tokenstore.Meta)
	for _, kind := range []string{tokenstore.KindSession, tokenstore.KindKey, tokenstore.KindShared, tokenstore.KindKeyIndex, "one of a later version"} {
		rec := s.record(time.Hour)
		rec.Kind = kind
		k := s.create(t, ctx, rec)
		s.wantRecord(t, ctx, k, rec)
		rec.UsedAt = s.now().UTC().Truncate(time.Millisecond)
		if err := s.b.Update(ctx, k, rec); err != nil {
			t.Fatalf("Update of a %q: %v", kind, err)
		}
		s.wantRecord(t, ctx, k, rec)
		want[k] = rec.Meta
	}
	for i, store := range s.Stores {
		all := walk(t, ctx, store)
		for k, meta := range want {
			if !sameMeta(all[k], meta) {
				t.Errorf("instance %d: Walk yields %+v, want %+v", i, all[k], meta)
			}
		}
	}
}

// A store neither keeps what it is given nor hands out what it keeps.
func testIsolation(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	want := clone(rec)
	spoil := func(rec *tokenstore.Record) {
		clear(rec.Sealed)
		rec.AccountID = "spoilt"
		rec.ExpiresAt = time.Time{}
		rec.Version = "spoilt"
	}
	spoil(rec)
	s.wantRecord(t, ctx, k, want)
	for _, store := range s.Stores {
		spoil(load(t, ctx, store, k))
	}
	s.wantRecord(t, ctx, k, want)

	next := s.record(time.Hour)
	next.Version = want.Version
	if err := s.a.Update(ctx, k, next); err != nil {
		t.Fatalf("Update: %v", err)
	}
	want = clone(next)
	spoil(next)
	s.wantRecord(t, ctx, k, want)
}

func testMalformedKeys(t *testing.T, s *suite) {
	ctx := s.context(t)
	good := key()
	for _, k := range []string{
		"", "a", good[1:], good + "0", strings.Repeat("A", 64), strings.Repeat("g", 64),
		"../" + good[3:], "*" + good[1:], good[:63] + "/", good[:63] + "\x00", good[:63] + "\n",
	} {
		checks := map[string]error{
			"Create": s.a.Create(ctx, k, s.record(time.Hour)),
			"Update": s.a.Update(ctx, k, s.record(time.Hour)),
			"Delete": s.a.Delete(ctx, k),
		}
		_, checks["Load"] = s.a.Load(ctx, k)
		_, checks["Lease"] = s.a.Lease(ctx, k)
		for method, err := range checks {
			if !errors.Is(err, tokenstore.ErrMalformedKey) {
				t.Errorf("%s(%q): %v, want ErrMalformedKey", method, k, err)
			}
		}
	}
	for entry, err := range s.a.Walk(ctx) {
		t.Fatalf("a malformed key left something behind: %v, %v", entry, err)
	}
}

// No method starts when its context has ended, nor mistakes that for an answer.
func testContextEnded(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	ended, cancel := context.WithCancel(ctx)
	cancel()

	checks := map[string]error{
		"Create": s.a.Create(ended, key(), s.record(time.Hour)),
		"Update": s.a.Update(ended, k, clone(rec)),
		"Delete": s.a.Delete(ended, k),
	}
	_, checks["Load"] = s.a.Load(ended, k)
	_, checks["Lease"] = s.a.Lease(ended, k)
	for _, err := range s.a.Walk(ended) {
		checks["Walk"] = err
	}
	if sweeper, ok := s.a.(tokenstore.Sweeper); ok {
		_, checks["Sweep"] = sweeper.Sweep(ended)
	}
	if _, ok := checks["Walk"]; !ok {
		t.Error("Walk yielded nothing, want context.Canceled")
	}
	for method, err := range checks {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", method, err)
		}
	}
	s.wantRecord(t, ctx, k, rec)
}

// The stores that open makes for two tests have nothing in common: the suite
// would prove little otherwise.
func testNothingIsShared(t *testing.T, s *suite) {
	for entry, err := range s.b.Walk(s.context(t)) {
		t.Fatalf("a new store is not empty: %v, %v", entry, err)
	}
}
