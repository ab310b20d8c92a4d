package accesskeys

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// listFirst is a store that sees to it that a key's record comes after the entry in
// its owner's list, or takes no list or no key at all.
type listFirst struct {
	tokenstore.Store
	listed            func(key string) bool
	takeList, takeKey error
	created           []string
}

func (s *listFirst) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	switch rec.Kind {
	case tokenstore.KindKeyIndex:
		if s.takeList != nil {
			return s.takeList
		}
	case tokenstore.KindKey:
		if !s.listed(key) {
			return errors.New("a key would be usable that is in no list")
		}
		if s.takeKey != nil {
			return s.takeKey
		}
		s.created = append(s.created, key)
	}
	return s.Store.Create(ctx, key, rec)
}

// S29: a key can be used once its owner finds it in the list, and not before. One
// that could not be listed is created nowhere.
func TestKeyIsUsableOnceItIsListed(t *testing.T) {
	lost := errors.New("the store is out of reach")
	for name, c := range map[string]struct {
		takeList, takeKey error
		created           bool
	}{
		"created":               {created: true},
		"the list is not saved": {takeList: lost},
		"the key is not saved":  {takeKey: lost},
	} {
		t.Run(name, func(t *testing.T) {
			store := &listFirst{Store: memory.New(memory.Config{}), takeList: c.takeList, takeKey: c.takeKey}
			fake := fakeclock.New(time.Now())
			k := newKeysRigOver(t, store, fake)
			m, ctx := k.site.Sessions, t.Context()
			store.listed = func(key string) bool {
				index, _, _, err := k.lists.Load(ctx, "account")
				if err != nil {
					t.Error(err)
				}
				return len(index.Keys) == 1 && index.Keys[0].Key == key
			}
			s, err := k.create(ctx, granted(1, fake.Now()), session.Account{ID: "account"}, &session.KeyTerms{ExpiresAt: fake.Now().Add(time.Hour).Unix()})
			if c.created {
				if err != nil {
					t.Fatal(err)
				}
				if got, err := m.GetKey(ctx, s.ID, fake.Now().Unix(), k); err != nil || got != s {
					t.Errorf("the key: %v", err)
				}
				return
			}
			if !errors.Is(err, lost) {
				t.Fatalf("create: %v, want %v", err, lost)
			}
			if len(store.created) > 0 {
				t.Error("there is a key")
			}
			if keys, err := k.list(ctx, "account"); err != nil || len(keys) != 0 {
				t.Errorf("listed: %v, %v", keys, err)
			}
		})
	}
}
