package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// brokenWatch is a store that says it tells of changes. Each Watch lasts until the
// test breaks it off.
type brokenWatch struct {
	tokenstore.Store
	begun, fail chan struct{}
}

func (s *brokenWatch) Watch(ctx context.Context, _ func(string), _ func()) error {
	select {
	case s.begun <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.fail:
		return errOutage
	case <-ctx.Done():
		return ctx.Err()
	}
}

// P47: while nobody tells of changes, none is missed: what is in memory is checked
// before use, also what was checked before the watch goes on. It begins again soon.
func TestWatchThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		store := &brokenWatch{Store: memory.New(memory.Config{}), begun: make(chan struct{}), fail: make(chan struct{})}
		m := openSessions(t, store, fake)
		logs := observeLogs(m)
		var list []*Session
		for i := range 2 {
			s := createSession(t, m, i)
			list = append(list, s)
		}
		use := func(s *Session) error {
			_, err := m.Get(t.Context(), s.ID.Cookie())
			return err
		}
		end := func(s *Session) {
			if err := store.Delete(t.Context(), s.Key()); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(use(list[0]), use(list[1])); err != nil {
			t.Fatal(err)
		}
		<-store.begun
		end(list[0])
		if err := use(list[0]); err != nil {
			t.Fatalf("it is not the watch that would have told: %v", err)
		}

		store.fail <- struct{}{}
		synctest.Wait()
		if err := use(list[0]); !errors.Is(err, ErrNone) {
			t.Errorf("a session that ended when nobody told: %v", err)
		}
		if err := use(list[1]); err != nil {
			t.Error(err)
		}
		end(list[1])
		fake.Advance(time.Second)
		<-store.begun
		if err := use(list[1]); !errors.Is(err, ErrNone) {
			t.Errorf("a session that ended before the watch went on: %v", err)
		}
		if n := logs.FilterMessageSnippet("token store").Len(); n != 1 {
			t.Errorf("%d log lines tell of it, want one", n)
		}
	})
}
