package pkce_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R38: a logout while the refresh is under way wins: nothing is saved.
func TestEndDuringRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		release := r.endpoint.hold()
		waiting := ask(func() (*pkce.Token, error) { return a.Token(t.Context()) })
		synctest.Wait()
		r.store.change(func(s *store) { s.token = nil })
		a.End()
		release()
		if got := <-waiting; !errors.Is(got.err, pkce.ErrReauthorize) {
			t.Errorf("Token = %v, %v", got.token, got.err)
		}
		r.mustTell(t, pkce.RefreshSuperseded)
		if n := r.store.did("save access-1"); n != 0 {
			t.Errorf("%d saves were tried", n)
		}
		r.store.mustHold(t, "")
		r.store.mustBeIdle(t)
	})
}

// R38: a logout wins at each step of a refresh.
func TestEndAtEachStep(t *testing.T) {
	for _, step := range []string{"acquire", "load", "load a newer token", "redeem", "save", "save in vain", "redeem without store"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				s := &interrupted{store: r.store, at: step}
				a := r.cfg.NewAuthenticator(r.store.token, s)
				if step == "redeem without store" {
					a = r.cfg.NewAuthenticator(r.store.token, nil)
				}
				s.interrupt = a.End
				r.endpoint.says(func(int, url.Values) (*http.Response, error) {
					s.reach(step[:min(len(step), 6)])
					return granted(`{"access_token":"late","token_type":"Bearer","expires_in":3600}`), nil
				})
				r.clock.Advance(time.Hour)
				if step == "load a newer token" {
					r.store.change(func(st *store) { st.token = r.grant("newer", "refresh-n", time.Hour) })
				}
				if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
					t.Errorf("Token: %v, want ErrReauthorize", err)
				}
				if err := a.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if !a.Ended() || a.Current() != nil {
					t.Error("the session has not ended")
				}
				r.store.mustBeIdle(t)
			})
		})
	}
}

// interrupted is a store during one of whose steps something else happens.
type interrupted struct {
	*store
	at        string
	interrupt func()
}

func (s *interrupted) reach(step string) {
	if strings.HasPrefix(s.at, step) {
		s.interrupt()
	}
}

func (s *interrupted) Acquire(ctx context.Context) (pkce.Lease, error) {
	defer s.reach("acquire")
	return s.store.Acquire(ctx)
}

func (s *interrupted) Load(ctx context.Context) (*pkce.Token, error) {
	defer s.reach("load")
	return s.store.Load(ctx)
}

func (s *interrupted) Save(ctx context.Context, old, next *pkce.Token) (*pkce.Token, error) {
	defer s.reach("save")
	if s.at == "save in vain" {
		return nil, errDown
	}
	return s.store.Save(ctx, old, next)
}

// R38: a logout in another process is not undone by the save.
func TestSaveOfDeletedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(time.Hour)
		r.endpoint.says(func(int, url.Values) (*http.Response, error) {
			r.store.change(func(s *store) { s.token = nil })
			return granted(`{"access_token":"late","token_type":"Bearer","expires_in":3600}`), nil
		})
		if _, err := a.Token(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Errorf("Token: %v, want ErrReauthorize", err)
		}
		r.mustTell(t, pkce.RefreshSuperseded)
		r.store.mustHold(t, "")
		r.store.mustBeIdle(t)
	})
}

// R38: what a pending save finds in the store when it gets there counts.
func TestLateSave(t *testing.T) {
	t.Run("of a deleted session", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			r.store.change(func(s *store) { s.readOnly, s.token = false, nil })
			r.clock.Advance(time.Second)
			synctest.Wait()
			r.store.mustHold(t, "")
			r.store.mustBeIdle(t)
			if !a.Ended() {
				t.Error("the session has not ended")
			}
		})
	})
	t.Run("over a newer token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			newer := r.grant("newer", "refresh-n", 2*time.Hour)
			r.store.change(func(s *store) { s.readOnly, s.token = false, newer })
			r.clock.Advance(time.Second)
			synctest.Wait()
			r.store.mustHold(t, "newer")
			r.store.mustBeIdle(t)
			mustGet(t, a, "newer")
		})
	})
	t.Run("after a logout here", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			a.End()
			synctest.Wait()
			r.store.mustBeIdle(t)
			if n := r.clock.Timers(); n != 0 {
				t.Errorf("%d timers are left", n)
			}
			if n := r.store.did("save access-1"); n != 1 {
				t.Errorf("%d saves were tried, want 1", n)
			}
		})
	})
	t.Run("with a logout during it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			gate := make(chan struct{})
			r.store.change(func(s *store) { s.readOnly, s.saveGate = false, gate })
			r.clock.Advance(time.Second)
			synctest.Wait()
			r.store.change(func(s *store) { s.token = nil })
			a.End()
			close(gate)
			synctest.Wait()
			r.store.mustHold(t, "")
			r.store.mustBeIdle(t)
		})
	})
}
