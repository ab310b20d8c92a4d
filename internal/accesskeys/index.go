package accesskeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// keyIndex lists the access keys of an account. The keys' own records are sealed
// under the keys, which their owner's programs have and nobody else, so what can
// be said of them without is kept here. It holds no token and no key.
//
// It is a record of its own, sealed under an id that derives from the site's
// secret and the account, so it can be found from a session of the account's.
type keyIndex struct {
	Keys []indexedKey `json:"keys"`
}

// indexedKey is what the index says of a key.
type indexedKey struct {
	// Key is that of the key's record in the store.
	Key string `json:"key"`
	// Site is the site that it was made at and is good for. Earlier versions named
	// none.
	Site      string        `json:"site,omitempty"`
	Name      string        `json:"name"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at"`
	Allow     []webapi.Rule `json:"allow,omitempty"`
	Scopes    []string      `json:"scopes,omitempty"`
	// Kind is KindDevice for a key that a device was given, and else empty.
	Kind string `json:"kind,omitempty"`

	// Public is the public key to which renewed grants are sealed, and Life for how many
	// seconds the key was to be good. Those of earlier versions have none.
	Public []byte `json:"public,omitempty"`
	Life   int64  `json:"life,omitempty"`
	// Generation and RenewedAt are those of the renewal that the key took last.
	Generation int64     `json:"generation,omitempty"`
	RenewedAt  time.Time `json:"renewed_at,omitzero"`
	// Waiting is the renewal that the key is to take. Failed says that the last one did
	// not work.
	Waiting *waitingRenewal `json:"waiting,omitempty"`
	Failed  bool            `json:"failed,omitempty"`

	// usedAt is not stored here, but found along with the key's record.
	usedAt time.Time
}

func (i indexedKey) ref() string { return tokenstore.Ref(i.Key) }

// unsavedKeyLifetime is how long a key that is listed may have no record, because it is
// only being created.
const unsavedKeyLifetime = 5 * time.Minute

// newLists returns the lists of the accounts' access keys.
func (k *Keys) newLists() *session.OwnerList[keyIndex] {
	return &session.OwnerList[keyIndex]{
		Store: k.site.Store, Clock: k.site.Clock, Kind: tokenstore.KindKeyIndex, Namespace: k.site.ClientID + "\x00key index", Of: "keys",
		ID:    k.indexID,
		Empty: func(index *keyIndex) bool { return len(index.Keys) == 0 },
		Until: func(index *keyIndex, now time.Time) time.Time {
			// An empty one is not deleted: somebody may add a key to it just now. It soon goes
			// by itself.
			until := now.Add(unsavedKeyLifetime)
			for _, key := range index.Keys {
				if kept := key.keptUntil(); kept.After(until) {
					until = kept
				}
			}
			return until
		},
	}
}

// look returns those of an index's keys that have a record, and those that may
// yet get one. The rest have expired, or were ended by Spotify or the operator.
func (k *Keys) look(ctx context.Context, index *keyIndex) (live, settling []indexedKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	now := k.site.Clock.Now()
	for _, key := range index.Keys {
		rec, err := k.site.Store.Load(ctx, key.Key)
		switch {
		case err == nil:
			key.usedAt = rec.UsedAt
			for _, s := range k.site.Sessions.Held(key.Key) {
				if at := s.LastSeen.Load(); at > key.usedAt.Unix() && at > 0 {
					key.usedAt = time.Unix(at, 0).UTC()
				}
			}
			live = append(live, key)
		case !errors.Is(err, tokenstore.ErrNotFound):
			return nil, nil, fmt.Errorf("looking for a key: %w", err)
		case now.Sub(key.CreatedAt) < unsavedKeyLifetime:
			settling = append(settling, key)
		}
	}
	return live, settling, nil
}

// ours reports whether a key was made at this site. An account's index is the same
// for all sites with one app and one secret.
func (k *Keys) ours(i indexedKey) bool { return i.Site == "" || i.Site == k.site.Base() }

// list returns the keys of an account at this site, the newest first.
func (k *Keys) list(ctx context.Context, account string) ([]indexedKey, error) {
	index, _, _, err := k.lists.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	keys, _, err := k.look(ctx, index)
	keys = slices.DeleteFunc(keys, func(i indexedKey) bool { return !k.ours(i) })
	slices.SortStableFunc(keys, func(a, b indexedKey) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return keys, err
}

// errTooManyKeys says that the account has as many keys as it may.
var errTooManyKeys = errors.New("the account has as many access keys as it may")

// enter lists a key that is about to be created.
func (k *Keys) enter(ctx context.Context, account string, key indexedKey) error {
	return k.lists.Change(ctx, account, func(index *keyIndex) error {
		live, settling, err := k.look(ctx, index)
		if err != nil {
			return err
		}
		index.Keys = append(live, settling...)
		if k.active(index.Keys) >= k.max {
			return errTooManyKeys
		}
		index.Keys = append(index.Keys, key)
		return nil
	})
}

// errNotListed says that there is nothing to strike.
var errNotListed = errors.New("the access key is not in the list")

// strike takes a key from its account's index, if it is there.
func (k *Keys) strike(ctx context.Context, account, key string) error {
	err := k.lists.Change(ctx, account, func(index *keyIndex) error {
		n := len(index.Keys)
		index.Keys = slices.DeleteFunc(index.Keys, func(i indexedKey) bool { return i.Key == key })
		if len(index.Keys) == n {
			return errNotListed
		}
		return nil
	})
	if errors.Is(err, errNotListed) {
		return nil
	}
	return err
}

// create makes an access key out of a token of the account's. It is in the index
// before it can be used, so there is none that its owner does not find there,
// whatever breaks off in between.
func (k *Keys) create(ctx context.Context, token *pkce.Token, acct session.Account, terms *session.KeyTerms) (*session.Session, error) {
	seal, err := k.seal(ctx)
	if err != nil {
		return nil, err
	}
	terms.Seal = seal
	s := k.site.Sessions.NewKey(acct, terms)
	entry := indexedKey{
		Key: s.Key(), Site: k.site.Base(), Name: terms.Name, Allow: terms.Allow, Scopes: token.Scopes(),
		CreatedAt: time.Unix(s.CreatedAt, 0).UTC(), ExpiresAt: time.Unix(terms.ExpiresAt, 0).UTC(),
	}
	if terms.Life > 0 {
		entry.Life = terms.Life
		if entry.Public, err = renewalPublicKey(s.ID, k.site.ClientID); err != nil {
			return nil, err
		}
	}
	if terms.Device {
		entry.Kind = KindDevice
	}
	if err := k.enter(ctx, acct.ID, entry); err != nil {
		return nil, err
	}
	return s, k.site.Sessions.Keep(ctx, s, token)
}

// revoke ends one of an account's keys, here and everywhere. It reports whether
// there was one. When it fails the key may be in use still, and is listed.
func (k *Keys) revoke(ctx context.Context, account, ref string, about ...zap.Field) (bool, error) {
	index, _, _, err := k.lists.Load(ctx, account)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(index.Keys, func(i indexedKey) bool { return i.ref() == ref && k.ours(i) })
	if at < 0 {
		return false, nil
	}
	key := index.Keys[at].Key
	// What is in no list counts no longer, and does not even if its record comes
	// back out of a backup. So this is what revokes it.
	if err := k.strike(ctx, account, key); err != nil {
		return false, err
	}
	entry := tokenstore.Entry{Key: key, Meta: tokenstore.Meta{Kind: tokenstore.KindKey, AccountID: account}}
	for _, store := range session.StoresInUse() {
		if store.Store == k.site.Store {
			if err := store.End(ctx, entry, session.EndRevoked, k.site.Sessions, about...); err != nil {
				k.site.Logger.Warn("deleting record of revoked key failed; the key is revoked all the same", zap.String("session", ref), zap.Error(err))
			}
		}
	}
	return true, nil
}
