package caddyspotify

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// under returns what s is, for the cache to have under another id.
func under(m *sessions, id tokenstore.SessionID, s *session) *session {
	wrong := m.newSession(id, s.account, s.createdAt, s.authorizedAt, s.terms)
	wrong.lastSeen.Store(s.lastSeen.Load())
	wrong.checkedAt(s.checked.Load(), time.Duration(s.checkedMono.Load()))
	m.tokens.InitAuthenticator(&wrong.auth, s.auth.Current(), wrong)
	return wrong
}

// S26: what is stored of a session opens as no key and what is stored of a key as
// no session, wherever it is put, and whatever is in memory.
func TestKindsAreApart(t *testing.T) {
	fake := fakeclock.New(time.Now())
	m, ctx := openSessions(t, memory.New(memory.Config{Now: fake.Now}), fake), t.Context()
	key := m.newKey(account{ID: "account"}, &keyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()})
	if err := m.keep(ctx, key, newToken(1, fake.Now())); err != nil {
		t.Fatal(err)
	}
	sess, err := m.create(ctx, newToken(2, fake.Now()), account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	now := fake.Now().Unix()
	for name, got := range map[string]func() (*session, error){
		"a key as a cookie":     func() (*session, error) { return m.get(ctx, key.id.Cookie()) },
		"a cookie as a key":     func() (*session, error) { return m.getKey(ctx, sess.id, now) },
		"a key's record moved":  func() (*session, error) { return m.get(ctx, moved(t, m, key, false).Cookie()) },
		"a session's record":    func() (*session, error) { return m.getKey(ctx, moved(t, m, sess, true), now) },
		"a key sealed as other": func() (*session, error) { return m.get(ctx, resealed(t, m, key, false).Cookie()) },
		"a session sealed so":   func() (*session, error) { return m.getKey(ctx, resealed(t, m, sess, true), now) },
		"a key in a wrong slot": func() (*session, error) {
			id := tokenstore.NewSessionID()
			m.cache.add(under(m, id, key))
			return m.get(ctx, id.Cookie())
		},
		"a session in a wrong slot": func() (*session, error) {
			id := tokenstore.NewSessionID()
			m.cache.add(under(m, id, sess))
			return m.getKey(ctx, id, now)
		},
	} {
		if s, err := got(); !errors.Is(err, errNoSession) || s != nil {
			t.Errorf("%s: %v, %v", name, s != nil, err)
		}
	}
	if s, err := m.getKey(ctx, key.id, now); err != nil || s != key {
		t.Errorf("the key: %v", err)
	}
}

// moved puts a session's record, as it is, where another kind's would be under
// the same id.
func moved(t *testing.T, m *sessions, s *session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.key())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.Create(t.Context(), s.id.Key(m.namespaceOf(key)), rec); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		t.Fatal(err)
	}
	return s.id
}

// resealed puts what a session's record holds into one of another kind.
func resealed(t *testing.T, m *sessions, s *session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.key())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := tokenstore.Open(s.id, s.namespace(), rec.Sealed)
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
