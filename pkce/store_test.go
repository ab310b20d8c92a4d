package pkce_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

var errDown = errors.New("the store is down")

// store is a Persister whose faults tests turn on and off. Several
// Authenticators may share it, as processes do.
type store struct {
	mu       sync.Mutex
	token    *pkce.Token // nil when the session was deleted
	down     bool        // nothing works
	readOnly bool        // Save fails
	lossy    bool        // Save works and says that it failed
	saveGate chan struct{}

	releaseGate chan struct{}
	loadGate    chan struct{}
	saving      int      // calls of Save under way
	log         []string // what was done, in order
	pins        int

	lease chan struct{} // holds a value while somebody has the lease
	lost  chan struct{} // of the leases handed out; closed by loseLease
}

func newStore(t *pkce.Token) *store {
	return &store{token: t, lease: make(chan struct{}, 1), lost: make(chan struct{})}
}

func (s *store) note(what string) error {
	s.log = append(s.log, what)
	if s.down {
		return errDown
	}
	return nil
}

// change runs f under the store's lock.
func (s *store) change(f func(s *store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *store) Acquire(ctx context.Context) (pkce.Lease, error) {
	s.mu.Lock()
	err, lost := s.note("acquire"), s.lost
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case s.lease <- struct{}{}:
		return &lease{store: s, lost: lost}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *store) Load(ctx context.Context) (*pkce.Token, error) {
	s.mu.Lock()
	gate := s.loadGate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.note("load"); err != nil {
		return nil, err
	}
	if s.token == nil {
		return nil, pkce.ErrGone
	}
	return pkce.NewToken(s.token.Fields()), nil // read again, as a real one is
}

func (s *store) Save(ctx context.Context, old, next *pkce.Token) (*pkce.Token, error) {
	s.mu.Lock()
	gate := s.saveGate
	s.saving++
	s.mu.Unlock()
	defer s.change(func(s *store) { s.saving-- })
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.note("save " + next.AccessToken()); err != nil {
		return nil, err
	}
	switch {
	case s.readOnly:
		return nil, errDown
	case s.token == nil:
		return nil, pkce.ErrGone
	case same(s.token, next):
		return next, nil
	case !same(s.token, old):
		return pkce.NewToken(s.token.Fields()), nil
	}
	s.token = next
	if s.lossy {
		return nil, errDown
	}
	return next, nil
}

func (s *store) Delete(_ context.Context, t *pkce.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.note("delete"); err != nil {
		return err
	}
	if s.token != nil && same(s.token, t) {
		s.token = nil
	}
	return nil
}

func (s *store) Pin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins++
}

func (s *store) Unpin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins--
}

// loseLease takes the lease from whoever has it.
func (s *store) loseLease() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.lost)
	s.lost = make(chan struct{})
	select {
	case <-s.lease:
	default:
	}
}

func (s *store) leased() bool { return len(s.lease) == 1 }

func (s *store) pinned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pins
}

func (s *store) did(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, did := range s.log {
		if did == what {
			n++
		}
	}
	return n
}

// mustHold checks the access token that is stored; "" means that the session
// is gone.
func (s *store) mustHold(t *testing.T, access string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := ""
	if s.token != nil {
		got = s.token.AccessToken()
	}
	if got != access {
		t.Fatalf("stored is %q, want %q; it did %q", got, access, s.log)
	}
}

// mustBegin checks what the store did first.
func (s *store) mustBegin(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) < len(want) || !slices.Equal(s.log[:len(want)], want) {
		t.Fatalf("the store did %q, want %q first", s.log, want)
	}
}

// mustBeIdle checks that nobody has the lease or keeps the session pinned.
func (s *store) mustBeIdle(t *testing.T) {
	t.Helper()
	if s.leased() || s.pinned() != 0 {
		t.Fatalf("leased is %v, pinned %d times; want neither", s.leased(), s.pinned())
	}
}

func same(a, b *pkce.Token) bool {
	return a.AccessToken() == b.AccessToken() && a.RefreshToken() == b.RefreshToken()
}

type lease struct {
	store *store
	lost  chan struct{}
}

func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) Release(ctx context.Context) error {
	l.store.mu.Lock()
	gate := l.store.releaseGate
	l.store.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.store.log = append(l.store.log, "release")
	select {
	case <-l.lost: // it is somebody else's
	default:
		<-l.store.lease
	}
	return nil
}
