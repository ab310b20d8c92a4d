package session

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// under returns what s is, for the cache to have under another id.
func under(m *Manager, id tokenstore.SessionID, s *Session) *Session {
	wrong := m.newSession(id, s.kind, s.Account, s.CreatedAt, s.authorizedAt.Load(), s.Terms())
	wrong.LastSeen.Store(s.LastSeen.Load())
	wrong.checkedAt(s.checked.Load(), time.Duration(s.checkedMono.Load()))
	m.tokens.InitAuthenticator(&wrong.Auth, s.Auth.Current(), wrong)
	return wrong
}

// oneOfEach stores a session of each kind.
func oneOfEach(t *testing.T, m *Manager, fake *fakeclock.Clock) (all [3]*Session) {
	t.Helper()
	var err error
	if all[Browser], err = m.Create(t.Context(), newToken(1, fake.Now()), Account{ID: "account"}); err != nil {
		t.Fatal(err)
	}
	all[Key] = m.NewKey(Account{ID: "account"}, &KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()})
	if err := m.Keep(t.Context(), all[Key], newToken(2, fake.Now())); err != nil {
		t.Fatal(err)
	}
	if all[Shared], err = m.ReplaceShared(t.Context(), tokenstore.NewSessionID(), newToken(3, fake.Now()), Account{ID: "account"}); err != nil {
		t.Fatal(err)
	}
	return all
}

// S26, S27: what is stored of one kind opens as no other, wherever it is put, and
// whatever is in memory. In particular nothing but a browser's session opens by a
// cookie.
func TestKindsAreApart(t *testing.T) {
	fake := fakeclock.New(time.Now())
	m, ctx := openSessions(t, memory.New(memory.Config{Now: fake.Now}), fake), t.Context()
	now := fake.Now().Unix()
	for as, get := range map[Kind]func(id tokenstore.SessionID) (*Session, error){
		Browser: func(id tokenstore.SessionID) (*Session, error) { return m.Get(ctx, id.Cookie()) },
		Key:     func(id tokenstore.SessionID) (*Session, error) { return m.GetKey(ctx, id, now, nil) },
		Shared:  func(id tokenstore.SessionID) (*Session, error) { return m.GetShared(ctx, id) },
	} {
		for of, s := range oneOfEach(t, m, fake) {
			if got, err := get(s.ID); Kind(of) == as {
				if err != nil || got != s {
					t.Errorf("%s as such: %v", stored[of].sealed, err)
				}
				continue
			}
			wrongSlot := tokenstore.NewSessionID()
			m.Cache.add(under(m, wrongSlot, s))
			for what, id := range map[string]tokenstore.SessionID{
				"its id": s.ID, "its record moved": moved(t, m, s, as), "its record sealed again": resealed(t, m, s, as), "one in a wrong slot": wrongSlot,
			} {
				if got, err := get(id); !errors.Is(err, ErrNone) || got != nil {
					t.Errorf("%s of kind %q as %q: %v, %v", what, stored[of].sealed, stored[as].sealed, got != nil, err)
				}
			}
		}
	}
}

// S27: what an earlier version stored of a shared account, as a browser's session,
// is moved at its first use, and opens by no cookie from then on.
func TestSharedAccountOfBefore(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: fake.Now})
	m, ctx, id := openSessions(t, store, fake), t.Context(), tokenstore.NewSessionID()
	token := newToken(1, fake.Now())
	before, err := openSessions(t, store, fake).createAs(ctx, id, Browser, token, Account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	asBefore(t, m, before)
	fake.Advance(time.Minute)
	for range 2 {
		s, err := m.GetShared(ctx, id)
		if err != nil || s.kind != Shared || s.CreatedAt != before.CreatedAt || s.LastSeen.Load() != before.LastSeen.Load() || !sameToken(s.Auth.Current(), token) {
			t.Fatalf("the shared account: %v", err)
		}
	}
	if _, err := m.Get(ctx, id.Cookie()); !errors.Is(err, ErrNone) {
		t.Errorf("its id as a cookie: %v", err)
	}
	if _, err := store.Load(ctx, before.Key()); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the record of before: %v", err)
	}
}

// asBefore has a session's record look as earlier versions wrote it.
func asBefore(t *testing.T, m *Manager, s *Session) {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.Key())
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.open(s.ID, s.kind, rec)
	if err != nil {
		t.Fatal(err)
	}
	data.Kind = ""
	plain, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Sealed, err = tokenstore.Seal(s.ID, s.namespace(), plain); err != nil {
		t.Fatal(err)
	}
	if err := m.store.Update(t.Context(), s.Key(), rec); err != nil {
		t.Fatal(err)
	}
}

// moved puts a session's record, as it is, where another kind's would be under
// the same id.
func moved(t *testing.T, m *Manager, s *Session, kind Kind) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.Create(t.Context(), s.ID.Key(m.namespaces[kind]), rec); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		t.Fatal(err)
	}
	return s.ID
}

// resealed puts what a session's record holds into one of another kind.
func resealed(t *testing.T, m *Manager, s *Session, kind Kind) tokenstore.SessionID {
	t.Helper()
	rec, err := m.store.Load(t.Context(), s.Key())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := tokenstore.Open(s.ID, s.namespace(), rec.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	id, namespace := tokenstore.NewSessionID(), m.namespaces[kind]
	if rec.Sealed, err = tokenstore.Seal(id, namespace, plain); err != nil {
		t.Fatal(err)
	}
	if err := m.store.Create(t.Context(), id.Key(namespace), rec); err != nil {
		t.Fatal(err)
	}
	return id
}
