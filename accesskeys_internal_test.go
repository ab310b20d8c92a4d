package caddyspotify

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func newKeysRig(t *testing.T) (*accessKeys, *fakeclock.Clock) {
	fake := fakeclock.New(time.Now())
	store := &pooledStore{Store: memory.New(memory.Config{Now: fake.Now})}
	m := openSessions(t, store.Store, fake)
	s := &site{
		guard:    &guard{redirectParts: redirectParts{prefix: "/spotify"}},
		clientID: "client", sessions: m, store: store, clock: fake, logger: zap.NewNop(),
	}
	return &accessKeys{site: s, lifetime: 24 * time.Hour, max: 3, key: storedKey{given: strings.Repeat("k", 32)}}, fake
}

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
	k, fake := newKeysRig(t)
	m, ctx := k.site.sessions, t.Context()
	key, err := k.create(ctx, benchToken(1, fake.Now()), account{ID: "account"}, &keyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	sess, err := m.create(ctx, benchToken(2, fake.Now()), account{ID: "account"})
	if err != nil {
		t.Fatal(err)
	}
	now := fake.Now().Unix()
	for name, got := range map[string]func() (*session, error){
		"a key as a cookie":     func() (*session, error) { return m.get(ctx, key.id.Cookie()) },
		"a cookie as a key":     func() (*session, error) { return m.getKey(ctx, sess.id, now) },
		"a key's record moved":  func() (*session, error) { return m.get(ctx, moved(t, k, key, false).Cookie()) },
		"a session's record":    func() (*session, error) { return m.getKey(ctx, moved(t, k, sess, true), now) },
		"a key sealed as other": func() (*session, error) { return m.get(ctx, resealed(t, k, key, false).Cookie()) },
		"a session sealed so":   func() (*session, error) { return m.getKey(ctx, resealed(t, k, sess, true), now) },
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
	// Nor is the list of an account's keys anything that opens.
	id, err := k.indexID(ctx, "account")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.get(ctx, id.Cookie()); !errors.Is(err, errNoSession) {
		t.Errorf("the index as a session: %v", err)
	}
	if _, err := m.getKey(ctx, id, now); !errors.Is(err, errNoSession) {
		t.Errorf("the index as a key: %v", err)
	}
}

// moved puts a session's record, as it is, where another kind's would be under
// the same id.
func moved(t *testing.T, k *accessKeys, s *session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := k.site.store.Load(t.Context(), s.key())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.site.store.Create(t.Context(), s.id.Key(k.site.sessions.namespaceOf(key)), rec); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		t.Fatal(err)
	}
	return s.id
}

// resealed puts what a session's record holds into one of another kind.
func resealed(t *testing.T, k *accessKeys, s *session, key bool) tokenstore.SessionID {
	t.Helper()
	rec, err := k.site.store.Load(t.Context(), s.key())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := tokenstore.Open(s.id, s.namespace(), rec.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	id, namespace := tokenstore.NewSessionID(), k.site.sessions.namespaceOf(key)
	if rec.Sealed, err = tokenstore.Seal(id, namespace, plain); err != nil {
		t.Fatal(err)
	}
	if err := k.site.store.Create(t.Context(), id.Key(namespace), rec); err != nil {
		t.Fatal(err)
	}
	return id
}

// Sessions that were stored before there were keys are sessions still.
func TestSessionsOfBeforeKeys(t *testing.T) {
	k, fake := newKeysRig(t)
	m, id := k.site.sessions, tokenstore.NewSessionID()
	plain := `{"token":{"access_token":"a","refresh_token":"r","expiry":"` + fake.Now().Add(time.Hour).Format(time.RFC3339) + `"},"account":{"id":"account"},` +
		`"created_at":"` + fake.Now().Format(time.RFC3339) + `","authorized_at":"` + fake.Now().Format(time.RFC3339) + `","last_seen":"` + fake.Now().Format(time.RFC3339) + `"}`
	sealed, err := tokenstore.Seal(id, m.namespace, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	var rec tokenstore.Record
	if err := json.Unmarshal([]byte(`{"account_id":"account","expires_at":"`+fake.Now().Add(time.Hour).Format(time.RFC3339)+`"}`), &rec); err != nil {
		t.Fatal(err)
	}
	rec.Sealed = sealed
	if err := k.site.store.Create(t.Context(), id.Key(m.namespace), &rec); err != nil {
		t.Fatal(err)
	}
	if s, err := m.get(t.Context(), id.Cookie()); err != nil || s.isKey() || s.account.ID != "account" {
		t.Errorf("%v", err)
	}
}

// A key that is listed but has no record, as after a crash, is not shown, and
// takes up a place only until it is clear that it never will have one.
func TestKeyThatWasNeverCreated(t *testing.T) {
	k, fake := newKeysRig(t)
	ctx := t.Context()
	entry := func(name string) indexedKey {
		return indexedKey{Key: tokenstore.NewSessionID().Key(name), Name: name, CreatedAt: fake.Now(), ExpiresAt: fake.Now().Add(time.Hour)}
	}
	names := func() (names []string) {
		index, _, _, err := k.loadIndex(ctx, "account")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range index.Keys {
			names = append(names, i.Name)
		}
		return names
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := k.enter(ctx, "account", entry(name)); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := k.list(ctx, "account"); err != nil || len(keys) != 0 {
		t.Errorf("listed: %v, %v", keys, err)
	}
	if err := k.enter(ctx, "account", entry("d")); !errors.Is(err, errTooManyKeys) {
		t.Errorf("a fourth: %v", err)
	}
	fake.Advance(keySettles)
	if err := k.enter(ctx, "account", entry("d")); err != nil || !slices.Equal(names(), []string{"d"}) {
		t.Errorf("later: %v, %v", names(), err)
	}
	// One account's keys are no other's.
	if keys, _, _, err := k.loadIndex(ctx, "another"); err != nil || len(keys.Keys) != 0 {
		t.Errorf("another's: %v, %v", keys, err)
	}
}

// The index goes with the last of its keys, and not before.
func TestKeyIndexExpires(t *testing.T) {
	k, fake := newKeysRig(t)
	ctx := t.Context()
	for _, life := range []time.Duration{3 * time.Hour, time.Hour} {
		if _, err := k.create(ctx, benchToken(1, fake.Now()), account{ID: "account"}, &keyTerms{ExpiresAt: fake.Now().Add(life).Unix()}); err != nil {
			t.Fatal(err)
		}
	}
	fake.Advance(2 * time.Hour)
	if keys, err := k.list(ctx, "account"); err != nil || len(keys) != 1 {
		t.Errorf("after two hours: %v, %v", keys, err)
	}
	fake.Advance(time.Hour)
	if _, rec, _, err := k.loadIndex(ctx, "account"); err != nil || rec != nil {
		t.Errorf("after three hours: %v, %v", rec, err)
	}
}
