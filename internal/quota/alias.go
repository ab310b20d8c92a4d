package quota

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/internal/secret"
)

// Files name no account: people who have left must not be found in them, and a file of an
// instance that has ended is nobody's to change. They have an alias in place of each
// account's ID, which derives from it and a key that is made once and kept in the same
// storage. So all instances have the same, and no row outlives a day.

// aliasMark begins every alias. No account's ID does.
const aliasMark = "~"

// aliases make aliases of accounts' IDs.
type aliases struct {
	key    atomic.Pointer[[]byte] // nil until it is loaded
	stored atomic.Pointer[secret.Stored]
}

// use has the key kept in a storage. One that is known already goes on being used.
func (a *aliases) use(storage certmagic.Storage) {
	a.stored.Store(secret.New("", storage, "quota", "reload the configuration"))
}

// load loads the key, unless it is known.
func (a *aliases) load(ctx context.Context) error {
	if a.key.Load() != nil {
		return nil
	}
	key, err := a.stored.Load().Load(ctx)
	if err == nil {
		a.key.Store(&key)
	}
	return err
}

// of returns the name that files have for a caller of a kind: an account's alias, or the
// name itself. It returns "" for an account as long as the key is not known; no file has
// been read then.
func (a *aliases) of(k Kind, name string) string {
	if k != Account || name == Other || strings.HasPrefix(name, aliasMark) {
		return name
	}
	key := a.key.Load()
	if key == nil {
		return ""
	}
	mac := hmac.New(sha256.New, *key)
	mac.Write([]byte(name))
	return aliasMark + hex.EncodeToString(mac.Sum(nil)[:12])
}

// ofRow is of for a name that has a row, which keeps it.
func (a *aliases) ofRow(k Kind, name string, r *row) string {
	if k != Account {
		return name
	}
	if alias := r.alias.Load(); alias != nil {
		return *alias
	}
	alias := a.of(k, name)
	if alias != "" {
		r.alias.Store(&alias)
	}
	return alias
}

// Forget drops an account's ID from memory. What it has spent in the day still counts,
// under its alias, and goes on doing so if the person comes back.
func (l *Ledger) Forget(account string) {
	t := l.own.of(Account)
	if r := t.find(account); r != nil {
		if alias := l.aliases.ofRow(Account, account, r); alias != "" {
			t.rename(account, alias)
		}
	}
}

// Name has a report show the IDs of those accounts that only other instances have counted,
// or this one before a restart. IDs that have no alias in it do not matter.
func (l *Ledger) Name(r *Report, accounts func(yield func(id string) bool)) {
	unnamed := make(map[string]*Count)
	for i := range r.Callers {
		if c := &r.Callers[i]; c.Kind == Account && strings.HasPrefix(c.Name, aliasMark) {
			unnamed[c.Name] = c
		}
	}
	if len(unnamed) == 0 {
		return
	}
	for id := range accounts {
		if c := unnamed[l.aliases.of(Account, id)]; c != nil {
			c.Name = id
		}
	}
}
