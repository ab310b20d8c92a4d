package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"
)

var readOnlyTests = map[string]func(*testing.T, *suite){
	"ReadOnly": testReadOnly,
}

// O58: a store that can be read only says so of every change, which then has not
// been made.
func testReadOnly(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	restore := s.ReadOnly(t)
	defer restore()
	if got := load(t, ctx, s.a, k); !bytes.Equal(got.Sealed, rec.Sealed) {
		t.Error("the record is another one")
	}
	next, created := s.record(time.Hour), key()
	next.Version = rec.Version
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for method, err := range map[string]error{
		"Create": s.a.Create(soon, created, s.record(time.Hour)),
		"Update": s.a.Update(soon, k, next),
		"Delete": s.a.Delete(soon, k),
	} {
		if err == nil || isAnswer(err) {
			t.Errorf("%s: %v, want an error that is no answer", method, err)
		}
	}
	if next.Version != rec.Version {
		t.Error("failed Update changed the version")
	}
	restore()
	s.recovered(t, ctx, s.a, k)
	s.wantRecord(t, ctx, k, rec)
	if _, err := s.a.Load(ctx, created); !isAnswer(err) {
		t.Errorf("Load of what could not be created: %v", err)
	}
	if err := s.a.Delete(ctx, k); err != nil {
		t.Errorf("Delete: %v", err)
	}
}
