package accesskeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func newKeysRig(t *testing.T) (*Keys, *fakeclock.Clock) {
	fake := fakeclock.New(time.Now())
	return newKeysRigOver(t, memory.New(memory.Config{Now: fake.Now}), fake), fake
}

// newKeysRigOver returns the keys of a site over a store.
func newKeysRigOver(t *testing.T, store tokenstore.Store, fake *fakeclock.Clock) *Keys {
	t.Helper()
	fake.Install(t)
	return newInstance(t, store, fake, t.Name(), "")
}

// newInstance returns the keys of a site in one of its instances, which has a name.
func newInstance(t *testing.T, store tokenstore.Store, fake *fakeclock.Clock, name, tokenURL string) *Keys {
	t.Helper()
	tokens := &pkce.Config{ClientID: "client", Clock: fake, TokenURL: tokenURL}
	acquired, err := session.Acquire(inMemory{store, name}, tokens, "https://app.example.com/spotify", "", time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = acquired.Release() })
	s := &site.Site{
		Guard:    &browser.Guard{Redirect: browser.Redirect{Prefix: "/spotify"}},
		ClientID: "client", Sessions: acquired.Sessions, Store: acquired.Store, Clock: fake, Logger: zap.NewNop(),
	}
	k := &Keys{site: s, lifetime: 24 * time.Hour, max: 3, key: secret.New(strings.Repeat("k", 32), nil, "access_keys", "")}
	k.lists = k.newLists()
	leave := acquired.Store.JoinLists(k)
	t.Cleanup(func() { _ = leave() })
	return k
}

// E04: a name is seen as what it is: nothing in it is invisible, turns the text around or
// covers the lines around it.
func TestNamesShowAsWhatTheyAre(t *testing.T) {
	for _, name := range []string{
		"Küche", "客厅 1号", "מטבח", "مطبخ", "रसोई", "ห้องนั่งเล่น", "Phở bò", "❤\ufe0f mirror", "a\u00a0b", "<b>{{x}}</b>", "Cafe\u0301",
	} {
		if !ValidName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", "a\nb", "a\x00b", "a\x85b", "a\xffb", "\u3164", "\u115f\u1160", "\u2800", "\ufe0f", "\u0301a", "a\u00adb", "a\u034fb", "a\u061cb", "a\u180eb",
		"a\u200bb", "a\u2028b", "a\u202eb", "a\u2066b", "a\ufeffb", "a\ufff9b", "a\uffffb", "\ue000", "a\U000e0041b", "a" + strings.Repeat("\u0301", 5), strings.Repeat("x", 61),
	} {
		if ValidName(name) {
			t.Errorf("%q is a name", name)
		}
	}
}

// S26: the list of an account's keys is nothing that opens.
func TestIndexOpensNothing(t *testing.T) {
	k, fake := newKeysRig(t)
	m, ctx, now := k.site.Sessions, t.Context(), fake.Now().Unix()
	if _, err := k.create(ctx, granted(1, fake.Now()), session.Account{ID: "account"}, &session.KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()}); err != nil {
		t.Fatal(err)
	}
	id, err := k.indexID(ctx, "account")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Get(ctx, id.Cookie()); !errors.Is(err, session.ErrNone) {
		t.Errorf("the index as a session: %v", err)
	}
	if _, err := m.GetKey(ctx, id, now, k); !errors.Is(err, session.ErrNone) {
		t.Errorf("the index as a key: %v", err)
	}
}

// Sessions that were stored before there were keys are sessions still.
func TestSessionsOfBeforeKeys(t *testing.T) {
	k, fake := newKeysRig(t)
	m, id := k.site.Sessions, tokenstore.NewSessionID()
	plain := `{"token":{"access_token":"a","refresh_token":"r","expiry":"` + fake.Now().Add(time.Hour).Format(time.RFC3339) + `"},"account":{"id":"account"},` +
		`"created_at":"` + fake.Now().Format(time.RFC3339) + `","authorized_at":"` + fake.Now().Format(time.RFC3339) + `","last_seen":"` + fake.Now().Format(time.RFC3339) + `"}`
	sealed, err := tokenstore.Seal(id, m.Namespace, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	var rec tokenstore.Record
	if err := json.Unmarshal([]byte(`{"account_id":"account","expires_at":"`+fake.Now().Add(time.Hour).Format(time.RFC3339)+`"}`), &rec); err != nil {
		t.Fatal(err)
	}
	rec.Sealed = sealed
	if err := k.site.Store.Create(t.Context(), id.Key(m.Namespace), &rec); err != nil {
		t.Fatal(err)
	}
	if s, err := m.Get(t.Context(), id.Cookie()); err != nil || s.IsKey() || s.Account.ID != "account" {
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
		index, _, _, err := k.lists.Load(ctx, "account")
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
	fake.Advance(unsavedKeyLifetime)
	if err := k.enter(ctx, "account", entry("d")); err != nil || !slices.Equal(names(), []string{"d"}) {
		t.Errorf("later: %v, %v", names(), err)
	}
	// One account's keys are no other's.
	if keys, _, _, err := k.lists.Load(ctx, "another"); err != nil || len(keys.Keys) != 0 {
		t.Errorf("another's: %v, %v", keys, err)
	}
}

// The index goes with the last of its keys, and not before.
func TestKeyIndexExpires(t *testing.T) {
	k, fake := newKeysRig(t)
	ctx := t.Context()
	for _, life := range []time.Duration{3 * time.Hour, time.Hour} {
		if _, err := k.create(ctx, granted(1, fake.Now()), session.Account{ID: "account"}, &session.KeyTerms{ExpiresAt: fake.Now().Add(life).Unix()}); err != nil {
			t.Fatal(err)
		}
	}
	fake.Advance(2 * time.Hour)
	if keys, err := k.list(ctx, "account"); err != nil || len(keys) != 1 {
		t.Errorf("after two hours: %v, %v", keys, err)
	}
	fake.Advance(time.Hour)
	if _, rec, _, err := k.lists.Load(ctx, "account"); err != nil || rec != nil {
		t.Errorf("after three hours: %v, %v", rec, err)
	}
}

// granted returns the i-th token.
func granted(i int, now time.Time) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken: fmt.Sprintf("access-%d", i), RefreshToken: "refresh", Lifetime: time.Hour, Expiry: now.Add(time.Hour),
	})
}

// inMemory provides a store for one test.
type inMemory struct {
	store tokenstore.Store
	key   string
}

func (p inMemory) Store() (tokenstore.Store, error) { return p.store, nil }

func (p inMemory) UsageKey() string { return p.key }
