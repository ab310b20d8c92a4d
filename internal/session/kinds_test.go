package session

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// under returns what s is, for the cache to have under another id.
func under(m *Manager, id tokenstore.SessionID, s *Session) *Session {
	wrong := m.newSession(id, s.Account, s.CreatedAt, s.authorizedAt, s.Terms)
	wrong.LastSeen.Store(s.LastSeen.Load())
	wrong.checkedAt(s.checked.Load(), time.Duration(s.checkedMono.Load()))
	m.tokens.InitAuthenticator(&wrong.Auth, s.Auth.Current(), wrong)
	return wrong
}

// S26: what is stored of a session opens as no key and what is stored of a key as
// no session, wherever it is put, and whatever is in memory.
func TestKindsAreApart(t *testing.T) {
	fake := fakeclock.New(time.Now())
	m, ctx := openSessions(t, memory.New(memory.Config{Now: fake.Now}), fake), t.Context()
	key := m.NewKey(Account{ID: "account"}, &KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()})
	if err := m.Keep(ctx, key, newToken(1, fake.Now())); err != nil {
		t.Fatal(err)
	}
	sess, err := m.Create(ctx, newToken(2, fake.Now()), Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	now := fake.Now().Unix()
	for name, got := range map[string]func() (*Session, error){
		"a key as a cookie":     func() (*Session, error) { return m.Get(ctx, key.ID.Cookie()) },
		"a cookie as a key":     func() (*Session, error) { return m.GetKey(ctx, sess.ID, now) },
		"a key's record moved":  func() (*Session, error) { return m.Get(ctx, moved(t, m, key, false).Cookie()) },
		"a session's record":    func() (*Session, error) { return m.GetKey(ctx, moved(t, m, sess, true), now) },
		"a key sealed as other": func() (*Session, error) { return m.Get(ctx, resealed(t, m, key, false).Cookie()) },
		"a session sealed so":   func() (*Session, error) { return m.GetKey(ctx, resealed(t, m, sess, true), now) },
		"a key in a wrong slot": func() (*Session, error) {
			id := tokenstore.NewSessionID()
			m.Cache.add(under(m, id, key))
			return m.Get(ctx, id.Cookie())
		},
		"a session in a wrong slot": func() (*Session, error) {
			id := tokenstore.NewSessionID()
			m.Cache.add(under(m, id, sess))
			return m.GetKey(ctx, id, now)
		},
	} {
		if s, err := got(); !errors.Is(err, ErrNone) || s != nil {
			t.Errorf("%s: %v, %v", name, s != nil, err)
		}
	}
	if s, err := m.GetKey(ctx, key.ID, now); err != nil || s != key {
		t.Errorf("the key: %v", err)
	}
}

// moved puts a session's record, as it is, where another kind's would be under
// the same id.
func moved(t *testing.T, m *Manager, s *Session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.Create(t.Context(), s.ID.Key(m.namespaceOf(key)), rec); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		t.Fatal(err)
	}
	return s.ID
}

// resealed puts what a session's record holds into one of another kind.
func resealed(t *testing.T, m *Manager, s *Session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.Key())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := tokenstore.Open(s.ID, s.namespace(), rec.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	id, namespace := tokenstore.NewSessionID(), m.namespaceOf(key)
	if rec.Sealed, err = tokenstore.Seal(id, namespace, plain); err != nil {
		t.Fatal(err)
	}
	if err := m.store.Create(t.Context(), id.Key(namespace), rec); err != nil {
		t.Fatal(err)
	}
	return id
}
