package accesskeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// waitingRenewal is a renewed grant in the list of keys. It goes with its key's entry, so
// that a key that is revoked takes no renewal.
type waitingRenewal struct {
	Generation int64     `json:"generation"`
	RenewedAt  time.Time `json:"renewed_at"`
	ExpiresAt  time.Time `json:"expires_at"` // of the key, once it has taken the renewal
	Scopes     []string  `json:"scopes,omitempty"`
	Sealed     []byte    `json:"sealed"`
}

// Errors that say why a key is not renewed.
var (
	errNoSuchKey    = errors.New("there is no such access key")
	errNotRenewable = errors.New("the access key was created by a version that could not renew keys")
	errMoreScopes   = errors.New("the grant has scopes that the access key has not")
)

// renewable reports whether a key can be renewed.
func (i indexedKey) renewable() bool { return len(i.Public) > 0 }

// keptUntil is until when a key's record may be there. Until then an expired key can be
// renewed.
func (i indexedKey) keptUntil() time.Time {
	if !i.renewable() {
		return i.ExpiresAt
	}
	return i.ExpiresAt.Add(session.KeyGrace(time.Duration(i.Life) * time.Second))
}

// expired reports whether a key has expired and is kept so that it can be renewed.
func (i indexedKey) expired(now time.Time) bool { return !now.Before(i.ExpiresAt) }

// active returns how many of an account's keys at this site have not expired.
func (k *Keys) active(keys []indexedKey) int {
	n, now := 0, k.site.Clock.Now()
	for _, i := range keys {
		if k.ours(i) && !i.expired(now) {
			n++
		}
	}
	return n
}

// findRenewable returns the key of an account's with a reference, if it can be renewed.
func (k *Keys) findRenewable(ctx context.Context, account, ref string) (indexedKey, error) {
	keys, err := k.list(ctx, account)
	if err != nil {
		return indexedKey{}, err
	}
	at := slices.IndexFunc(keys, func(i indexedKey) bool { return i.ref() == ref })
	if at < 0 {
		return indexedKey{}, errNoSuchKey
	}
	return keys[at], k.mayRenew(keys[at], keys)
}

// mayRenew returns why a key among an account's cannot be renewed, if so.
func (k *Keys) mayRenew(key indexedKey, keys []indexedKey) error {
	switch now := k.site.Clock.Now(); {
	case !now.Before(key.keptUntil()):
		return errNoSuchKey
	case !key.renewable():
		return errNotRenewable
	case key.expired(now) && k.active(keys) >= k.max:
		return errTooManyKeys
	}
	return nil
}

// renew leaves a new grant of the account's for one of its keys, in place of one that
// waits there already. It returns the key as it is to be.
func (k *Keys) renew(ctx context.Context, token *pkce.Token, account, ref string) (renewed indexedKey, err error) {
	if _, err := k.findRenewable(ctx, account, ref); err != nil {
		return indexedKey{}, err // its record may be gone
	}
	err = k.lists.Change(ctx, account, func(index *keyIndex) error {
		at := slices.IndexFunc(index.Keys, func(i indexedKey) bool { return i.ref() == ref && k.ours(i) })
		if at < 0 {
			return errNoSuchKey
		}
		key := &index.Keys[at]
		if err := k.mayRenew(*key, index.Keys); err != nil {
			return err
		}
		if slices.ContainsFunc(token.Scopes(), func(s string) bool { return !slices.Contains(key.Scopes, s) }) {
			return errMoreScopes
		}
		waiting, err := k.sealRenewal(token, account, key)
		if err != nil {
			return err
		}
		key.Waiting, key.Failed = waiting, false
		renewed = *key
		return nil
	})
	return renewed, err
}

func (k *Keys) sealRenewal(token *pkce.Token, account string, key *indexedKey) (*waitingRenewal, error) {
	now := k.site.Clock.Now().UTC()
	waiting := &waitingRenewal{
		// It is later than any before, even if an older list was put back.
		Generation: max(now.UnixNano(), key.Generation+1),
		RenewedAt:  now.Truncate(time.Second),
		ExpiresAt:  k.end(now, time.Duration(key.Life)*time.Second).UTC().Truncate(time.Second),
		Scopes:     token.Scopes(),
	}
	if key.Waiting != nil {
		waiting.Generation = max(waiting.Generation, key.Waiting.Generation+1)
	}
	var err error
	waiting.Sealed, err = sealGrant(key.Public, k.grantContext(account, key.Key, waiting.Generation), renewedGrant{
		Token: token.Fields(), Account: account, AuthorizedAt: now.Unix(), ExpiresAt: waiting.ExpiresAt.Unix(),
	})
	return waiting, err
}

func (k *Keys) grantContext(account, key string, generation int64) grantContext {
	return grantContext{site: k.site.Base(), clientID: k.site.ClientID, account: account, key: key, generation: generation}
}

// end is when a key ends that is to be good for life from now on.
func (k *Keys) end(now time.Time, life time.Duration) time.Time {
	ends := now.Add(min(k.lifetime, life))
	// Spotify ends a grant six months after the consent.
	if consent := now.AddDate(0, 6, 0); consent.Before(ends) {
		return consent
	}
	return ends
}

// openWaiting opens the renewal that waits for a key. One that cannot be opened is no
// renewal: the key goes on as if there was none.
func (k *Keys) openWaiting(key *session.Session, entry indexedKey) *session.Renewal {
	if entry.Waiting == nil {
		return nil
	}
	r, err := openGrant(key.ID, k.grantContext(key.Account.ID, entry.Key, entry.Waiting.Generation), entry.Waiting.Sealed)
	if err == nil {
		return r
	}
	if suppressed, ok := k.site.Faults().Admit("access key renewal"); ok {
		k.site.Logger.Warn("ignoring renewal that is not for this access key",
			zap.String("session", key.Ref()), zap.String("account", key.Account.ID), zap.Error(err), suppressed)
	}
	return nil
}

// errSettled says that the list says already what became of a renewal.
var errSettled = errors.New("nothing to note")

// Settle implements session.KeyLists.
func (k *Keys) Settle(ctx context.Context, key *session.Session, r *session.Renewal, taken bool) error {
	record := key.Key()
	err := k.lists.Change(ctx, key.Account.ID, func(index *keyIndex) error {
		at := slices.IndexFunc(index.Keys, func(i indexedKey) bool { return i.Key == record })
		if at < 0 {
			return errSettled // it was revoked
		}
		entry := &index.Keys[at]
		waits := entry.Waiting != nil && entry.Waiting.Generation == r.Generation
		switch {
		case taken && r.Generation > entry.Generation:
			entry.Generation = r.Generation
			entry.RenewedAt = time.Unix(r.AuthorizedAt, 0).UTC()
			entry.ExpiresAt = time.Unix(r.ExpiresAt, 0).UTC()
			entry.Scopes = r.Token.Scopes()
		case !waits:
			return errSettled
		}
		if waits {
			entry.Waiting = nil
			entry.Failed = !taken
		}
		return nil
	})
	switch {
	case errors.Is(err, errSettled), errors.Is(err, tokenstore.ErrUnsealable):
		return nil
	case err != nil:
		return fmt.Errorf("noting the renewal of a key: %w", err)
	}
	return nil
}
