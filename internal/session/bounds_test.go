package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// readOnlyStore takes new records, and changes of them unless it is told not to.
type readOnlyStore struct {
	tokenstore.Store
	readOnly atomic.Bool
}

func (s *readOnlyStore) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if s.readOnly.Load() {
		return errors.New("no space left on device")
	}
	return s.Store.Update(ctx, key, rec)
}

// newBoundsRig returns sessions over such a store, and how many tokens the token
// endpoint has granted. It answers when answer lets it; nil is at once.
func newBoundsRig(t *testing.T, answer func()) (*Manager, *readOnlyStore, *atomic.Int64) {
	t.Helper()
	granted := new(atomic.Int64)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := granted.Add(1)
		if answer != nil {
			answer()
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"a%d","token_type":"Bearer","expires_in":3600,"refresh_token":"r%d"}`, n, n)
	}))
	t.Cleanup(endpoint.Close)
	store := &readOnlyStore{Store: memory.New(memory.Config{})}
	cfg := config{clientID: "0123456789abcdef0123456789abcdef", idle: time.Hour, lifetime: time.Hour}
	tokens := &pkce.Config{
		ClientID: cfg.clientID, TokenURL: endpoint.URL,
		HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32}},
	}
	m := New(cfg, store, tokens, pkce.SystemClock{}, zap.NewNop)
	tokens.OnRefresh = m.refreshed
	return m, store, granted
}

// begin makes a session.
func (m *Manager) begin(t *testing.T, i int) *Session {
	t.Helper()
	s, err := m.Create(t.Context(), pkce.NewToken(pkce.TokenFields{
		AccessToken: fmt.Sprintf("old%d", i), RefreshToken: fmt.Sprintf("old-refresh%d", i),
		Lifetime: time.Hour, Expiry: time.Now().Add(time.Hour),
	}), Account{ID: fmt.Sprintf("user%d", i)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Refreshes that nobody waits for are put off while many are under way, but
// never for so long that somebody would have to wait.
func TestRefreshesAheadAreSpread(t *testing.T) {
	m, _, _ := newBoundsRig(t, nil)
	for range freeRefreshes - 1 {
		if err := m.beginRefresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if wait := m.pace(4 * time.Minute); wait != 0 {
		t.Errorf("put off for %s while it was calm", wait)
	}
	if err := m.beginRefresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for within, most := range map[time.Duration]time.Duration{
		4 * time.Minute: longestPace, 2 * time.Second: time.Second, 0: 0, -time.Second: 0,
	} {
		waits := make(map[time.Duration]bool)
		for range 1000 {
			wait := m.pace(within)
			if wait < 0 || wait > most {
				t.Fatalf("put off for %s with %s to go, want %s at most", wait, within, most)
			}
			waits[wait] = true
		}
		if most > 0 && len(waits) < 100 {
			t.Errorf("with %s to go there were %d different waits of 1000", within, len(waits))
		}
	}
	for range freeRefreshes {
		m.endRefresh()
	}
}

// O55, R33, R42: a store that takes no changes leaves so many tokens unsaved and no
// more. Beyond, no refresh token is used up, valid tokens are served, and when
// the store takes changes again, shutting down saves everything.
func TestPendingSavesAreBounded(t *testing.T) {
	m, store, granted := newBoundsRig(t, nil)
	const extra = 50
	all := make([]*Session, maxPendingSaves+extra)
	for i := range all {
		all[i] = m.begin(t, i)
	}
	store.readOnly.Store(true)
	for i, s := range all {
		_, err := s.Auth.Refresh(t.Context())
		if i < maxPendingSaves && err != nil {
			t.Fatalf("refresh %d: %v", i, err)
		}
		if i >= maxPendingSaves && !errors.Is(err, pkce.ErrPersister) {
			t.Fatalf("refresh %d: %v, want an ErrPersister", i, err)
		}
		if _, err := s.Auth.Token(t.Context()); err != nil {
			t.Fatalf("the valid token %d is not served: %v", i, err)
		}
	}
	if n := granted.Load(); n != maxPendingSaves {
		t.Errorf("%d refresh tokens were used up, want %d", n, maxPendingSaves)
	}
	if n := m.PendingSaves.Load(); n != maxPendingSaves {
		t.Errorf("%d saves are pending, want %d", n, maxPendingSaves)
	}

	store.readOnly.Store(false)
	if err := m.Destruct(); err != nil {
		t.Fatal(err)
	}
	if n := m.PendingSaves.Load(); n != 0 {
		t.Errorf("%d saves are pending after shutdown", n)
	}
	for i, s := range all[:maxPendingSaves] {
		stored, err := s.Load(t.Context())
		if err != nil || stored.RefreshToken() != s.Auth.Current().RefreshToken() {
			t.Fatalf("session %d was not saved: %v", i, err)
		}
	}
	if len(m.refreshes) != 0 {
		t.Errorf("%d refreshes count as under way", len(m.refreshes))
	}
}

// O55: more sessions than that to be refreshed at once take their turns.
func TestRefreshesAreBounded(t *testing.T) {
	var now, most atomic.Int64
	m, _, granted := newBoundsRig(t, func() {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
	})
	for range maxRefreshes - 3 {
		m.refreshes <- struct{}{} // others, which take their time
	}
	var group sync.WaitGroup
	for i := range 100 {
		s := m.begin(t, i)
		group.Go(func() {
			if _, err := s.Auth.Refresh(t.Context()); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if n := granted.Load(); n != 100 {
		t.Errorf("%d refreshes, want 100", n)
	}
	if n := most.Load(); n > 3 {
		t.Errorf("%d refreshes at once, want 3 at most", n)
	}
}

// O56: sessions that are not being refreshed have no goroutine.
func TestGoroutinesDoNotGrowWithSessions(t *testing.T) {
	m, _, _ := newBoundsRig(t, nil)
	m.start()
	use := func(s *Session) {
		if got, err := m.Get(t.Context(), s.ID.Cookie()); err != nil || got != s {
			t.Fatalf("get: %v, %v", got, err)
		}
		m.Touch(s)
		if _, err := s.Auth.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	use(m.begin(t, 0))
	before := runtime.NumGoroutine()
	for i := range 5000 {
		use(m.begin(t, i+1))
	}
	if n := runtime.NumGoroutine() - before; n > maxBackground {
		t.Errorf("5000 sessions have %d goroutines", n)
	}
	if err := m.Destruct(); err != nil {
		t.Fatal(err)
	}
}

// O55: the cache holds as many sessions as it may and no more. What it drops is
// read from the store again.
func TestCacheIsBounded(t *testing.T) {
	m, _, _ := newBoundsRig(t, nil)
	const room = 4 * cacheShards
	m.Cache = newSessionCache(room)
	sessions := make([]*Session, 10*room)
	for i := range sessions {
		sessions[i] = m.begin(t, i)
	}
	if n := m.Cache.Len(); n > room {
		t.Errorf("%d sessions in a cache for %d", n, room)
	}
	for i, s := range sessions {
		got, err := m.Get(t.Context(), s.ID.Cookie())
		if err != nil || got.Account.ID != s.Account.ID {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	if n := m.Cache.Len(); n > room {
		t.Errorf("%d sessions in a cache for %d", n, room)
	}
	// Cookies that lead nowhere leave nothing behind.
	for range 1000 {
		if _, err := m.Get(t.Context(), tokenstore.NewSessionID().Cookie()); !errors.Is(err, ErrNone) {
			t.Fatalf("get: %v", err)
		}
	}
	if n := m.Cache.Len(); n > room {
		t.Errorf("%d sessions in a cache for %d", n, room)
	}
}

// slowStore says when it begins to look for a record, and looks when it is let.
type slowStore struct {
	tokenstore.Store
	asked, answer chan struct{}
	now, most     atomic.Int64
}

func (s *slowStore) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
	}
	s.asked <- struct{}{}
	<-s.answer
	return s.Store.Load(ctx, key)
}

// O55: a flood of made-up session ids has so many of them looked for in the store
// at once and no more. Those in memory go on, and none is lost.
func TestLoadsAreBounded(t *testing.T) {
	m, _, _ := newBoundsRig(t, nil)
	known := m.begin(t, 0)
	slow := &slowStore{Store: m.store, asked: make(chan struct{}, 10*maxLoads), answer: make(chan struct{})}
	m.store = slow
	var flood sync.WaitGroup
	for range 3 * maxLoads {
		flood.Go(func() {
			if _, err := m.Get(t.Context(), tokenstore.NewSessionID().Cookie()); !errors.Is(err, ErrNone) {
				t.Errorf("a made-up id: %v", err)
			}
		})
	}
	for range maxLoads {
		<-slow.asked
	}
	if s, err := m.Get(t.Context(), known.ID.Cookie()); err != nil || s != known {
		t.Errorf("a session in memory: %v, %v", s, err)
	}
	close(slow.answer)
	flood.Wait()
	if n := slow.most.Load(); n != maxLoads {
		t.Errorf("%d readings at once, want %d", n, maxLoads)
	}
	// Beyond those who may wait nobody waits.
	m.waitingLoads.Add(maxWaitingLoads)
	if _, err := m.Get(t.Context(), tokenstore.NewSessionID().Cookie()); !errors.Is(err, errTooManyLoads) {
		t.Errorf("one too many: %v", err)
	}
	m.waitingLoads.Add(-maxWaitingLoads)
	if len(m.reading) != 0 || m.waitingLoads.Load() != 0 {
		t.Errorf("%d readings and %d who wait are left", len(m.reading), m.waitingLoads.Load())
	}
}
