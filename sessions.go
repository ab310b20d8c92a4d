package caddyspotify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// storeTimeout bounds one wait for the store on behalf of a request.
	storeTimeout = 5 * time.Second
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

// errNoSession says that a cookie leads to no session: it is malformed,
// unknown, expired or logged out.
var errNoSession = errors.New("no such session")

// sessions turns session ids into sessions. It outlives the config that made
// it for as long as a newer one uses it too. All methods are safe for
// concurrent use.
type sessions struct {
	namespace       string // of sessions' ids
	keyNamespace    string // of access keys'
	store           tokenstore.Store
	watcher         tokenstore.Watcher // nil if the store is none
	sweeper         tokenstore.Sweeper // nil if the store is none
	watched         bool               // the store tells of changes
	tokens          *pkce.Config
	clock           pkce.Clock
	idleSeconds     int64
	lifetimeSeconds int64
	logger          func() *zap.Logger
	faults          *faultLog

	audience     audience
	pendingSaves atomic.Int64
	soonest      soonest

	cache      *sessionCache
	background chan struct{} // a slot for each background operation
	refreshes  chan struct{} // one for each refresh
	reading    chan struct{} // one for each session that is being read

	waitingLoads atomic.Int64

	readingsMu sync.Mutex
	readings   map[readingOf]*reading // under way

	startOnce sync.Once
	ctx       context.Context // ends with close; bounds what runs in the background
	cancel    context.CancelFunc
	running   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	pinned map[*session]struct{} // busy
	// byDigest finds a busy session, which must not be loaded a second time.
	byDigest map[[32]byte]*session
}

func newSessions(cfg sessionsConfig, store tokenstore.Store, tokens *pkce.Config, clock pkce.Clock, logger func() *zap.Logger) *sessions {
	ctx, cancel := context.WithCancel(context.Background())
	watcher, watched := store.(tokenstore.Watcher)
	sweeper, _ := store.(tokenstore.Sweeper)
	m := &sessions{
		namespace:       cfg.clientID,
		keyNamespace:    keyNamespace(cfg.clientID),
		store:           store,
		watcher:         watcher,
		sweeper:         sweeper,
		watched:         watched,
		clock:           clock,
		idleSeconds:     int64(cfg.idle / time.Second),
		lifetimeSeconds: int64(cfg.lifetime / time.Second),
		logger:          logger,
		faults:          newFaultLog(clock),
		cache:           newSessionCache(maxCachedSessions),
		background:      make(chan struct{}, maxBackground),
		refreshes:       make(chan struct{}, maxRefreshes),
		reading:         make(chan struct{}, maxLoads),
		ctx:             ctx,
		cancel:          cancel,
		readings:        make(map[readingOf]*reading),
		pinned:          make(map[*session]struct{}),
		byDigest:        make(map[[32]byte]*session),
	}
	own := *tokens
	own.OnRefresh = m.refreshed
	m.tokens = &own
	m.audience.queue.spawn = m.spawn
	return m
}

// Destruct implements caddy.Destructor. It waits, for at most flushTimeout,
// for refreshes and saves in flight, and then for at most stopTimeout for what
// else runs in the background.
func (m *sessions) Destruct() error {
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
		m.logger().Warn("stopped without waiting for a handler of events that takes too long", zap.Duration("waited", stopTimeout))
	}
	if view, ok := m.store.(storeView); ok {
		view.pool.leave(m)
	}
	if m.tokens.HTTPClient != nil {
		m.tokens.HTTPClient.CloseIdleConnections()
	}
	return err
}

// get returns the session behind a cookie. It returns errNoSession when there
// is none, and another error when the store cannot tell.
func (m *sessions) get(ctx context.Context, cookie string) (*session, error) {
	return m.getAt(ctx, cookie, m.clock.Now().Unix())
}

// getAt is get for who knows the time already.
func (m *sessions) getAt(ctx context.Context, cookie string, now int64) (*session, error) {
	id, err := tokenstore.ParseSessionID(cookie)
	if err != nil {
		return nil, errNoSession
	}
	return m.find(ctx, id, false, now)
}

// getKey returns what an access key stands for, as get does for a cookie.
func (m *sessions) getKey(ctx context.Context, id tokenstore.SessionID, now int64) (*session, error) {
	return m.find(ctx, id, true, now)
}

// namespaceOf is that of access keys' ids, or of sessions'.
func (m *sessions) namespaceOf(key bool) string {
	if key {
		return m.keyNamespace
	}
	return m.namespace
}

func (m *sessions) find(ctx context.Context, id tokenstore.SessionID, key bool, now int64) (*session, error) {
	m.start()
	s, ok := m.cache.get(id, key)
	if !ok || now >= s.expiresAt() {
		// Another instance may have seen the session since, so a cached one
		// that looks idle is not judged by its own memory.
		return m.load(ctx, id, key)
	}
	if s.auth.Ended() {
		return nil, errNoSession
	}
	switch s.trust(now, m.watched) {
	case trustNot:
		return m.confirm(ctx, s, now)
	case trustForNow:
		m.inBackground(s, workRevalidate, func(ctx context.Context) { _, _ = m.confirm(ctx, s, now) })
	}
	return s, nil
}

// confirm asks the store about a cached session. Requests that come at once share
// one reading.
func (m *sessions) confirm(ctx context.Context, s *session, now int64) (*session, error) {
	return m.share(ctx, readingOf{s.digest, s.isKey(), s}, func(ctx context.Context, since cacheEpoch) (*session, error) {
		return m.readAgain(ctx, s, since, now)
	})
}

func (m *sessions) readAgain(ctx context.Context, s *session, since cacheEpoch, now int64) (*session, error) {
	mono := m.clock.Monotonic()
	token, err := s.fetch(ctx)
	switch {
	case err == nil:
		s.auth.Adopt(token)
		m.cache.checkedUnlessChanged(s, since, now, mono)
		return s, nil
	case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrUnsealable):
		s.auth.End()
		m.cache.remove(s.id, s.isKey())
		m.ended(s, endElsewhere)
		return nil, errNoSession
	case s.auth.Current() != nil:
		// The store is out of reach. A person whose session is here goes on
		// working, and the store is asked again soon: nobody tells us what
		// happened to the session meanwhile.
		m.cache.checkedUnlessChanged(s, since, -now, mono)
		return s, nil
	default:
		return nil, err
	}
}

// load reads a session from the store into the cache. Requests that come at
// once share one reading.
func (m *sessions) load(ctx context.Context, id tokenstore.SessionID, key bool) (*session, error) {
	now := m.clock.Now().Unix()
	digest := id.Digest(m.namespaceOf(key))
	// The digests of the two kinds never meet. Nobody should have to trust in that.
	if s := m.busy(digest); s != nil && !s.auth.Ended() && s.isKey() == key && now < s.expiresAt() {
		// Nobody told it of changes while it was in no cache.
		s.checked.Store(0)
		m.cache.add(s)
		return m.confirm(ctx, s, now)
	}
	return m.share(ctx, readingOf{digest: digest, key: key}, func(ctx context.Context, since cacheEpoch) (*session, error) {
		if err := m.beginLoad(ctx); err != nil {
			return nil, err
		}
		defer m.endLoad()
		return m.read(ctx, id, key, digest, since)
	})
}

func (m *sessions) read(ctx context.Context, id tokenstore.SessionID, key bool, digest [32]byte, since cacheEpoch) (*session, error) {
	name := hex.EncodeToString(digest[:])
	mono := m.clock.Monotonic()
	rec, err := m.store.Load(ctx, name)
	if errors.Is(err, tokenstore.ErrNotFound) {
		m.cache.remove(id, key)
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	data, err := m.open(id, key, rec)
	if err != nil {
		m.logger().Warn("a session record could not be opened and counts as no session",
			zap.String("session", tokenstore.Ref(name)), zap.Error(err))
		return nil, errNoSession
	}
	now := m.clock.Now().Unix()
	s := m.newSession(id, data.Account, data.CreatedAt.Unix(), data.AuthorizedAt.Unix(), data.Key)
	s.lastSeen.Store(data.LastSeen.Unix())
	s.savedSeen.Store(data.LastSeen.Unix())
	s.checkedAt(now, mono)
	token := pkce.NewToken(data.Token)
	s.know(rec.Version, token)
	m.tokens.InitAuthenticator(&s.auth, token, s)
	if now >= s.expiresAt() {
		m.cache.remove(id, key)
		return nil, errNoSession
	}
	m.cache.addUnlessChanged(s, since)
	return s, nil
}

// newSession makes a session, or what an access key stands for if there are terms.
func (m *sessions) newSession(id tokenstore.SessionID, acct account, createdAt, authorizedAt int64, terms *keyTerms) *session {
	return &session{
		owner: m, id: id, digest: id.Digest(m.namespaceOf(terms != nil)),
		account: acct, createdAt: createdAt, authorizedAt: authorizedAt, terms: terms,
	}
}

// create begins a session. It is in the store when create returns.
func (m *sessions) create(ctx context.Context, token *pkce.Token, acct account) (*session, error) {
	return m.createAs(ctx, tokenstore.NewSessionID(), token, acct)
}

// createAs is create with an id that is given.
func (m *sessions) createAs(ctx context.Context, id tokenstore.SessionID, token *pkce.Token, acct account) (*session, error) {
	now := m.clock.Now().Unix()
	s := m.newSession(id, acct, now, now, nil)
	s.lastSeen.Store(now)
	s.savedSeen.Store(now)
	if err := m.keep(ctx, s, token); err != nil {
		return nil, err
	}
	return s, nil
}

// keep stores a session that is new, and has it at hand.
func (m *sessions) keep(ctx context.Context, s *session, token *pkce.Token) error {
	s.checkedAt(m.clock.Now().Unix(), m.clock.Monotonic())
	rec, err := s.record(token)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := m.store.Create(ctx, s.key(), rec); err != nil {
		return fmt.Errorf("storing the session: %w", err)
	}
	s.know(rec.Version, token)
	m.tokens.InitAuthenticator(&s.auth, token, s)
	m.cache.add(s)
	return nil
}

// replaceWith begins a session under an id that may have one already, which then
// ends.
func (m *sessions) replaceWith(ctx context.Context, id tokenstore.SessionID, token *pkce.Token, acct account) (*session, error) {
	_, err := m.remove(ctx, id.Cookie(), endReplaced)
	if err != nil && !errors.Is(err, errNoSession) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	// A record that cannot be opened or has expired is in the way as well.
	if err := m.store.Delete(ctx, id.Key(m.namespace)); err != nil {
		return nil, fmt.Errorf("deleting the session before: %w", err)
	}
	return m.createAs(ctx, id, token, acct)
}

// remove ends the session behind a cookie, here and in the store, and tells of
// it with the reason why. When the store cannot be reached nothing is ended and
// the error says so: a logout that only looks like one would be worse than none.
func (m *sessions) remove(ctx context.Context, cookie, why string) (*session, error) {
	s, err := m.get(ctx, cookie)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	// A refresh under way may be the first to see that the session is gone. It
	// is not the one to tell why.
	tell := s.begin(toldEnd)
	if err := m.store.Delete(ctx, s.key()); err != nil {
		if tell {
			s.end(toldEnd)
		}
		return nil, fmt.Errorf("deleting the session: %w", err)
	}
	m.forget(s)
	if tell {
		m.tellEnd(s, why)
	}
	return s, nil
}

// forget ends a session in this process. A reading of it that is still under
// way does not bring it back.
func (m *sessions) forget(s *session) {
	s.auth.End()
	m.cache.invalidate(s.digest)
	m.cache.remove(s.id, s.isKey())
}

// update is the store's Update, bounded.
func (m *sessions) update(ctx context.Context, key string, rec *tokenstore.Record) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return m.store.Update(ctx, key, rec)
}
