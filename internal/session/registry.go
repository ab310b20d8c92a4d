package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// storePool and sessionPool keep stores and sessions across reloads of the
// config, with whatever refreshes and saves are under way.
var (
	storePool   = caddy.NewUsagePool()
	sessionPool = caddy.NewUsagePool()
)

// config is all that tells one set of sessions from another. Equal
// configurations share their sessions, also across a reload of the config.
type config struct {
	site     string // origin and prefix
	store    string // tokenstore.Provider.UsageKey
	clientID string
	tokenURL string
	idle     time.Duration
	lifetime time.Duration
	margin   time.Duration
	ahead    time.Duration
	timeout  time.Duration
	network  string
}

// Acquired is what Acquire returns.
type Acquired struct {
	Sessions *Manager
	Store    *Store
	Release  func() error
}

// Acquire returns the sessions of a site in a store, which all configs that give
// the same limits share, and what lets go of both. A site is its origin and prefix:
// two sites with one app and one store have no session in common. The network is how the
// client in tokens reaches the token endpoint, in any form: whoever gives the same
// one may be given sessions with the client of another.
func Acquire(provider tokenstore.Provider, tokens *pkce.Config, site, network string, idle, lifetime time.Duration) (*Acquired, error) {
	c := clock.Get()
	storeKey := provider.UsageKey()
	pooled, _, err := storePool.LoadOrNew(storeKey, func() (caddy.Destructor, error) {
		return openStore(provider, c)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the token store: %w", err)
	}
	store := pooled.(*Store)
	cfg := config{
		site:     site,
		store:    storeKey,
		clientID: tokens.ClientID,
		tokenURL: tokens.TokenURL,
		idle:     idle,
		lifetime: lifetime,
		margin:   tokens.Margin,
		ahead:    tokens.Ahead,
		timeout:  tokens.Timeout,
		network:  network,
	}
	shared, _, err := sessionPool.LoadOrNew(cfg, func() (caddy.Destructor, error) {
		m := New(cfg, store.Store, tokens, c, sessionLogger)
		store.join(m)
		return m, nil
	})
	if err != nil {
		_, releaseErr := storePool.Delete(storeKey)
		return nil, errors.Join(err, releaseErr)
	}
	return &Acquired{shared.(*Manager), store, func() error {
		_, err1 := sessionPool.Delete(cfg)
		_, err2 := storePool.Delete(storeKey)
		// The sessions may have been another config's first, and have its client.
		closeIdle(tokens)
		return errors.Join(err1, err2)
	}}, nil
}

// closeIdle closes the idle connections of the client for the token endpoint, if
// one was given.
func closeIdle(tokens *pkce.Config) {
	if tokens.HTTPClient != nil {
		tokens.HTTPClient.CloseIdleConnections()
	}
}

// InUse returns the sessions of every config in force.
func InUse() []*Manager {
	var all []*Manager
	sessionPool.Range(func(_, value any) bool {
		if m, ok := value.(*Manager); ok {
			all = append(all, m)
		}
		return true
	})
	return all
}

// StoreInUse is a store, and the sessions in it that this process has.
type StoreInUse struct {
	*Store
	users []*Manager
}

// StoresInUse returns the stores of every config in force.
func StoresInUse() []StoreInUse {
	users := make(map[string][]*Manager)
	sessionPool.Range(func(key, value any) bool {
		cfg, ok1 := key.(config)
		if m, ok2 := value.(*Manager); ok1 && ok2 {
			users[cfg.store] = append(users[cfg.store], m)
		}
		return true
	})
	var stores []StoreInUse
	storePool.Range(func(key, value any) bool {
		name, ok1 := key.(string)
		if store, ok2 := value.(*Store); ok1 && ok2 {
			stores = append(stores, StoreInUse{store, users[name]})
		}
		return true
	})
	slices.SortFunc(stores, func(a, b StoreInUse) int { return strings.Compare(a.Name, b.Name) })
	return stores
}

// listedEntry is a session of which no more than its entry is known.
type listedEntry struct{ entry tokenstore.Entry }

func (l listedEntry) Ref() string { return tokenstore.Ref(l.entry.Key) }

func (l listedEntry) AccountID() string { return l.entry.AccountID }

func (l listedEntry) IsKey() bool { return l.entry.Kind == tokenstore.KindKey }

// End ends a session or a key in the store and here, and tells why: through
// teller, unless it is nil, if nobody here has it. Other instances learn of it as
// they learn of a logout.
func (s StoreInUse) End(ctx context.Context, entry tokenstore.Entry, why string, teller *Manager, about ...zap.Field) error {
	here, told := make(map[*Session]struct{}), false
	for _, m := range s.users {
		for _, sess := range m.Held(entry.Key) {
			told = true
			if sess.begin(toldEnd) {
				here[sess] = struct{}{}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	if err := s.Delete(ctx, entry.Key); err != nil {
		for sess := range here {
			sess.end(toldEnd)
		}
		return err
	}
	if entry.Kind == tokenstore.KindSession {
		s.unlist(ctx, entry.AccountID, entry.Key)
	}
	for _, m := range s.users {
		m.forgetKey(entry.Key)
	}
	for sess := range here {
		sess.owner.emitEnd(sess, why, about...)
	}
	// Whose client ID a session is for cannot be told from the store. If there
	// is more than one, nobody is the right one to tell.
	if teller == nil && len(s.users) == 1 {
		teller = s.users[0]
	}
	if !told && teller != nil {
		teller.emitEnd(listedEntry{entry}, why, about...)
	}
	return nil
}

// Held returns what this process has of the session under a key: one session
// as a rule, and two while a cached one has taken the place of a busy one.
func (m *Manager) Held(key string) (held []*Session) {
	digest, ok := digestOf(key)
	if !ok {
		return nil
	}
	if s, ok := m.Cache.peek(digest); ok {
		held = append(held, s)
	}
	if s := m.busy(digest); s != nil && !slices.Contains(held, s) {
		held = append(held, s)
	}
	return held
}

// forgetKey is forget for a session that may not be here. A reading of it that
// is under way does not bring it here.
func (m *Manager) forgetKey(key string) {
	for _, s := range m.Held(key) {
		m.forget(s)
	}
	if digest, ok := digestOf(key); ok {
		m.Cache.invalidate(digest)
		m.followers.tell(digest)
	}
}

func digestOf(key string) (digest [32]byte, ok bool) {
	n, err := hex.Decode(digest[:], []byte(key))
	return digest, err == nil && n == len(digest)
}

// CountBusy returns how many sessions have a refresh or a save under way.
func (m *Manager) CountBusy() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pinned)
}

// sessionLogger is the logger of what outlives a config, so it is looked up
// whenever it is used.
func sessionLogger() *zap.Logger { return caddy.Log().Named("http.handlers.spotify_auth") }

// refDigits is how many digits a session's reference has.
const refDigits = 12

// IsRef reports whether s may be a session's reference.
func IsRef(s string) bool {
	return len(s) == refDigits && strings.Trim(s, "0123456789abcdef") == ""
}
