// Package session keeps sessions and access keys, in memory and in the store: found,
// kept fresh and ended, on every instance.
package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// StoreTimeout bounds one wait for the store on behalf of a request.
	StoreTimeout = 5 * time.Second
	// sweepEvery is the pause between two sweeps, give or take a half.
	sweepEvery = 10 * time.Minute
	// flushTimeout bounds how long shutdown waits for refreshes and saves.
	flushTimeout = 10 * time.Second
	// stopTimeout bounds how long shutdown waits for what is of less account than
	// those: handlers of events above all, which may be anybody's.
	stopTimeout = 5 * time.Second
	// maxBackground bounds the store operations that requests leave behind.
	maxBackground = 32
)

// ErrNone says that a cookie leads to no session: it is malformed,
// unknown, expired or logged out.
var ErrNone = errors.New("no such session")

// errNoAccount says that nobody could find a session by its account, to end it.
var errNoAccount = errors.New("session without an account")

// Manager turns session ids into sessions. It outlives the config that made
// it for as long as a newer one uses it too. All methods are safe for
// concurrent use.
type Manager struct {
	Namespace       string // of the ids of browsers' sessions
	namespaces      [len(stored)]string
	site            string // that sessions are bound to
	store           tokenstore.Store
	watcher         tokenstore.Watcher // nil if the store is none
	sweeper         tokenstore.Sweeper // nil if the store is none
	watched         bool               // the store tells of changes
	tokens          *pkce.Config
	Clock           pkce.Clock
	idleSeconds     int64
	lifetimeSeconds int64
	logger          func() *zap.Logger
	LogLimiter      *telemetry.LogLimiter

	Observers    telemetry.Observers
	PendingSaves atomic.Int64
	replaced     successions
	renewals     renewals
	soonest      soonest

	Cache      *sessionCache
	background chan struct{} // a slot for each background operation
	refreshes  chan struct{} // one for each refresh
	reading    chan struct{} // one for each session that is being read

	waitingLoads atomic.Int64
	followers    followers

	readingsMu sync.Mutex
	readings   map[readingOf]*reading // under way

	startOnce sync.Once
	Ctx       context.Context // ends with close; bounds what runs in the background
	cancel    context.CancelFunc
	running   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	pinned map[*Session]struct{} // busy
	// byDigest finds a busy session, which must not be loaded a second time.
	byDigest map[[32]byte]*Session
}

// New returns the sessions of an app over a store. Destruct ends them.
func New(cfg config, store tokenstore.Store, tokens *pkce.Config, clock pkce.Clock, logger func() *zap.Logger) *Manager {
	ctx, cancel := context.WithCancel(context.Background())
	watcher, watched := store.(tokenstore.Watcher)
	sweeper, _ := store.(tokenstore.Sweeper)
	m := &Manager{
		Namespace:       cfg.clientID,
		namespaces:      namespacesOf(cfg.clientID),
		site:            cfg.site,
		store:           store,
		watcher:         watcher,
		sweeper:         sweeper,
		watched:         watched,
		Clock:           clock,
		idleSeconds:     int64(cfg.idle / time.Second),
		lifetimeSeconds: int64(cfg.lifetime / time.Second),
		logger:          logger,
		LogLimiter:      telemetry.NewLogLimiter(clock),
		Cache:           newSessionCache(maxCachedSessions),
		background:      make(chan struct{}, maxBackground),
		refreshes:       make(chan struct{}, maxRefreshes),
		reading:         make(chan struct{}, maxLoads),
		Ctx:             ctx,
		cancel:          cancel,
		readings:        make(map[readingOf]*reading),
		pinned:          make(map[*Session]struct{}),
		byDigest:        make(map[[32]byte]*Session),
	}
	own := *tokens
	own.OnRefresh = m.refreshed
	own.Trace = traced
	m.tokens = &own
	m.Observers.Queue.Spawn = m.Spawn
	return m
}

// Destruct implements caddy.Destructor. It waits, for at most flushTimeout,
// for refreshes and saves in flight, and then for at most stopTimeout for what
// else runs in the background.
func (m *Manager) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	err := m.flush(ctx)
	m.cancel()
	stopped := make(chan struct{})
	go func() {
		m.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		// Everything else ends with m.ctx. An event's handler knows nothing of it.
		m.logger().Warn("shutdown timed out waiting for event handler", zap.Duration("waited", stopTimeout))
	}
	if view, ok := m.store.(storeView); ok {
		view.pool.leave(m)
	}
	closeIdle(m.tokens)
	return err
}

// Get returns the session behind a cookie. It returns ErrNone when there
// is none, and another error when the store cannot tell.
func (m *Manager) Get(ctx context.Context, cookie string) (*Session, error) {
	return m.GetAt(ctx, cookie, m.Clock.Now().Unix())
}

// GetAt is get for who knows the time already.
func (m *Manager) GetAt(ctx context.Context, cookie string, now int64) (*Session, error) {
	id, err := tokenstore.ParseSessionID(cookie)
	if err != nil {
		return nil, ErrNone
	}
	if s := m.replaced.shown(id, m.Clock); s != nil {
		return s, nil
	}
	return m.find(ctx, id, Browser, now, nil)
}

// GetKey returns what an access key stands for, as get does for a cookie. A key
// that is not in its owner's list counts as none; without lists, each counts.
func (m *Manager) GetKey(ctx context.Context, id tokenstore.SessionID, now int64, lists KeyLists) (*Session, error) {
	return m.find(ctx, id, Key, now, lists)
}

func (m *Manager) find(ctx context.Context, id tokenstore.SessionID, kind Kind, now int64, lists KeyLists) (*Session, error) {
	m.start()
	s, ok := m.Cache.get(id, kind)
	if !ok || now >= s.ExpiresAt() {
		// Another instance may have seen the session since, so a cached one
		// that looks idle is not judged by its own memory.
		return m.load(ctx, id, kind, lists)
	}
	if s.Auth.Ended() {
		return nil, ErrNone
	}
	if lists != nil && !m.stillListed(s, now) {
		return m.confirm(ctx, s, now, lists)
	}
	switch s.trust(now, m.watched) {
	case trustNot:
		return m.confirm(ctx, s, now, lists)
	case trustForNow:
		m.inBackground(s, workRevalidate, func(ctx context.Context) { _, _ = m.confirm(ctx, s, now, lists) })
	}
	return s, nil
}

// confirm asks the store about a cached session. Requests that come at once share
// one reading.
func (m *Manager) confirm(ctx context.Context, s *Session, now int64, lists KeyLists) (*Session, error) {
	return m.share(ctx, readingOf{s.digest, s.kind, s}, func(ctx context.Context, since cacheEpoch) (*Session, error) {
		return m.readAgain(ctx, s, since, now, lists)
	})
}

func (m *Manager) readAgain(ctx context.Context, s *Session, since cacheEpoch, now int64, lists KeyLists) (*Session, error) {
	mono := m.Clock.Monotonic()
	token, err := s.fetch(ctx)
	if err == nil {
		s.Auth.Adopt(token)
		err = m.findListed(ctx, s, lists)
	}
	switch {
	case err == nil && now >= s.ExpiresAt():
		m.uncache(s)
		return nil, ErrExpired
	case err == nil:
		m.Cache.checkedUnlessChanged(s, since, now, mono)
		return s, nil
	case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrUnsealable), errors.Is(err, errUnlisted):
		s.Auth.End()
		m.Cache.remove(s.ID, s.kind)
		m.ended(s, endElsewhere)
		return nil, ErrNone
	case s.Auth.Current() != nil:
		// The store is out of reach. A person whose session is here goes on
		// working, and the store is asked again soon: nobody tells us what
		// happened to the session meanwhile.
		m.Cache.checkedUnlessChanged(s, since, -now, mono)
		m.trustList(s)
		return s, nil
	default:
		return nil, err
	}
}

// load reads a session from the store into the cache. Requests that come at
// once share one reading.
func (m *Manager) load(ctx context.Context, id tokenstore.SessionID, kind Kind, lists KeyLists) (*Session, error) {
	now := m.Clock.Now().Unix()
	digest := id.Digest(m.namespaces[kind])
	// The digests of two kinds never meet. Nobody should have to trust in that.
	if s := m.busy(digest); s != nil && !s.Auth.Ended() && s.kind == kind && now < s.ExpiresAt() {
		// Nobody told it of changes while it was in no cache.
		s.checked.Store(0)
		m.Cache.add(s)
		return m.confirm(ctx, s, now, lists)
	}
	return m.share(ctx, readingOf{digest: digest, kind: kind}, func(ctx context.Context, since cacheEpoch) (*Session, error) {
		if err := m.beginLoad(ctx); err != nil {
			return nil, err
		}
		defer m.endLoad()
		return m.read(ctx, id, kind, digest, since, lists)
	})
}

func (m *Manager) read(ctx context.Context, id tokenstore.SessionID, kind Kind, digest [32]byte, since cacheEpoch, lists KeyLists) (*Session, error) {
	name := hex.EncodeToString(digest[:])
	mono := m.Clock.Monotonic()
	rec, err := m.store.Load(ctx, name)
	if errors.Is(err, tokenstore.ErrNotFound) {
		m.Cache.remove(id, kind)
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	data, err := m.open(id, kind, rec)
	if errors.Is(err, errOtherSite) {
		return nil, ErrNone
	}
	if err == nil && data.Account.ID == "" {
		err = errNoAccount // it was made by a version that allowed that
	}
	if err != nil {
		m.logger().Warn("ignoring unreadable session record",
			zap.String("session", tokenstore.Ref(name)), zap.Error(err))
		return nil, ErrNone
	}
	now := m.Clock.Now().Unix()
	s := m.newSession(id, kind, data.Account, data.CreatedAt.Unix(), data.AuthorizedAt.Unix(), data.Key)
	s.LastSeen.Store(data.LastSeen.Unix())
	s.savedSeen.Store(data.LastSeen.Unix())
	s.checkedAt(now, mono)
	token := pkce.NewToken(data.Token)
	s.know(rec.Version, token)
	m.tokens.InitAuthenticator(&s.Auth, token, s)
	if now >= s.ExpiresAt() && (lists == nil || !s.kept(now)) {
		m.Cache.remove(id, kind)
		return nil, ErrNone
	}
	switch err := m.findListed(ctx, s, lists); {
	case errors.Is(err, errUnlisted):
		m.Cache.remove(id, kind)
		return nil, ErrNone
	case err != nil:
		return nil, err
	}
	if now >= s.ExpiresAt() {
		m.Cache.remove(id, kind)
		return nil, ErrExpired
	}
	m.Cache.addUnlessChanged(s, since)
	if data.Site == "" {
		m.saveInBackground(s)
	}
	return s, nil
}

// newSession makes a session of a kind. The terms are those of an access key.
func (m *Manager) newSession(id tokenstore.SessionID, kind Kind, acct Account, createdAt, authorizedAt int64, terms *KeyTerms) *Session {
	s := &Session{owner: m, ID: id, kind: kind, digest: id.Digest(m.namespaces[kind]), Account: acct, CreatedAt: createdAt}
	s.authorizedAt.Store(authorizedAt)
	s.terms.Store(terms)
	return s
}

// Create begins a session. It is in the store when create returns.
func (m *Manager) Create(ctx context.Context, token *pkce.Token, acct Account) (*Session, error) {
	return m.createAs(ctx, tokenstore.NewSessionID(), Browser, token, acct)
}

// Keep stores a session that is new, and has it at hand. It must have an account.
func (m *Manager) Keep(ctx context.Context, s *Session, token *pkce.Token) error {
	if s.Account.ID == "" {
		return errNoAccount
	}
	s.checkedAt(m.Clock.Now().Unix(), m.Clock.Monotonic())
	rec, err := s.record(token)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	if err := m.store.Create(ctx, s.Key(), rec); err != nil {
		return fmt.Errorf("storing the session: %w", err)
	}
	s.know(rec.Version, token)
	m.tokens.InitAuthenticator(&s.Auth, token, s)
	m.Cache.add(s)
	return nil
}

// update is the store's Update, bounded.
func (m *Manager) update(ctx context.Context, key string, rec *tokenstore.Record) error {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	return m.store.Update(ctx, key, rec)
}
