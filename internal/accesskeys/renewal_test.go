package accesskeys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// grants is a token endpoint that rotates refresh tokens and ends a grant of which an old
// one is used. A refresh token is the grant's name and a number.
type grants struct {
	mu     sync.Mutex
	next   map[string]int // -1 for one that has ended
	redeem map[string]int
	down   bool
}

func newGrants(t *testing.T) (*grants, string) {
	g := &grants{next: map[string]int{"old": 0, "new": 0}, redeem: make(map[string]int)}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, server.URL
}

func (g *grants) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name, n, _ := strings.Cut(r.FormValue("refresh_token"), "-")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case g.down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case fmt.Sprint(g.next[name]) != n:
		g.next[name] = -1
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	g.redeem[name]++
	g.next[name]++
	fmt.Fprintf(w, `{"access_token":"%s-access-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"%s-%d"}`, name, g.next[name], name, g.next[name])
}

// first returns the token that a consent led to.
func first(grant string, now time.Time) *pkce.Token {
	return pkce.NewToken(pkce.TokenFields{
		AccessToken: grant + "-access-0", RefreshToken: grant + "-0", Scope: "user-read-private", Lifetime: time.Hour, Expiry: now.Add(time.Hour),
	})
}

const life = 20 * time.Hour

func (k *Keys) newRenewableKey(t *testing.T) *session.Session {
	t.Helper()
	now := k.site.Clock.Now()
	s, err := k.create(t.Context(), first("old", now), session.Account{ID: "account"}, &session.KeyTerms{
		Name: "key", ExpiresAt: now.Add(life).Unix(), Life: int64(life / time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// grantOf returns which grant a key uses, after a request that needs a fresh token.
func (k *Keys) grantOf(t *testing.T, id tokenstore.SessionID) string {
	t.Helper()
	s, err := k.site.Sessions.GetKey(t.Context(), id, k.site.Clock.Now().Unix(), k)
	if err != nil {
		t.Fatalf("the key: %v", err)
	}
	token, err := s.Auth.Token(t.Context())
	if err != nil {
		t.Fatalf("its token: %v", err)
	}
	grant, _, _ := strings.Cut(token.AccessToken(), "-")
	return grant
}

func (k *Keys) entry(t *testing.T) indexedKey {
	t.Helper()
	index, _, _, err := k.lists.Load(t.Context(), "account")
	if err != nil || len(index.Keys) != 1 {
		t.Fatalf("%+v, %v", index, err)
	}
	return index.Keys[0]
}

// errKilled is what a process sees of its store that has been killed.
var errKilled = errors.New("killed")

// mortal is the store of a process that is killed at one of its writes, before or after.
type mortal struct {
	tokenstore.Store
	mu     sync.Mutex
	armed  bool
	writes int
	at     int // 0 for never
	after  bool
	dead   bool
}

func (m *mortal) write(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	if m.armed {
		m.writes++
	}
	if !m.armed || m.writes != m.at {
		return do()
	}
	m.dead = true
	if m.after {
		_ = do()
	}
	return errKilled
}

func (m *mortal) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errKilled
	}
	return m.Store.Load(ctx, key)
}

func (m *mortal) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	return m.write(func() error { return m.Store.Create(ctx, key, rec) })
}

func (m *mortal) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	return m.write(func() error { return m.Store.Update(ctx, key, rec) })
}

func (m *mortal) Delete(ctx context.Context, key string) error {
	return m.write(func() error { return m.Store.Delete(ctx, key) })
}

// E01: a process that is killed at any write of a renewal leaves a key that works, with
// the grant before or with the new one, and what was left unfinished is finished.
func TestRenewalSurvivesAKill(t *testing.T) {
	for name, later := range map[string]time.Duration{"at once": 0, "after the access tokens have expired": 2 * time.Hour, "after the key has expired": life/2 + time.Hour} {
		t.Run(name, func(t *testing.T) {
			writes := 0
			for at := 0; at == 0 || at <= writes; at++ {
				for _, after := range []bool{false, true} {
					if at == 0 && after {
						continue
					}
					t.Run(fmt.Sprintf("write %d, done %t", at, after), func(t *testing.T) {
						fake := fakeclock.New(time.Now())
						fake.Install(t)
						endpoint, url := newGrants(t)
						store := memory.New(memory.Config{Now: fake.Now})
						dying := &mortal{Store: store, at: at, after: after}
						before := newInstance(t, dying, fake, t.Name()+" before", url)
						s := before.newRenewableKey(t)
						fake.Advance(life / 2)
						dying.armed = true
						_, renewErr := before.renew(t.Context(), first("new", fake.Now()), "account", s.Ref())
						fake.Advance(later)
						_, _ = before.site.Sessions.GetKey(t.Context(), s.ID, fake.Now().Unix(), before)
						if at == 0 {
							if writes = dying.writes; writes != 3 {
								t.Errorf("%d writes, want the list, the record and the list", writes)
							}
						} else if !dying.dead {
							t.Fatal("it was not killed")
						}

						there := newInstance(t, store, fake, t.Name()+" after", url)
						entry := there.entry(t)
						published := entry.Waiting != nil || entry.Generation > 0
						if renewErr == nil && !published {
							t.Error("the owner was told of a renewal that is lost")
						}
						_, err := there.site.Sessions.GetKey(t.Context(), s.ID, fake.Now().Unix(), there)
						lost := endpoint.next["new"] < 0 // it was refreshed and that was not saved
						switch expired := later > life/2; {
						case expired && (!published || lost):
							if !errors.Is(err, session.ErrExpired) {
								t.Errorf("the key: %v, want ErrExpired", err)
							}
							return
						case err != nil:
							t.Fatal(err)
						}
						want := "old"
						if published && !lost {
							want = "new"
						}
						if got := there.grantOf(t, s.ID); got != want {
							t.Errorf("the key uses the %s grant, want the %s one", got, want)
						}
						entry = there.entry(t)
						if entry.Waiting != nil || entry.Failed != lost || (entry.Generation > 0) != (want == "new") {
							t.Errorf("listed: %+v", entry)
						}
						if at == 2 && !after && later > 0 && !lost {
							t.Error("this is the step at which a refreshed grant is lost")
						}
						fake.Advance(2 * time.Hour)
						if got := there.grantOf(t, s.ID); got != want {
							t.Errorf("later the key uses the %s grant, want the %s one", got, want)
						}
					})
				}
			}
		})
	}
}

// E01: a grant that was refreshed is kept while the store cannot be written.
func TestRefreshedRenewalOutlivesAnOutage(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	endpoint, url := newGrants(t)
	store := &mortal{Store: memory.New(memory.Config{Now: fake.Now}), at: 2}
	k := newInstance(t, store, fake, t.Name(), url)
	s := k.newRenewableKey(t)
	store.armed = true
	if _, err := k.renew(t.Context(), first("new", fake.Now()), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	fake.Advance(2 * time.Hour)
	if _, err := k.site.Sessions.GetKey(t.Context(), s.ID, fake.Now().Unix(), k); err != nil {
		t.Error(err)
	}
	store.mu.Lock()
	store.dead = false
	store.mu.Unlock()
	if got := k.grantOf(t, s.ID); got != "old" {
		t.Errorf("the key uses the %s grant at once", got)
	}
	fake.Advance(time.Minute)
	k.grantOf(t, s.ID)
	fake.Advance(2 * time.Hour)
	if got := k.grantOf(t, s.ID); got != "new" || endpoint.next["new"] < 0 || k.entry(t).Generation == 0 {
		t.Errorf("the key uses the %s grant: %+v", got, endpoint.next)
	}
}

// E01: Spotify out of reach, or a new grant that has ended: the key keeps the one it has.
func TestRenewalThatDoesNotWork(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	endpoint, url := newGrants(t)
	k := newInstance(t, memory.New(memory.Config{Now: fake.Now}), fake, t.Name(), url)
	s := k.newRenewableKey(t)
	if _, err := k.renew(t.Context(), first("new", fake.Now().Add(-2*time.Hour)), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	endpoint.mu.Lock()
	endpoint.down = true
	endpoint.mu.Unlock()
	if got := k.grantOf(t, s.ID); got != "old" || k.entry(t).Waiting == nil {
		t.Errorf("the key uses the %s grant: %+v", got, k.entry(t))
	}
	endpoint.mu.Lock()
	endpoint.down, endpoint.next["new"] = false, -1
	endpoint.mu.Unlock()
	if k.grantOf(t, s.ID); k.entry(t).Waiting == nil {
		t.Error("it was tried again at once")
	}
	fake.Advance(30 * time.Second)
	if got := k.grantOf(t, s.ID); got != "old" || k.entry(t).Waiting != nil || !k.entry(t).Failed {
		t.Errorf("the key uses the %s grant: %+v", got, k.entry(t))
	}
	// Another renewal takes its place, and a second one that of the first.
	for range 2 {
		if _, err := k.renew(t.Context(), pkce.NewToken(pkce.TokenFields{AccessToken: "third", RefreshToken: "third-0", Expiry: fake.Now().Add(2 * time.Hour), Lifetime: 2 * time.Hour}), "account", s.Ref()); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.grantOf(t, s.ID); got != "third" || k.entry(t).Failed || k.entry(t).Waiting != nil {
		t.Errorf("the key uses the %s grant: %+v", got, k.entry(t))
	}
}

// E01: of two instances that have the key in memory one takes the renewal, and the other
// goes on with it.
func TestRenewalOnTwoInstances(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	endpoint, url := newGrants(t)
	store := memory.New(memory.Config{Now: fake.Now})
	instances := []*Keys{newInstance(t, untold{store}, fake, t.Name()+" one", url), newInstance(t, untold{store}, fake, t.Name()+" two", url)}
	s := instances[0].newRenewableKey(t)
	for _, k := range instances {
		if got := k.grantOf(t, s.ID); got != "old" {
			t.Fatalf("the %s grant", got)
		}
	}
	if _, err := instances[0].renew(t.Context(), first("new", fake.Now()), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	fake.Advance(2 * time.Hour)
	var wg sync.WaitGroup
	for _, k := range instances {
		for range 4 {
			wg.Go(func() {
				s, err := k.site.Sessions.GetKey(t.Context(), s.ID, fake.Now().Unix(), k)
				if err != nil {
					t.Error(err)
					return
				}
				if token, err := s.Auth.Token(t.Context()); err != nil || !strings.HasPrefix(token.AccessToken(), "new-") {
					t.Errorf("%v, %v", token, err)
				}
			})
		}
	}
	wg.Wait()
	for _, k := range instances {
		got, err := k.site.Sessions.GetKey(t.Context(), s.ID, fake.Now().Unix(), k)
		if err != nil || got.Terms().ExpiresAt != k.entry(t).ExpiresAt.Unix() || got.Terms().Generation == 0 {
			t.Errorf("terms: %+v, %v", got.Terms(), err)
		}
	}
	if endpoint.redeem["new"] != 1 || endpoint.redeem["old"] != 0 {
		t.Errorf("redeemed: %v", endpoint.redeem)
	}
}
