package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// lateStore reads at once and answers late: each Load waits until answer is
// closed. It tells of no changes.
type lateStore struct {
	tokenstore.Store
	answer chan struct{}
	loads  atomic.Int32
}

func newLateStore(store tokenstore.Store) *lateStore {
	return &lateStore{Store: store, answer: make(chan struct{})}
}

func (s *lateStore) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	s.loads.Add(1)
	answer := s.answer
	rec, err := s.Store.Load(ctx, key)
	select {
	case <-answer:
		return rec, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// late is a session whose record a request is reading: it was read already, and
// the answer is on its way.
type late struct {
	inner  tokenstore.Store
	store  *lateStore
	m      *Manager
	s      *Session
	cookie string
	early  <-chan error // what the request gets
}

// readLate begins to read a session, which is not in memory, or which is and must
// be confirmed. It is called in a synctest bubble.
func readLate(t *testing.T, cached bool) *late {
	t.Helper()
	fake := fakeclock.New(time.Now())
	inner := memory.New(memory.Config{})
	store := newLateStore(inner)
	m := openSessions(t, store, fake)
	by := m
	if !cached {
		by = openSessions(t, inner, fake)
	}
	s := createSession(t, by, 1)
	fake.Advance(2 * revalidateAfter)
	l := &late{inner: inner, store: store, m: m, s: s, cookie: s.ID.Cookie()}
	l.early = l.ask(t)
	return l
}

// ask begins a request of the session's.
func (l *late) ask(t *testing.T) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := l.m.Get(t.Context(), l.cookie)
		result <- err
	}()
	synctest.Wait()
	return result
}

// ends are the ways in which a session may end while it is read, each with what
// its change is known by here.
var ends = map[string]func(t *testing.T, l *late){
	"elsewhere": func(t *testing.T, l *late) {
		if err := l.inner.Delete(t.Context(), l.s.Key()); err != nil {
			t.Error(err)
		}
		l.m.changed(l.s.Key())
	},
	"elsewhere, and the watch was lost": func(t *testing.T, l *late) {
		if err := l.inner.Delete(t.Context(), l.s.Key()); err != nil {
			t.Error(err)
		}
		l.m.Cache.invalidateAll()
	},
	"here, for one who has it": func(t *testing.T, l *late) {
		if err := l.inner.Delete(t.Context(), l.s.Key()); err != nil {
			t.Error(err)
		}
		l.m.forget(l.s)
	},
	"here, by its operator": func(t *testing.T, l *late) {
		if err := l.inner.Delete(t.Context(), l.s.Key()); err != nil {
			t.Error(err)
		}
		l.m.forgetKey(l.s.Key())
	},
}

// P47: a request that comes after a session's end does not get it from a reading
// that began before.
func TestReadingFromBeforeTheEndIsNotJoined(t *testing.T) {
	for how, end := range ends {
		for what, cached := range map[string]bool{"loaded": false, "confirmed": true} {
			t.Run(what+" and ended "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := readLate(t, cached)
					end(t, l)
					afterwards := l.ask(t)
					close(l.store.answer)
					<-l.early // may still get it
					if err := <-afterwards; !errors.Is(err, ErrNone) {
						t.Errorf("a request after the end: %v, want errNoSession", err)
					}
				})
			})
		}
	}
}

// P47: a session that ended while it was read is not kept for the next request.
func TestChangeDuringASlowReading(t *testing.T) {
	for how, end := range ends {
		for what, cached := range map[string]bool{"loaded": false, "confirmed": true} {
			t.Run(what+" and ended "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := readLate(t, cached)
					end(t, l)
					close(l.store.answer)
					<-l.early
					if _, err := l.m.Get(t.Context(), l.cookie); !errors.Is(err, ErrNone) {
						t.Errorf("the next request: %v, want errNoSession", err)
					}
				})
			})
		}
	}
}

// Nor is one forgotten whose change is one of so many that not all are remembered.
func TestManyChangesDuringASlowReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := readLate(t, false)
		ends["elsewhere"](t, l)
		for i := range 2 * recentChanges {
			other := l.s.digest
			other[30], other[31] = byte(i>>8)+other[30]+1, byte(i)
			l.m.Cache.invalidate(other)
		}
		close(l.store.answer)
		<-l.early
		if _, err := l.m.Get(t.Context(), l.cookie); !errors.Is(err, ErrNone) {
			t.Errorf("the next request: %v, want errNoSession", err)
		}
	})
}

// Changes of other sessions cost a reading nothing.
func TestOtherChangesDuringASlowReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := readLate(t, false)
		other := l.s.digest
		other[31]++
		l.m.Cache.invalidate(other)
		joined := l.ask(t)
		close(l.store.answer)
		if err := errors.Join(<-l.early, <-joined); err != nil {
			t.Fatal(err)
		}
		if _, err := l.m.Get(t.Context(), l.cookie); err != nil {
			t.Fatal(err)
		}
		if n := l.store.loads.Load(); n != 1 {
			t.Errorf("the store was asked %d times, want once", n)
		}
	})
}

// Requests that come at once cost the store one look, whether the session is
// loaded or confirmed, and one of them that hangs up takes it from nobody.
func TestReadingsAreShared(t *testing.T) {
	for what, cached := range map[string]bool{"loaded": false, "confirmed": true} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := fakeclock.New(time.Now())
				store := newLateStore(memory.New(memory.Config{}))
				m := openSessions(t, store, fake)
				s := createSession(t, m, 1)
				fake.Advance(2 * revalidateAfter)
				if !cached {
					m.Cache.remove(s.ID, Browser)
				}
				ctx, hangUp := context.WithCancel(t.Context())
				first := make(chan error, 1)
				go func() {
					_, err := m.Get(ctx, s.ID.Cookie())
					first <- err
				}()
				synctest.Wait()
				var wg sync.WaitGroup
				var got [1000]*Session
				for i := range got {
					wg.Go(func() {
						var err error
						if got[i], err = m.Get(t.Context(), s.ID.Cookie()); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				hangUp()
				if err := <-first; !errors.Is(err, context.Canceled) {
					t.Errorf("the request that hung up: %v", err)
				}
				close(store.answer)
				wg.Wait()
				if n := store.loads.Load(); n != 1 {
					t.Errorf("the store was asked %d times, want once", n)
				}
				for _, s := range got {
					if s != got[0] {
						t.Fatal("requests of one session got two")
					}
				}
				if len(m.readings) != 0 {
					t.Errorf("%d readings are left", len(m.readings))
				}
			})
		})
	}
}

// A session that is in memory is served while the store does not answer, and a
// change in the meantime is not forgotten over that.
func TestChangeDuringAReadingThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := readLate(t, true)
		l.m.changed(l.s.Key())
		time.Sleep(StoreTimeout)
		if err := <-l.early; err != nil {
			t.Errorf("a session that is in memory: %v", err)
		}
		if err := l.inner.Delete(t.Context(), l.s.Key()); err != nil {
			t.Fatal(err)
		}
		close(l.store.answer)
		if _, err := l.m.Get(t.Context(), l.cookie); !errors.Is(err, ErrNone) {
			t.Errorf("the next request: %v, want errNoSession", err)
		}
	})
}
