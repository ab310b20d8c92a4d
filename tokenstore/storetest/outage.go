package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var outageTests = map[string]func(*testing.T, *suite){
	"Outage":                testOutage,
	"OutageHoldingLease":    testOutageHoldingLease,
	"OutageRepeatedUpdates": testOutageRepeatedUpdates,
}

// outage runs f while the store cannot be reached. A method may try until its
// context ends; the one f gets ends soon.
func (s *suite) outage(t *testing.T, ctx context.Context, f func(ctx context.Context)) {
	t.Helper()
	restore := s.Down(t)
	defer restore()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	f(ctx)
}

// recovered returns the record under k once the store answers again.
func (s *suite) recovered(t *testing.T, ctx context.Context, store tokenstore.Store, k string) *tokenstore.Record {
	t.Helper()
	for {
		rec, err := store.Load(ctx, k)
		if err == nil {
			return rec
		}
		if isAnswer(err) || ctx.Err() != nil {
			t.Fatalf("Load after the outage: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// isAnswer reports whether err says something about a record.
func isAnswer(err error) bool {
	return errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrExists) || errors.Is(err, tokenstore.ErrConflict)
}

// O51: an outage is an error of its own, which says nothing about any record:
// nobody is logged out by it, and all is as before when it ends.
func testOutage(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	next := s.record(time.Hour)
	next.Version = rec.Version
	s.outage(t, ctx, func(ctx context.Context) {
		checks := map[string]error{
			"Create": s.a.Create(ctx, key(), s.record(time.Hour)),
			"Update": s.a.Update(ctx, k, next),
			"Delete": s.a.Delete(ctx, key()),
		}
		_, checks["Load"] = s.a.Load(ctx, k)
		_, checks["Load of what is missing"] = s.a.Load(ctx, key())
		_, checks["Lease"] = s.a.Lease(ctx, k)
		checks["Walk"] = nil
		for _, err := range s.a.Walk(ctx) {
			checks["Walk"] = err
		}
		for method, err := range checks {
			if err == nil || isAnswer(err) {
				t.Errorf("%s: %v, want an error that is no answer", method, err)
			}
		}
		if next.Version != rec.Version {
			t.Error("failed Update changed the version")
		}
	})
	for i, store := range s.Stores {
		got := s.recovered(t, ctx, store, k)
		if !bytes.Equal(got.Sealed, rec.Sealed) && !bytes.Equal(got.Sealed, next.Sealed) {
			t.Errorf("instance %d: the record is neither the old nor the new one", i)
		}
		if err := store.Update(ctx, k, got); err != nil {
			t.Errorf("instance %d: Update after the outage: %v", i, err)
		}
		release(t, ctx, lease(t, ctx, store, k))
	}
}

// A lease held through an outage can be released after it, and is free then,
// whether it was lost or not.
func testOutageHoldingLease(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := s.create(t, ctx, s.record(time.Hour))
	held := lease(t, ctx, s.a, k)
	s.outage(t, ctx, func(ctx context.Context) {
		if _, err := s.a.Load(ctx, k); err == nil || isAnswer(err) {
			t.Errorf("Load: %v, want an error that is no answer", err)
		}
	})
	s.recovered(t, ctx, s.a, k)
	s.recovered(t, ctx, s.b, k)
	if err := held.Release(ctx); err != nil {
		t.Errorf("Release after the outage: %v", err)
	}
	release(t, ctx, lease(t, ctx, s.b, k))
}

// R38: a save that an outage interrupted is repeated until it is in; then the
// record is what was saved.
func testOutageRepeatedUpdates(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	next := s.record(time.Hour)
	next.Version = rec.Version
	s.outage(t, ctx, func(ctx context.Context) {
		if err := s.a.Update(ctx, k, next); err == nil || isAnswer(err) {
			t.Errorf("Update: %v, want an error that is no answer", err)
		}
	})
	got := s.recovered(t, ctx, s.a, k)
	if !bytes.Equal(got.Sealed, next.Sealed) { // it may have gone in unseen
		if err := s.a.Update(ctx, k, next); err != nil {
			t.Fatalf("Update after the outage: %v", err)
		}
		got = next
	}
	s.recovered(t, ctx, s.b, k)
	s.wantRecord(t, ctx, k, &tokenstore.Record{Meta: next.Meta, Sealed: next.Sealed, Version: got.Version})
}
