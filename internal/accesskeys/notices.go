package accesskeys

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/notify"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// markLabel keeps the ID under which marks are sealed apart from other uses of the secret.
const markLabel = "caddy-spotify key notices v1\x00"

// notices tells of keys that are about to end.
type notices struct{ *Keys }

// Notices returns what notices about the site's keys are made of, or nil if there are no keys.
func (k *Keys) Notices() notify.Source {
	if k == nil {
		return nil
	}
	return notices{k}
}

// Kind implements notify.Source.
func (n notices) Kind() string { return tokenstore.KindKey }

// Ends implements notify.Source.
func (n notices) Ends(meta tokenstore.Meta) time.Time { return n.site.Sessions.Ends(meta) }

// Describe implements notify.Source. A key that is not in its owner's list does not count, and that of another
// site or app is not in the list as one of this site's. Of a key that has been renewed and only has to take the
// renewal, with its next request, there is nothing to tell: its owner has done what a notice asks for.
func (n notices) Describe(ctx context.Context, entry tokenstore.Entry) (*notify.Subject, error) {
	index, _, _, err := n.lists.Load(ctx, entry.AccountID)
	if errors.Is(err, tokenstore.ErrUnsealable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(index.Keys, func(i indexedKey) bool { return i.Key == entry.Key && n.ours(i) })
	if at < 0 || index.Keys[at].Waiting != nil {
		return nil, nil
	}
	key := index.Keys[at]
	subject := &notify.Subject{Kind: tokenstore.KindKey, Name: key.Name, Account: entry.AccountID, Session: key.ref()}
	if key.renewable() {
		subject.RenewURL = n.RenewURL(key.ref()) // also after its end, for a while
	} else {
		subject.RenewURL, subject.AgainURL = n.url(), n.url()
	}
	return subject, nil
}

// SealingID implements notify.Source.
func (n notices) SealingID(ctx context.Context) (tokenstore.SessionID, error) {
	sec, err := n.key.Load(ctx)
	if err != nil {
		return tokenstore.SessionID{}, err
	}
	return secret.DeriveID(sec, markLabel, n.site.ClientID, n.site.Base())
}
