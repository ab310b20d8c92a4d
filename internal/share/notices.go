package share

import (
	"context"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/notify"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// markLabel keeps the ID under which marks are sealed apart from other uses of the key.
const markLabel = "caddy-spotify share notices v1\x00"

// notices tells of shared accounts that are about to end.
type notices struct{ *Share }

// Notices returns what notices about the site's shared accounts are made of, or nil if nothing is
// shared.
func (s *Share) Notices() notify.Source {
	if s == nil {
		return nil
	}
	return notices{s}
}

// Kind implements notify.Source.
func (n notices) Kind() string { return tokenstore.KindShared }

// Ends implements notify.Source. That nobody looks ends a connection too, but that is no matter of time.
func (n notices) Ends(meta tokenstore.Meta) time.Time { return n.site.Sessions.Ends(meta) }

// Describe implements notify.Source.
func (n notices) Describe(ctx context.Context, entry tokenstore.Entry) (*notify.Subject, error) {
	key, err := n.key.Load(ctx)
	if err != nil {
		return nil, err
	}
	for _, owner := range n.owners {
		id, err := n.id(key, owner)
		if err != nil {
			return nil, err
		}
		if n.site.Sessions.SharedKey(id) == entry.Key {
			return &notify.Subject{
				Kind: tokenstore.KindShared, Account: entry.AccountID, Session: tokenstore.Ref(entry.Key), RenewURL: n.connectURL(),
			}, nil
		}
	}
	return nil, nil
}

// SealingID implements notify.Source.
func (n notices) SealingID(ctx context.Context) (tokenstore.SessionID, error) {
	key, err := n.key.Load(ctx)
	if err != nil {
		return tokenstore.SessionID{}, err
	}
	return secret.DeriveID(key, markLabel, n.site.ClientID, n.site.Base())
}
