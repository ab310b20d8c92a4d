package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// openRedis opens the store in a Redis.
func openRedis(addr string) (*redis.Store, error) {
	provider := &redis.Provider{Addresses: []string{addr}}
	if err := provider.Provision(caddy.Context{}); err != nil {
		return nil, err
	}
	store, err := provider.Store()
	if err != nil {
		return nil, err
	}
	return store.(*redis.Store), nil
}

// walkTakes walks over all records, as ending all of a person's sessions does.
func walkTakes(ctx context.Context, addr string) (time.Duration, int, error) {
	store, err := openRedis(addr)
	if err != nil {
		return 0, 0, err
	}
	defer store.Close()
	began, n := time.Now(), 0
	for _, err := range store.Walk(ctx) {
		if err != nil {
			return 0, 0, err
		}
		n++
	}
	return time.Since(began), n, nil
}

// storing is how many sessions are stored at once.
const storing = 64

// storeSessions stores sessions of a site in Redis as logins would, each of another account
// and with a token that expires within measuredLife, and returns their cookies.
func storeSessions(ctx context.Context, addr, origin string, n int) ([]string, error) {
	store, err := openRedis(addr)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	cookies, errs := make([]string, n), make([]error, storing)
	var wg sync.WaitGroup
	for worker := range storing {
		wg.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += storing {
				cookies[i], errs[worker] = storeSession(ctx, store, origin, i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("storing sessions: %w", err)
		}
	}
	return cookies, nil
}

// storeSession stores the record of internal/session: sealedSession and Manager.record.
func storeSession(ctx context.Context, store tokenstore.Store, origin string, n int) (cookie string, err error) {
	id := tokenstore.NewSessionID()
	now := time.Now().UTC().Truncate(time.Second)
	account := fmt.Sprintf("6gY5IRPwmSgvhf%08d", n)
	plain, err := json.Marshal(map[string]any{
		"token": map[string]any{
			"access_token": accessToken(int64(n)), "refresh_token": fmt.Sprintf("AQ%0129d", n), "scope": "user-read-private user-top-read",
			"expiry": time.Now().Add(rand.N(measuredLife)), "lifetime": measuredLife,
		},
		"account": map[string]any{"id": account, "display_name": "Some Name"}, "user_id": fmt.Sprintf("user%d", n),
		"created_at": now, "authorized_at": now, "last_seen": now, "kind": "session", "site": origin + "/spotify",
	})
	if err != nil {
		return "", err
	}
	sealed, err := tokenstore.Seal(id, clientID, plain)
	if err != nil {
		return "", err
	}
	return "spotify_session=" + id.Cookie(), store.Create(ctx, id.Key(clientID), &tokenstore.Record{
		Meta: tokenstore.Meta{
			Kind: tokenstore.KindSession, AccountID: account, UserID: fmt.Sprintf("user%d", n),
			CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.AddDate(0, 0, 30), UsedAt: now,
		},
		Sealed: sealed,
	})
}
