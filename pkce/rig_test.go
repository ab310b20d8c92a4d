package pkce_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

var noon = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// rig is a session: a clock, a token endpoint, a store that holds the token
// access-0, and what OnRefresh was told.
type rig struct {
	clock    *fakeclock.Clock
	endpoint *endpoint
	store    *store
	cfg      *pkce.Config

	mu     sync.Mutex
	events []pkce.RefreshEvent
}

// newRig returns a rig whose token was granted just now, for an hour.
func newRig() *rig {
	r := &rig{clock: fakeclock.New(noon), endpoint: new(endpoint)}
	r.store = newStore(r.grant("access-0", "refresh-0", time.Hour))
	r.cfg = &pkce.Config{
		ClientID:   "0123456789abcdef0123456789abcdef",
		TokenURL:   "https://accounts.example/api/token",
		HTTPClient: &http.Client{Transport: r.endpoint},
		Clock:      r.clock,
		OnRefresh: func(_ *pkce.Authenticator, ev pkce.RefreshEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, ev)
		},
	}
	return r
}

func (r *rig) grant(access, refresh string, life time.Duration) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken: access, RefreshToken: refresh, Scope: "user-top-read",
		Expiry: r.clock.Now().Add(life), Lifetime: life,
	})
}

// authenticator returns one more process's Authenticator of the session.
func (r *rig) authenticator() *pkce.Authenticator {
	return r.cfg.NewAuthenticator(r.store.token, r.store)
}

// event waits until all is quiet and returns what OnRefresh was told last.
func (r *rig) event(t *testing.T) pkce.RefreshEvent {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		t.Fatal("OnRefresh was not called")
	}
	return r.events[len(r.events)-1]
}

func (r *rig) mustTell(t *testing.T, want pkce.RefreshOutcome) pkce.RefreshEvent {
	t.Helper()
	ev := r.event(t)
	if ev.Outcome != want {
		t.Fatalf("OnRefresh was told %q (%v), want %q", ev.Outcome, ev.Err, want)
	}
	return ev
}

// mustGet calls Token and checks the access token.
func mustGet(t *testing.T, a *pkce.Authenticator, access string) {
	t.Helper()
	token, err := a.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if token.AccessToken() != access {
		t.Fatalf("Token = %s, want %s", token.AccessToken(), access)
	}
}

// promise is the result of a Token call in another goroutine.
type promise struct {
	token *pkce.Token
	err   error
}

// ask calls f in a goroutine; the channel yields its result.
func ask(f func() (*pkce.Token, error)) <-chan promise {
	c := make(chan promise, 1)
	go func() {
		token, err := f()
		c <- promise{token, err}
	}()
	return c
}
