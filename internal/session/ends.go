package session

import (
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// consentEnds is when Spotify ends the refresh token of a consent.
func consentEnds(consent time.Time) time.Time { return consent.AddDate(0, 6, 0) }

// Ends is ReauthorizeBy for a record of which no more is known than the store tells in the
// clear.
func (m *Manager) Ends(meta tokenstore.Meta) time.Time {
	return endOf(meta, time.Duration(m.lifetimeSeconds)*time.Second)
}

// ends is Ends for a record of any of the store's users, of whose sessions the longest may live as long.
func (s StoreInUse) ends(meta tokenstore.Meta) time.Time {
	var lifetime int64
	for _, m := range s.users {
		lifetime = max(lifetime, m.lifetimeSeconds)
	}
	return endOf(meta, time.Duration(lifetime)*time.Second)
}

func endOf(meta tokenstore.Meta, lifetime time.Duration) time.Time {
	consent := consentEnds(meta.AuthorizedAt)
	if meta.Kind == tokenstore.KindKey {
		return earlier(consent, meta.End())
	}
	return earlier(consent, meta.CreatedAt.Add(lifetime))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
