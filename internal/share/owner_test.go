package share

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// untold is a store that tells of no changes.
type untold struct{ tokenstore.Store }

// openShare returns the shared account of a site, on an instance of its own over a
// store that others share.
func openShare(t *testing.T, store tokenstore.Store, fake *fakeclock.Clock, instance string, allow ...string) *Share {
	t.Helper()
	if allow == nil {
		allow = []string{"/v1/me/player"}
	}
	tokens := &pkce.Config{ClientID: "client", Clock: fake}
	acquired, err := session.Acquire(inMemory{untold{store}, t.Name() + instance}, tokens, "https://app.example.com/spotify", "", time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = acquired.Release() })
	s := &site.Site{
		Guard:    &browser.Guard{Redirect: browser.Redirect{Origin: "https://app.example.com", Prefix: "/spotify"}},
		ClientID: "client", Sessions: acquired.Sessions, Store: acquired.Store, Clock: fake, Logger: zap.NewNop(),
	}
	sh, err := New(Options{
		Site: s, Flow: login.New(s, tokens, "", nil), Owners: []string{"mira"},
		Allow: allow, Fresh: 5 * time.Second, Stale: time.Minute,
		Secret: secret.New("a secret of the operator's own choice", nil, "share", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sh
}

// connectOwner stores the session of an owner who has just connected.
func (s *Share) connectOwner(t *testing.T, token *pkce.Token) {
	t.Helper()
	key, err := s.key.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.id(key, "mira")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.site.Sessions.ReplaceShared(t.Context(), id, token, session.Account{ID: "mira"}); err != nil {
		t.Fatal(err)
	}
}

// P47: the owner who connects again through another instance is found at once where
// the session before is in memory, which has to be found over first.
func TestShareFindsTheOwnerWhoConnectedElsewhere(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	store := memory.New(memory.Config{Now: fake.Now})
	here, there := openShare(t, store, fake, "here"), openShare(t, store, fake, "there")
	here.connectOwner(t, granted(1, fake.Now()))
	if _, err := here.session(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.Advance(time.Minute)
	second := granted(2, fake.Now())
	there.connectOwner(t, second)
	sess, err := here.session(t.Context())
	if err != nil {
		t.Fatalf("the owner counts as not connected: %v", err)
	}
	if got := sess.Auth.Current(); got.AccessToken() != second.AccessToken() {
		t.Error("it is not the session of the second login")
	}
	if state := here.connection.Load(); state != connectionThere {
		t.Errorf("the connection is noted as %d", state)
	}
}

// P47: a response that says that the owner's access has ended is nothing to show if the
// owner has connected again through another instance. Spotify is asked once more, as them.
func TestShareAsksAgainAsTheOwnerWhoConnectedElsewhere(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	store := memory.New(memory.Config{Now: fake.Now})
	here, there := openShare(t, store, fake, "here"), openShare(t, store, fake, "there")
	here.connectOwner(t, granted(1, fake.Now()))
	asked := 0
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		if asked++; asked > 1 {
			_, err := w.Write([]byte("{}"))
			return err
		}
		fake.Advance(time.Minute) // the store is asked again
		there.connectOwner(t, granted(2, fake.Now()))
		w.Header().Set(reason.Header, string(reason.ReauthorizationRequired))
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	})
	response, p := here.fetcher(next, nil)(t.Context(), here.allowed("/v1/me/player", ""))
	if p != nil || response.Status != http.StatusOK || asked != 2 {
		t.Errorf("asked %d times: %+v, %v", asked, response, p)
	}
}

// An owner who connects while a response to the one before is on its way gets it
// shown to nobody who asks afterwards, whatever came of it.
func TestShareKeepsNothingOfThePreviousOwner(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	for name, early := range map[string]struct {
		cache.Outcome
		shown string // to who asked before
	}{
		"a response": {cache.Outcome{Response: &cache.Response{Status: 200, Body: []byte("the first owner's")}}, "the first owner's"},
		"a failure":  {cache.Outcome{Err: shareUnavailable(errors.New("the first owner's"))}, "the second owner's"},
	} {
		t.Run(name, func(t *testing.T) {
			sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "")
			get := sh.allowed("/v1/me/player", "")
			asked, answer := make(chan struct{}), make(chan struct{})
			first := make(chan cache.Kept, 1)
			go func() {
				result, err := sh.get(t.Context(), get, func(context.Context, *target) (*cache.Response, *problem.Problem) {
					close(asked)
					<-answer
					return early.Response, problem.As(early.Err)
				})
				if err != nil {
					t.Error(err)
				}
				first <- result
			}()
			<-asked
			sh.forget() // the second owner has connected
			own := func(context.Context, *target) (*cache.Response, *problem.Problem) {
				return &cache.Response{Status: 200, Body: []byte("the second owner's")}, nil
			}
			wantOwn := func() {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				result, err := sh.get(ctx, get, own)
				if err != nil || result.Response == nil || string(result.Response.Body) != "the second owner's" {
					t.Errorf("afterwards: %+v, %v", result, err)
				}
			}
			wantOwn() // it does not wait for the first owner's
			close(answer)
			if late := <-first; late.Response == nil || string(late.Response.Body) != early.shown {
				t.Errorf("who asked before: %+v", late)
			}
			wantOwn()
			fake.Advance(sh.fresh)
			wantOwn()
		})
	}
}

// The same where nobody asks between the second login and the late response.
func TestShareForgetsALateResponse(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "")
	get := sh.allowed("/v1/me/player", "")
	_, err := sh.get(t.Context(), get, func(context.Context, *target) (*cache.Response, *problem.Problem) {
		sh.forget()
		return &cache.Response{Status: 200, Body: []byte("the first owner's")}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := sh.get(t.Context(), get, func(context.Context, *target) (*cache.Response, *problem.Problem) {
		return nil, shareUnavailable(errors.New("Spotify is out of reach"))
	})
	if err != nil || result.Response != nil || result.Failure == nil {
		t.Errorf("afterwards: %+v, %v", result, err)
	}
}

// granted returns the i-th token.
func granted(i int, now time.Time) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken: fmt.Sprintf("access-%d", i), RefreshToken: "refresh", Lifetime: time.Hour, Expiry: now.Add(time.Hour),
	})
}

// inMemory provides a store for one instance of one test.
type inMemory struct {
	store tokenstore.Store
	key   string
}

func (p inMemory) Store() (tokenstore.Store, error) { return p.store, nil }

func (p inMemory) UsageKey() string { return p.key }

// A late response to the owner before does not have Spotify asked twice for the next.
func TestShareAsksOnceForTheNextOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		fake.Install(t)
		sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "")
		get := sh.allowed("/v1/me/player", "")
		var asked atomic.Int32
		ask := func(answer <-chan struct{}) {
			go func() {
				_, err := sh.get(t.Context(), get, func(context.Context, *target) (*cache.Response, *problem.Problem) {
					asked.Add(1)
					<-answer
					return &cache.Response{Status: 200}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		first, second := make(chan struct{}), make(chan struct{})
		ask(first)
		sh.forget() // the second owner has connected
		ask(second)
		close(first)
		synctest.Wait()
		ask(second)
		close(second)
		synctest.Wait()
		if n := asked.Load(); n != 2 {
			t.Errorf("Spotify was asked %d times, want once for each owner", n)
		}
	})
}
