package caddyspotify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"go.uber.org/zap"
)

// storePool and sessionPool keep stores and sessions across reloads of the
// config, with whatever refreshes and saves are under way.
var (
	storePool   = caddy.NewUsagePool()
	sessionPool = caddy.NewUsagePool()
)

// sessionsConfig is all that tells one set of sessions from another. Equal
// configurations share their sessions, also across a reload of the config.
type sessionsConfig struct {
	store    string // tokenstore.Provider.UsageKey
	clientID string
	tokenURL string
	idle     time.Duration
	lifetime time.Duration
	margin   time.Duration
	ahead    time.Duration
	timeout  time.Duration
}

// acquired is what acquireSessions returns.
type acquired struct {
	sessions *sessions
	store    *pooledStore
	release  func() error
}

// acquireSessions returns the sessions of an app in a store, which all configs
// that give the same limits share, and what lets go of both.
func acquireSessions(provider tokenstore.Provider, tokens *pkce.Config, idle, lifetime time.Duration) (*acquired, error) {
	c := clock.Get()
	storeKey := provider.UsageKey()
	pooled, _, err := storePool.LoadOrNew(storeKey, func() (caddy.Destructor, error) {
		return openStore(provider, c)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the token store: %w", err)
	}
	store := pooled.(*pooledStore)
	cfg := sessionsConfig{
		store:    storeKey,
		clientID: tokens.ClientID,
		tokenURL: tokens.TokenURL,
		idle:     idle,
		lifetime: lifetime,
		margin:   tokens.Margin,
		ahead:    tokens.Ahead,
		timeout:  tokens.Timeout,
	}
	shared, _, err := sessionPool.LoadOrNew(cfg, func() (caddy.Destructor, error) {
		m := newSessions(cfg, store.Store, tokens, c, sessionLogger)
		store.join(m)
		return m, nil
	})
	if err != nil {
		_, releaseErr := storePool.Delete(storeKey)
		return nil, errors.Join(err, releaseErr)
	}
	return &acquired{shared.(*sessions), store, func() error {
		_, err1 := sessionPool.Delete(cfg)
		_, err2 := storePool.Delete(storeKey)
		// The sessions may have been another config's first, and have its client.
		tokens.HTTPClient.CloseIdleConnections()
		return errors.Join(err1, err2)
	}}, nil
}

// allSessions returns the sessions of every config in force.
func allSessions() []*sessions {
	var all []*sessions
	sessionPool.Range(func(_, value any) bool {
		if m, ok := value.(*sessions); ok {
			all = append(all, m)
		}
		return true
	})
	return all
}

// storeInUse is a store, and the sessions in it that this process has.
type storeInUse struct {
	*pooledStore
	users []*sessions
}

// storesInUse returns the stores of every config in force.
func storesInUse() []storeInUse {
	users := make(map[string][]*sessions)
	sessionPool.Range(func(key, value any) bool {
		cfg, ok1 := key.(sessionsConfig)
		if m, ok2 := value.(*sessions); ok1 && ok2 {
			users[cfg.store] = append(users[cfg.store], m)
		}
		return true
	})
	var stores []storeInUse
	storePool.Range(func(key, value any) bool {
		name, ok1 := key.(string)
		if store, ok2 := value.(*pooledStore); ok1 && ok2 {
			stores = append(stores, storeInUse{store, users[name]})
		}
		return true
	})
	slices.SortFunc(stores, func(a, b storeInUse) int { return strings.Compare(a.name, b.name) })
	return stores
}

// listed is a session of which no more than its entry is known.
type listed struct{ entry tokenstore.Entry }

func (l listed) ref() string       { return tokenstore.Ref(l.entry.Key) }
func (l listed) accountID() string { return l.entry.AccountID }
func (l listed) isKey() bool       { return l.entry.Kind == tokenstore.KindKey }

// end ends a session or a key in the store and here, and tells why: through
// teller, unless it is nil, if nobody here has it. Other instances learn of it as
// they learn of a logout.
func (s storeInUse) end(ctx context.Context, entry tokenstore.Entry, why string, teller *sessions) error {
	here, told := make(map[*session]struct{}), false
	for _, m := range s.users {
		for _, sess := range m.held(entry.Key) {
			told = true
			if sess.begin(toldEnd) {
				here[sess] = struct{}{}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.Delete(ctx, entry.Key); err != nil {
		for sess := range here {
			sess.end(toldEnd)
		}
		return err
	}
	for _, m := range s.users {
		m.forgetKey(entry.Key)
	}
	for sess := range here {
		sess.owner.tellEnd(sess, why)
	}
	// Whose client ID a session is for cannot be told from the store. If there
	// is more than one, nobody is the right one to tell.
	if teller == nil && len(s.users) == 1 {
		teller = s.users[0]
	}
	if !told && teller != nil {
		teller.tellEnd(listed{entry}, why)
	}
	return nil
}

// held returns what this process has of the session under a key: one session
// as a rule, and two while a cached one has taken the place of a busy one.
func (m *sessions) held(key string) (held []*session) {
	digest, ok := digestOf(key)
	if !ok {
		return nil
	}
	if s, ok := m.cache.peek(digest); ok {
		held = append(held, s)
	}
	if s := m.busy(digest); s != nil && !slices.Contains(held, s) {
		held = append(held, s)
	}
	return held
}

// forgetKey is forget for a session that may not be here. A reading of it that
// is under way does not bring it here.
func (m *sessions) forgetKey(key string) {
	for _, s := range m.held(key) {
		m.forget(s)
	}
	if digest, ok := digestOf(key); ok {
		m.cache.invalidate(digest)
	}
}

func digestOf(key string) (digest [32]byte, ok bool) {
	n, err := hex.Decode(digest[:], []byte(key))
	return digest, err == nil && n == len(digest)
}

func (m *sessions) countBusy() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pinned)
}

// soonestEvery is how often it is found out which session has to be authorized
// anew first. With a million of them that takes a fifth of a second.
const soonestEvery = time.Minute

// soonest remembers when the first session has to be authorized anew.
type soonest struct {
	mu    sync.Mutex
	asked time.Duration
	at    int64
}

// soonestReauthorization returns when the first session in memory has to be
// authorized again, in Unix seconds, or 0 if there is none.
func (m *sessions) soonestReauthorization() int64 {
	r := &m.soonest
	r.mu.Lock()
	defer r.mu.Unlock()
	now := m.clock.Monotonic()
	if r.at != 0 && now-r.asked < soonestEvery {
		return r.at
	}
	r.asked, r.at = now, 0
	for s := range m.cache.each {
		if s.isKey() {
			continue // its end was chosen by who created it
		}
		if at := s.reauthorizeBy().Unix(); r.at == 0 || at < r.at {
			r.at = at
		}
	}
	return r.at
}

// sessionLogger is the logger of what outlives a config, so it is looked up
// whenever it is used.
func sessionLogger() *zap.Logger { return caddy.Log().Named("http.handlers.spotify_auth") }

// refDigits is how many digits a session's reference has.
const refDigits = 12

// isRef reports whether s may be a session's reference.
func isRef(s string) bool {
	return len(s) == refDigits && strings.Trim(s, "0123456789abcdef") == ""
}
