package accesskeys

import (
	"context"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// deleteHook is a store in which something happens before a record is deleted.
type deleteHook struct {
	tokenstore.Store
	before func(key string)
}

func (s *deleteHook) Delete(ctx context.Context, key string) error {
	s.before(key)
	return s.Store.Delete(ctx, key)
}

// E03: a key that is created at the very end of its owner's deleting everything, when the
// store has been walked and the session still counts, does not stay.
func TestKeyCreatedAsItsOwnerGoes(t *testing.T) {
	fake, ctx := fakeclock.New(time.Now()), t.Context()
	store := &deleteHook{Store: memory.New(memory.Config{Now: fake.Now})}
	k := newKeysRigOver(t, store, fake)
	m, acct := k.site.Sessions, session.Account{ID: "account"}
	sess := m.NewBrowser(acct)
	created := false
	store.before = func(key string) {
		if key != sess.Key() || created {
			return
		}
		created = true
		if _, err := k.create(ctx, granted(2, fake.Now()), acct, &session.KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()}); err != nil {
			t.Error(err)
		}
	}
	if err := m.Keep(ctx, sess, granted(1, fake.Now())); err != nil {
		t.Fatal(err)
	}
	if n, err := m.EndAll(ctx, sess, false); err != nil || n != 2 || !created {
		t.Errorf("%d ended, %v; created: %v", n, err, created)
	}
	for entry, err := range store.Walk(ctx) {
		if err != nil || entry.AccountID == acct.ID {
			t.Errorf("left: %+v, %v", entry, err)
		}
	}
}
