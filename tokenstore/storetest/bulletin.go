package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var bulletinTests = map[string]func(*testing.T, *suite){
	"Bulletin":         testBulletin,
	"BulletinExpires":  testBulletinExpires,
	"BulletinLongest":  testBulletinLongest,
	"BulletinIsApart":  testBulletinIsApart,
	"BulletinRefuses":  testBulletinRefuses,
	"BulletinUnharmed": testBulletinUnharmed,
}

func (s *suite) post(t *testing.T, ctx context.Context, store tokenstore.Store, k, note string, life time.Duration) {
	t.Helper()
	if err := store.(tokenstore.Bulletin).Post(ctx, k, []byte(note), life); err != nil {
		t.Fatalf("Post: %v", err)
	}
}

// wantNote fails the test unless every instance reads the note, which lasts no
// longer than life; an empty one stands for none.
func (s *suite) wantNote(t *testing.T, ctx context.Context, k, want string, life time.Duration) {
	t.Helper()
	for i, store := range s.Stores {
		note, left, err := store.(tokenstore.Bulletin).Read(ctx, k)
		if err != nil {
			t.Fatalf("instance %d: Read: %v", i, err)
		}
		if string(note) != want || left > life || (left > 0) != (want != "") || left < life/2 {
			t.Errorf("instance %d: %q for %v, want %q for %v", i, note, left, want, life)
		}
	}
}

// What one instance posts the others read, for as long as it lasts.
func testBulletin(t *testing.T, s *suite) {
	ctx := s.context(t)
	k, other := key(), key()
	s.wantNote(t, ctx, k, "", 0)
	s.post(t, ctx, s.a, k, "a note with spaces,\nlines and \x00", time.Hour)
	s.wantNote(t, ctx, k, "a note with spaces,\nlines and \x00", time.Hour)
	s.wantNote(t, ctx, other, "", 0)
	long := bytes.Repeat([]byte("x"), tokenstore.MaxNote)
	s.post(t, ctx, s.b, other, string(long), time.Hour)
	s.wantNote(t, ctx, other, string(long), time.Hour)
}

func testBulletinExpires(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	life := s.shortLife()
	s.post(t, ctx, s.a, k, "soon over", life)
	s.pass(life)
	s.wantNote(t, ctx, k, "", 0)
	s.post(t, ctx, s.b, k, "another", time.Hour)
	s.wantNote(t, ctx, k, "another", time.Hour)
}

// A note gives way to one that lasts longer, and to no other.
func testBulletinLongest(t *testing.T, s *suite) {
	ctx := s.context(t)
	k := key()
	s.post(t, ctx, s.a, k, "long", time.Hour)
	s.post(t, ctx, s.b, k, "short", time.Minute)
	s.wantNote(t, ctx, k, "long", time.Hour)
	s.post(t, ctx, s.b, k, "longer", 2*time.Hour)
	s.wantNote(t, ctx, k, "longer", 2*time.Hour)
}

// A note under a record's key is not the record, and is not walked over.
func testBulletinIsApart(t *testing.T, s *suite) {
	ctx := s.context(t)
	rec := s.record(time.Hour)
	k := s.create(t, ctx, rec)
	s.post(t, ctx, s.a, k, "a note", time.Hour)
	s.wantRecord(t, ctx, k, rec)
	lone := key()
	s.post(t, ctx, s.a, lone, "a note", time.Hour)
	if _, err := s.b.Load(ctx, lone); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load of a note: %v, want ErrNotFound", err)
	}
	if err := s.b.Delete(ctx, k); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	s.wantNote(t, ctx, k, "a note", time.Hour)
	for entry, err := range s.b.Walk(ctx) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		t.Errorf("walked over %s", tokenstore.Ref(entry.Key))
	}
}

func testBulletinRefuses(t *testing.T, s *suite) {
	ctx := s.context(t)
	board := s.a.(tokenstore.Bulletin)
	for _, k := range []string{"", "../../etc/passwd", "name", key() + "0"} {
		if err := board.Post(ctx, k, []byte("x"), time.Hour); !errors.Is(err, tokenstore.ErrMalformedKey) {
			t.Errorf("Post under %q: %v, want ErrMalformedKey", k, err)
		}
		if _, _, err := board.Read(ctx, k); !errors.Is(err, tokenstore.ErrMalformedKey) {
			t.Errorf("Read of %q: %v, want ErrMalformedKey", k, err)
		}
	}
	ended, end := context.WithCancel(ctx)
	end()
	if err := board.Post(ended, key(), []byte("x"), time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Post with an ended ctx: %v", err)
	}
	if _, _, err := board.Read(ended, key()); !errors.Is(err, context.Canceled) {
		t.Errorf("Read with an ended ctx: %v", err)
	}
}

// Neither the reader nor the poster keeps hold of the other's bytes.
func testBulletinUnharmed(t *testing.T, s *suite) {
	ctx := s.context(t)
	k, note := key(), []byte("a note")
	board := s.a.(tokenstore.Bulletin)
	if err := board.Post(ctx, k, note, time.Hour); err != nil {
		t.Fatalf("Post: %v", err)
	}
	clear(note)
	got, _, err := board.Read(ctx, k)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	clear(got)
	s.wantNote(t, ctx, k, "a note", time.Hour)
}
