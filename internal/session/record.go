package session

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// sealedSession is what a record holds, sealed.
type sealedSession struct {
	Token        pkce.TokenFields `json:"token"`
	Account      Account          `json:"account"`
	UserID       string           `json:"user_id,omitempty"` // of Account
	CreatedAt    time.Time        `json:"created_at"`
	AuthorizedAt time.Time        `json:"authorized_at"`
	LastSeen     time.Time        `json:"last_seen"`
	// Kind is what the record is for, as the kinds are called when sealed.
	Kind string `json:"kind,omitempty"`
	// Site is the origin and the prefix of the site that it was made at.
	Site string `json:"site,omitempty"`
	// Key is there if it is an access key's, and not otherwise.
	Key *KeyTerms `json:"key,omitempty"`
}

// record seals the session with token as its token.
func (s *Session) record(token *pkce.Token) (*tokenstore.Record, error) {
	return s.recordWith(token, s.Terms(), s.authorizedAt.Load())
}

// recordWith is record with the terms and the time of the consent that are given.
func (s *Session) recordWith(token *pkce.Token, terms *KeyTerms, authorizedAt int64) (*tokenstore.Record, error) {
	plain, err := json.Marshal(sealedSession{
		Token:        token.Fields(),
		Account:      s.Account,
		UserID:       s.Account.UserID,
		CreatedAt:    time.Unix(s.CreatedAt, 0).UTC(),
		AuthorizedAt: time.Unix(authorizedAt, 0).UTC(),
		LastSeen:     time.Unix(s.LastSeen.Load(), 0).UTC(),
		Kind:         stored[s.kind].sealed,
		Site:         s.owner.site,
		Key:          terms,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the session: %w", err)
	}
	sealed, err := tokenstore.Seal(s.ID, s.namespace(), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the session: %w", err)
	}
	rec := &tokenstore.Record{
		Meta: tokenstore.Meta{
			AccountID:    s.Account.ID,
			UserID:       s.Account.UserID,
			CreatedAt:    time.Unix(s.CreatedAt, 0).UTC(),
			AuthorizedAt: time.Unix(authorizedAt, 0).UTC(),
			ExpiresAt:    time.Unix(s.ExpiresAt(), 0).UTC(),
		},
		Sealed: sealed,
	}
	rec.Kind = stored[s.kind].clear
	if terms != nil {
		rec.ExpiresAt = time.Unix(terms.ExpiresAt, 0).UTC()
		if grace := terms.Grace(); grace > 0 {
			rec.EndsAt, rec.ExpiresAt = rec.ExpiresAt, rec.ExpiresAt.Add(grace)
		}
	}
	if s.kind != Shared {
		if used := s.LastSeen.Load(); used != 0 {
			rec.UsedAt = time.Unix(used, 0).UTC()
		}
	}
	return rec, nil
}

// errOtherSite says that a record was made at another site with the same app and
// store. It is none of this one's, as if it was not there.
var errOtherSite = fmt.Errorf("%w: it was made at another site", tokenstore.ErrNotFound)

// open opens a record that is to be of a kind, and of this site. One that an
// earlier version wrote names no site: it is of the one where it is used first.
func (m *Manager) open(id tokenstore.SessionID, kind Kind, rec *tokenstore.Record) (*sealedSession, error) {
	plain, err := tokenstore.Open(id, m.namespaces[kind], rec.Sealed)
	if err != nil {
		return nil, err
	}
	var data sealedSession
	if err := json.Unmarshal(plain, &data); err != nil {
		return nil, fmt.Errorf("%w: %w", tokenstore.ErrUnsealable, err)
	}
	data.Account.UserID = data.UserID
	if !data.is(kind) {
		return nil, fmt.Errorf("%w: it is of another kind", tokenstore.ErrUnsealable)
	}
	if data.Site != "" && data.Site != m.site {
		return nil, errOtherSite
	}
	return &data, nil
}
