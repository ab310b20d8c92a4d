package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// A mark is a record in the token store that says, for all instances, which notices about another
// record have been sent, and what to say of that one once it is gone.
//
// Its Meta has the access that the mark is about, as AuthorizedAt and, markLife later,
// ExpiresAt, and the time of the last notice as UsedAt. What a person would recognize is sealed.

// markLife is how long a mark is kept after the end, so that an instance that was stopped meanwhile can
// still say that access has ended.
const markLife = 30 * day

// siteDigits is how many digits of a mark's key say which site it is of.
const siteDigits = 16

// content is what a mark has sealed.
type content struct {
	Record string `json:"record"` // the key of the record that it is about
	Subject
}

// sitePrefix is how the keys of the site's marks begin.
func (n *notifier) sitePrefix() string {
	sum := sha256.Sum256([]byte("caddy-spotify notices v1\x00" + n.clientID + "\x00" + n.base))
	return hex.EncodeToString(sum[:])[:siteDigits]
}

// markKey is the key of the mark about a record. The record's own key cannot be found from it.
func (n *notifier) markKey(record string) string {
	prefix := n.sitePrefix()
	sum := sha256.Sum256([]byte("caddy-spotify notice mark v1\x00" + prefix + "\x00" + record))
	return prefix + hex.EncodeToString(sum[:])[siteDigits:]
}

// namespace is where the sealing ID means something for a mark.
func (n *notifier) namespace(key string) string { return n.clientID + "\x00notice mark\x00" + key }

// about reports whether a mark is about access that begins and ends as given. A renewed
// record has another.
func about(mark tokenstore.Meta, begins, ends time.Time) bool {
	return mark.AuthorizedAt.Equal(begins) && mark.ExpiresAt.Equal(ends.Add(markLife))
}

// load returns a record, or nil if there is none.
func (n *notifier) load(ctx context.Context, key string) (*tokenstore.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rec, err := n.store.Load(ctx, key)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

// save writes a mark, in place of old if there is one.
func (n *notifier) save(ctx context.Context, it *item, c content, told time.Time, old *tokenstore.Record) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	id, err := it.source.SealingID(ctx)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sealed, err := tokenstore.Seal(id, n.namespace(it.mark), plain)
	if err != nil {
		return err
	}
	rec := &tokenstore.Record{
		Meta: tokenstore.Meta{
			Kind: tokenstore.KindMark, CreatedAt: n.clock.Now().UTC(), AuthorizedAt: it.begins, ExpiresAt: it.ends.Add(markLife), UsedAt: told,
		},
		Sealed: sealed,
	}
	if old == nil {
		err = n.store.Create(ctx, it.mark, rec)
	} else {
		rec.CreatedAt, rec.Version = old.CreatedAt, old.Version
		err = n.store.Update(ctx, it.mark, rec)
	}
	if err != nil {
		return fmt.Errorf("noting that a notice was sent: %w", err)
	}
	return nil
}

// open returns what a mark has sealed, and whose it is. It returns nil if no source can open it.
func (n *notifier) open(ctx context.Context, key string, rec *tokenstore.Record) (*content, Source, error) {
	for _, source := range n.sources {
		id, err := source.SealingID(ctx)
		if err != nil {
			return nil, nil, err
		}
		plain, err := tokenstore.Open(id, n.namespace(key), rec.Sealed)
		if err != nil {
			continue
		}
		c := new(content)
		if json.Unmarshal(plain, c) == nil {
			return c, source, nil
		}
	}
	return nil, nil, nil
}

// takeTurn reports whether this instance is the one that walks the store now. Another one is not for
// scanEvery, whatever becomes of the walk.
func (n *notifier) takeTurn(ctx context.Context) (bool, error) {
	key := n.markKey("")
	now := n.clock.Now().UTC()
	rec := &tokenstore.Record{
		// Rounds of one instance come a little later than that.
		Meta:   tokenstore.Meta{Kind: tokenstore.KindMark, CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(scanEvery)},
		Sealed: []byte(tokenstore.KindMark),
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := n.store.Create(ctx, key, rec)
	if !errors.Is(err, tokenstore.ErrExists) {
		return err == nil, err
	}
	last, err := n.store.Load(ctx, key)
	switch {
	case errors.Is(err, tokenstore.ErrNotFound):
		return false, nil // it expires just now: next time
	case err != nil:
		return false, err
	case now.Before(last.ExpiresAt) && last.ExpiresAt.Sub(now) <= scanEvery:
		return false, nil
	}
	// The store's clock differs from this instance's.
	rec.Version = last.Version
	err = n.store.Update(ctx, key, rec)
	if errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
