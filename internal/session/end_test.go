package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// observeLogs has the sessions' log lines observed.
func observeLogs(m *Manager) *logtest.ObservedLogs {
	core, logs := logtest.New(zap.InfoLevel)
	logger := zap.New(core)
	m.logger = func() *zap.Logger { return logger }
	return logs
}

// R38: the end of one token's grant leaves a record alone that holds a newer one.
func TestDeleteLeavesANewerToken(t *testing.T) {
	m, _, s := openFaulty(t)
	first, second := s.Auth.Current(), newToken(2, time.Now())
	if _, err := s.Save(t.Context(), first, second); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), first); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if stored, err := s.fetch(t.Context()); err != nil || !sameToken(stored, second) {
		t.Fatalf("the newer token's record: %v", err)
	}
	if err := s.Delete(t.Context(), second); err != nil {
		t.Errorf("Delete: %v", err)
	}
	for range 2 { // once it is gone, too
		if _, err := m.store.Load(t.Context(), s.Key()); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("the record of the token whose grant is over: %v", err)
		}
		if err := s.Delete(t.Context(), second); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
}

// A store that cannot be read says nothing of which token it holds.
func TestDeleteDuringAnOutage(t *testing.T) {
	m, _, s := openFaulty(t)
	unreadable := &unreadableStore{Store: m.store}
	m.store = unreadable
	if err := s.Delete(t.Context(), s.Auth.Current()); !errors.Is(err, errOutage) {
		t.Errorf("Delete: %v, want %v", err, errOutage)
	}
	if _, err := unreadable.Store.Load(t.Context(), s.Key()); err != nil {
		t.Errorf("the record: %v", err)
	}
}

type unreadableStore struct{ tokenstore.Store }

func (unreadableStore) Load(context.Context, string) (*tokenstore.Record, error) {
	return nil, errOutage
}

// slowDelete is a store whose Delete waits for its turn, as long as its context lasts.
type slowDelete struct {
	tokenstore.Store
	begun, goOn chan struct{}
}

func (s *slowDelete) Delete(ctx context.Context, key string) error {
	s.begun <- struct{}{}
	select {
	case <-s.goOn:
		return s.Store.Delete(ctx, key)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// P47: a logout goes through though the client hangs up in the middle of it. The
// session ends in the store before it ends here, so that none is over here and
// alive elsewhere.
func TestLogoutOutlivesItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		store := &slowDelete{Store: memory.New(memory.Config{}), begun: make(chan struct{}), goOn: make(chan struct{})}
		m := openSessions(t, store, fake)
		s := createSession(t, m, 1)
		ctx, hangUp := context.WithCancel(t.Context())
		removed := make(chan error)
		go func() {
			_, err := m.Remove(ctx, s.ID.Cookie(), EndLogout)
			removed <- err
		}()
		<-store.begun
		if _, err := m.Get(t.Context(), s.ID.Cookie()); err != nil || s.Auth.Ended() {
			t.Errorf("it ended here before it ended in the store: %v", err)
		}
		hangUp()
		synctest.Wait()
		close(store.goOn)
		if err := <-removed; err != nil {
			t.Errorf("the logout: %v", err)
		}
		if _, err := store.Load(t.Context(), s.Key()); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("the record: %v", err)
		}
		if _, err := m.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
			t.Errorf("after the logout: %v", err)
		}
	})
}

// P47: a logout that the store did not take ends nothing and is not told of. The
// next one is, once.
func TestLogoutAfterAFailure(t *testing.T) {
	m, store, s := openFaulty(t)
	logs := observeLogs(m)
	store.remove = errOutage
	if _, err := m.Remove(t.Context(), s.ID.Cookie(), EndLogout); !errors.Is(err, errOutage) {
		t.Fatalf("the logout: %v", err)
	}
	if n := logs.Len(); n > 0 {
		t.Errorf("the log says %q", logs.All()[0].Message)
	}
	if _, err := m.Get(t.Context(), s.ID.Cookie()); err != nil || s.Auth.Ended() {
		t.Fatalf("the session after a logout that failed: %v", err)
	}
	store.remove = nil
	if _, err := m.Remove(t.Context(), s.ID.Cookie(), EndLogout); err != nil {
		t.Fatal(err)
	}
	m.ended(s, endElsewhere) // as a refresh under way would find it
	if lines := logs.FilterMessage("logout").All(); len(lines) != 1 || logs.Len() != 1 {
		t.Errorf("%d lines, %d of a logout, want one", logs.Len(), len(lines))
	}
}

// R30: a session that has work in flight is the one that requests get, though the
// cache has dropped it: the stored token may be used up. Once the work is done it is
// loaded like any other.
func TestBusySessionIsNotLoadedTwice(t *testing.T) {
	m, _, s := openFaulty(t)
	s.Pin()
	for range 2 {
		m.Cache.remove(s.ID, Browser)
		if got, err := m.Get(t.Context(), s.ID.Cookie()); err != nil || got != s {
			t.Fatalf("a busy session was loaded a second time: %v", err)
		}
		if got, ok := m.Cache.get(s.ID, Browser); !ok || got != s {
			t.Error("the busy session is not in the cache")
		}
	}
	s.Unpin()
	m.Cache.remove(s.ID, Browser)
	if got, err := m.Get(t.Context(), s.ID.Cookie()); err != nil || got == s {
		t.Errorf("after that: the same %v, %v", got == s, err)
	}
}

// P47: nobody told a busy session of what happened while the cache had dropped it,
// so it counts as good for nobody until it is confirmed.
func TestBusySessionThatEndedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		inner := memory.New(memory.Config{})
		store := newLateStore(inner)
		m := openSessions(t, store, fake)
		m.watched = true
		s := createSession(t, m, 1)
		s.Pin()
		defer s.Unpin()
		m.Cache.remove(s.ID, Browser)
		if err := inner.Delete(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
		m.changed(s.Key())
		l := &late{inner: inner, store: store, m: m, s: s, cookie: s.ID.Cookie()}
		first, second := l.ask(t), l.ask(t)
		close(store.answer)
		for _, got := range []<-chan error{first, second} {
			if err := <-got; !errors.Is(err, ErrNone) {
				t.Errorf("a session that has ended: %v", err)
			}
		}
	})
}

// S21: a session that this instance thinks idle may have been used on another. It
// goes on, and the last use there counts here.
func TestLastUseElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		store := &silentStore{Store: memory.New(memory.Config{Now: fake.Now})}
		here, there := openSessions(t, store, fake), openSessions(t, store, fake)
		s := createSession(t, here, 1)
		use := func(m *Manager) {
			t.Helper()
			got, err := m.Get(t.Context(), s.ID.Cookie())
			if err != nil {
				t.Fatalf("after %s: %v", fake.Monotonic(), err)
			}
			m.Touch(got)
			synctest.Wait()
		}
		for range 5 { // of which each is less than the hour
			fake.Advance(40 * time.Minute)
			use(there)
		}
		fake.Advance(40 * time.Minute)
		got, err := here.Get(t.Context(), s.ID.Cookie())
		if err != nil {
			t.Fatalf("a session in use elsewhere: %v", err)
		}
		if idle := fake.Now().Unix() - got.LastSeen.Load(); idle != 40*60 {
			t.Errorf("it was used %d s ago, want 40 minutes", idle)
		}
		// What confirms a session tells of its last use as well.
		use(there)
		fake.Advance(15 * time.Minute) // not idle by what is known here
		if got, err = here.Get(t.Context(), s.ID.Cookie()); err != nil || fake.Now().Unix()-got.LastSeen.Load() != 15*60 {
			t.Errorf("it was confirmed without its last use: %v", err)
		}
		fake.Advance(time.Hour)
		for _, m := range []*Manager{here, there} {
			if _, err := m.Get(t.Context(), s.ID.Cookie()); !errors.Is(err, ErrNone) {
				t.Errorf("a session that was idle everywhere: %v", err)
			}
		}
	})
}
