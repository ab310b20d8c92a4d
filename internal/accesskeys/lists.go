package accesskeys

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// errOtherSeal says that a key was created under another secret, so that its list
// cannot be found under this one.
var errOtherSeal = errors.New("the access key was created with a different secret")

// ListOf implements session.KeyLists.
func (k *Keys) ListOf(ctx context.Context, account string) (string, error) {
	id, err := k.indexID(ctx, account)
	if err != nil {
		return "", err
	}
	return id.Key(k.lists.Namespace), nil
}

// Listed implements session.KeyLists.
func (k *Keys) Listed(ctx context.Context, key *session.Session) (bool, *session.Renewal, error) {
	seal, err := k.seal(ctx)
	if err != nil {
		return false, nil, err
	}
	if key.Terms().Seal != seal {
		k.warnOfSeal(key)
		return false, nil, errOtherSeal
	}
	index, _, _, err := k.lists.Load(ctx, key.Account.ID)
	if err != nil && !errors.Is(err, tokenstore.ErrUnsealable) {
		return false, nil, err
	}
	name := key.Key()
	if err == nil {
		if at := slices.IndexFunc(index.Keys, func(i indexedKey) bool { return i.Key == name }); at >= 0 {
			return true, k.openWaiting(key, index.Keys[at]), nil
		}
	}
	if suppressed, ok := k.site.Faults().Admit("access key unlisted"); ok {
		k.site.Logger.Warn("access key is not in its owner's list and does not count",
			zap.String("session", key.Ref()), zap.String("account", key.Account.ID), zap.Error(err), suppressed)
	}
	return false, nil, nil
}

// Strike implements session.KeyLists. A list that is sealed under another secret, or
// broken, is left alone: no key in it counts here.
func (k *Keys) Strike(ctx context.Context, account, record string) error {
	if err := k.strike(ctx, account, record); !errors.Is(err, tokenstore.ErrUnsealable) {
		return err
	}
	return nil
}

var _ session.KeyLists = (*Keys)(nil)
