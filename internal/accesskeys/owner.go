package accesskeys

import (
	"context"

	"go.uber.org/zap"
)

// Listed is an access key as its owner sees it.
type Listed = listedKey

// List returns the access keys of an account at this site, the newest first.
func (k *Keys) List(ctx context.Context, account string) ([]Listed, error) {
	keys, err := k.list(ctx, account)
	if err != nil {
		return nil, err
	}
	all := make([]Listed, 0, len(keys))
	for _, key := range keys {
		all = append(all, k.listed(key))
	}
	return all, nil
}

// Revoke ends one of an account's keys, named by its reference, here and everywhere. It
// reports whether there was one. When it fails the key may be in use still, and is
// listed. What about says goes into the log line.
func (k *Keys) Revoke(ctx context.Context, account, ref string, about ...zap.Field) (bool, error) {
	return k.revoke(ctx, account, ref, about...)
}

// Path returns the path of the page where people create and revoke access keys.
func (k *Keys) Path() string { return k.path() }
