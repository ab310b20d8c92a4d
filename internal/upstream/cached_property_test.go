package upstream

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// player is a Web API with one value, which PUT counts up. It takes some time until
// it acts and some until it responds.
type player struct {
	rng     *rand.Rand
	mu      sync.Mutex
	version int
	gets    int
}

func (p *player) pause() {
	p.mu.Lock()
	d := time.Duration(p.rng.IntN(20)) * time.Millisecond
	p.mu.Unlock()
	time.Sleep(d)
}

func (p *player) RoundTrip(req *http.Request) (*http.Response, error) {
	p.pause()
	p.mu.Lock()
	if req.Method == http.MethodPut {
		p.version++
	} else {
		p.gets++
	}
	body := strconv.Itoa(p.version)
	p.mu.Unlock()
	p.pause()
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{"Content-Type": {"application/json"}},
		Body: &slowly{p, strings.NewReader(body)}, ContentLength: int64(len(body)), Request: req,
	}, nil
}

// slowly is a body that takes its time.
type slowly struct {
	p *player
	*strings.Reader
}

func (s *slowly) Read(b []byte) (int, error) { s.p.pause(); return s.Reader.Read(b) }
func (s *slowly) Close() error               { return nil }

// keyOfAccount is a session that no manager has.
func keyOfAccount(id string) *session.Session {
	m := &session.Manager{Clock: pkce.SystemClock{}}
	return m.NewKey(session.Account{ID: id}, &session.KeyTerms{ExpiresAt: time.Now().Add(30 * 24 * time.Hour).Unix()})
}

// asAccount sends a request as that of an account, and returns the body.
func asAccount(ctx context.Context, t *Transport, site *Site, auth *pkce.Authenticator, method, account string) (string, error) {
	ex := &Exchange{Context: ctx, Auth: auth, Site: site, Policy: visitor{}, Header: http.Header{}}
	ex.Session = keyOfAccount(account)
	req, err := http.NewRequestWithContext(ex, method, "https://api.spotify.com/v1/me/player", nil)
	if err != nil {
		return "", err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// Q05, Q06: whatever the interleaving, with callers that hang up, a GET that begins
// after a PUT of its account has its response says at least what the PUT did, be it
// joined, kept or asked for.
func TestGetAfterPutIsNeverOlder(t *testing.T) {
	for _, rule := range []cache.Rule{{}, {For: 30 * time.Millisecond, Paths: []string{"/v1/me/player"}}, {For: time.Minute, Paths: []string{"/v1/me/player"}}} {
		for seed := range uint64(60) {
			t.Run(fmt.Sprint(rule.For, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { interleave(t, rule, seed) })
			})
		}
	}
}

func interleave(t *testing.T, rule cache.Rule, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))               //nolint:gosec // not for security
	api := &player{rng: rand.New(rand.NewPCG(seed, 2))} //nolint:gosec // nor this
	origin, err := ParseOrigin("https://api.spotify.com")
	if err != nil {
		t.Fatal(err)
	}
	clock := pkce.SystemClock{}
	transport := New(Options{Next: api, API: origin, Logger: zap.NewNop(), Clock: clock})
	var rules []cache.Rule
	if rule.For > 0 {
		rules = append(rules, rule)
	}
	site := &Site{
		Links: NewLinkRewriter("https://api.spotify.com", "http://127.0.0.1:8080", "/spotify"), Gate: ratelimit.New(clock),
		LoginFor: func([]string) string { return "" },
		Cache:    cache.New(cache.NewAccounts(), cache.Options{Rules: rules, Size: 1 << 20, Clock: clock}),
	}
	defer site.Cache.Close()
	auth := (&pkce.Config{ClientID: "client"}).NewAuthenticator(pkce.NewToken(pkce.TokenFields{
		AccessToken: "token", RefreshToken: "refresh", Lifetime: time.Hour, Expiry: time.Now().Add(time.Hour),
	}), nil)

	var mu sync.Mutex
	seen := 0 // by a PUT whose response is there
	asked := 0
	var running sync.WaitGroup
	for range 60 {
		put, wait := rng.IntN(5) == 0, time.Duration(rng.IntN(15))*time.Millisecond
		patience := time.Hour
		if rng.IntN(4) == 0 {
			patience = time.Duration(rng.IntN(40)+1) * time.Millisecond
		}
		time.Sleep(wait)
		running.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			method := http.MethodGet
			if put {
				method = http.MethodPut
			}
			mu.Lock()
			least := seen
			asked++
			mu.Unlock()
			body, err := asAccount(ctx, transport, site, auth, method, "mira")
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("%s: %v", method, err)
				}
				return
			}
			got, err := strconv.Atoi(body)
			if err != nil {
				t.Errorf("%s: %v", method, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got < least {
				t.Errorf("%s says %d after a PUT that made it %d", method, got, least)
			}
			if put {
				seen = max(seen, got)
			}
		})
	}
	running.Wait()
	if api.gets >= asked {
		t.Errorf("%d requests reached Spotify for %d", api.gets, asked)
	}
	time.Sleep(2 * time.Minute) // what is kept goes
	synctest.Wait()
	if n := site.Cache.Accounts().Waiting(); n != 0 {
		t.Errorf("%d are still waiting", n)
	}
}
