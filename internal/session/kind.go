package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Kind is what a record is for, and so how it may be found. The ids of each kind
// have a namespace of their own, and a record says in its sealed part which kind
// it is, so an id of one kind opens nothing of another.
type Kind uint8

// The kinds of sessions there are.
const (
	// Browser is a person's login in a browser, found by its cookie alone.
	Browser Kind = iota
	// Key is an access key, found by the key that a program sends.
	Key
	// Shared is the account that a site shows, found by an id that derives from
	// the site's secret. No cookie opens it, whoever knows the secret.
	Shared
)

// stored are the kinds' names in records, in the clear and sealed. Client IDs have
// no such characters in them as those that set the namespaces apart.
var stored = [...]struct{ clear, sealed, namespace string }{
	Browser: {tokenstore.KindSession, "session", ""},
	Key:     {tokenstore.KindKey, "key", "\x00access key"},
	Shared:  {tokenstore.KindShared, "shared", "\x00shared account"},
}

// namespacesOf returns the namespaces of an app's ids, by kind.
func namespacesOf(clientID string) (namespaces [len(stored)]string) {
	for kind := range stored {
		namespaces[kind] = clientID + stored[kind].namespace
	}
	return namespaces
}

// is reports whether what was sealed is of a kind. Earlier versions sealed no kind:
// what has the terms of a key is one, and everything else counted as a session.
func (data *sealedSession) is(kind Kind) bool {
	if (data.Key != nil) != (kind == Key) {
		return false
	}
	return data.Kind == stored[kind].sealed || data.Kind == "" && kind != Shared
}

// GetShared returns the session of a shared account, as Get does for a cookie.
func (m *Manager) GetShared(ctx context.Context, id tokenstore.SessionID) (*Session, error) {
	now := m.Clock.Now().Unix()
	s, err := m.find(ctx, id, Shared, now, nil)
	if !errors.Is(err, ErrNone) {
		return s, err
	}
	if err := m.adoptShared(ctx, id); err != nil {
		return nil, err
	}
	// One that was replaced through another instance is found at the second look,
	// as is one that was adopted just now.
	return m.find(ctx, id, Shared, now, nil)
}

// SharedKey is the key of the record of a shared account's session.
func (m *Manager) SharedKey(id tokenstore.SessionID) string { return id.Key(m.namespaces[Shared]) }

// adoptShared moves what an earlier version stored of a shared account to where no
// cookie opens it. It had been stored as a browser's session.
func (m *Manager) adoptShared(ctx context.Context, id tokenstore.SessionID) error {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	before := id.Key(m.namespaces[Browser])
	rec, err := m.store.Load(ctx, before)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := m.open(id, Browser, rec)
	if err != nil || data.Kind != "" {
		return nil //nolint:nilerr // it is none of those, and so there is none
	}
	s := m.newSession(id, Shared, data.Account, data.CreatedAt.Unix(), data.AuthorizedAt.Unix(), nil)
	s.LastSeen.Store(data.LastSeen.Unix())
	moved, err := s.record(pkce.NewToken(data.Token))
	if err != nil {
		return err
	}
	if err := m.store.Create(ctx, s.Key(), moved); err != nil && !errors.Is(err, tokenstore.ErrExists) {
		return err
	}
	return m.store.Delete(ctx, before)
}

// ReplaceShared begins the session of a shared account under an id that may have
// one already, which then ends.
func (m *Manager) ReplaceShared(ctx context.Context, id tokenstore.SessionID, token *pkce.Token, acct Account) (*Session, error) {
	s, err := m.GetShared(ctx, id)
	if err == nil {
		err = m.end(ctx, s, EndReplaced)
	}
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	// A record that cannot be opened or has expired is in the way as well.
	if err := m.store.Delete(ctx, id.Key(m.namespaces[Shared])); err != nil {
		return nil, fmt.Errorf("deleting the session before: %w", err)
	}
	return m.createAs(ctx, id, Shared, token, acct)
}

// NewBrowser returns the session of a login in a browser, which is nowhere yet: Keep
// stores it.
func (m *Manager) NewBrowser(acct Account) *Session {
	return m.newUsed(tokenstore.NewSessionID(), Browser, acct)
}

// newUsed is newSession for one that begins, and is used, now.
func (m *Manager) newUsed(id tokenstore.SessionID, kind Kind, acct Account) *Session {
	now := m.Clock.Now().Unix()
	s := m.newSession(id, kind, acct, now, now, nil)
	s.LastSeen.Store(now)
	s.savedSeen.Store(now)
	return s
}

// createAs is Create with an id and a kind that are given.
func (m *Manager) createAs(ctx context.Context, id tokenstore.SessionID, kind Kind, token *pkce.Token, acct Account) (*Session, error) {
	s := m.newUsed(id, kind, acct)
	if err := m.Keep(ctx, s, token); err != nil {
		return nil, err
	}
	return s, nil
}

// KeyRef returns the reference of an access key.
func (m *Manager) KeyRef(id tokenstore.SessionID) string {
	return tokenstore.Ref(id.Key(m.namespaces[Key]))
}

// NewKey returns an access key's session, which is nowhere yet.
func (m *Manager) NewKey(acct Account, terms *KeyTerms) *Session {
	now := m.Clock.Now().Unix()
	return m.newSession(tokenstore.NewSessionID(), Key, acct, now, now, terms)
}
