package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// openAt returns the sessions of a site.
func openAt(t *testing.T, store tokenstore.Store, clock *fakeclock.Clock, site string) *Manager {
	m := openSessions(t, store, clock)
	m.site = site
	return m
}

// S28: what was made at one site is nothing at another with the same app and store,
// whatever kind it is, and cannot be ended there.
func TestSessionsAreOfOneSite(t *testing.T) {
	fake := fakeclock.New(time.Now())
	store := memory.New(memory.Config{Now: fake.Now})
	for _, other := range []string{"https://b.example.com/spotify", "https://a.example.com/spotify2", "https://a.example.com", "http://a.example.com/spotify", ""} {
		here, there := openAt(t, store, fake, "https://a.example.com/spotify"), openAt(t, store, fake, other)
		for kind, s := range oneOfEach(t, here, fake) {
			for range 2 {
				if _, err := there.find(t.Context(), s.ID, Kind(kind), fake.Now().Unix(), nil); !errors.Is(err, ErrNone) {
					t.Errorf("%s at %q: %v", stored[kind].sealed, other, err)
				}
			}
			if _, err := there.Remove(t.Context(), s.ID.Cookie(), EndLogout); !errors.Is(err, ErrNone) {
				t.Errorf("logout at %q: %v", other, err)
			}
			here.Cache.remove(s.ID, s.kind)
			if _, err := here.find(t.Context(), s.ID, Kind(kind), fake.Now().Unix(), nil); err != nil {
				t.Errorf("%s where it was made: %v", stored[kind].sealed, err)
			}
		}
	}
}

// S28: a session that an earlier version stored, of no site, is of the one where it
// is used first. Others that had it in memory meanwhile find that out.
func TestSessionOfBeforeIsBoundAtFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		store := memory.New(memory.Config{Now: fake.Now})
		before, err := openAt(t, store, fake, "").Create(t.Context(), newToken(1, fake.Now()), Account{ID: "account"})
		if err != nil {
			t.Fatal(err)
		}
		asBefore(t, before.owner, before)
		here, there := openAt(t, store, fake, "https://a.example.com/spotify"), openAt(t, store, fake, "https://b.example.com/spotify")
		late := there.newSession(before.ID, Browser, before.Account, before.CreatedAt, before.authorizedAt.Load(), nil)
		there.tokens.InitAuthenticator(&late.Auth, before.Auth.Current(), late)
		if _, err := here.Get(t.Context(), before.ID.Cookie()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := there.Get(t.Context(), before.ID.Cookie()); !errors.Is(err, ErrNone) {
			t.Errorf("at the other site: %v", err)
		}
		// The other site cannot take it back or end it by what it has in memory.
		if _, err := late.Save(t.Context(), before.Auth.Current(), newToken(2, fake.Now())); !errors.Is(err, pkce.ErrGone) {
			t.Errorf("a save at the other site: %v", err)
		}
		if err := late.Delete(t.Context(), before.Auth.Current()); err != nil {
			t.Errorf("the end of the grant at the other site: %v", err)
		}
		here.Cache.remove(before.ID, Browser)
		if _, err := here.Get(t.Context(), before.ID.Cookie()); err != nil {
			t.Errorf("where it was used first: %v", err)
		}
	})
}
