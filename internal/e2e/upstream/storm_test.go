package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// storm is many more requests than Spotify allows. Nobody in it cares for
// Retry-After.
type storm struct {
	t        *testing.T
	clock    *fakeclock.Clock
	sessions int
	conns    int
}

// tally is what became of requests.
type tally struct {
	served, refused, here int   // here: answered by the proxy itself
	bySession             []int // served
}

// session returns whose a connection is. Session 0 has all those that the
// others, with two each, leave over.
func (s *storm) session(conn int) int {
	if conn/2 < s.sessions {
		return conn / 2
	}
	return 0
}

// rage has every connection send a request each second, all at once, for some
// seconds of the clock.
func (s *storm) rage(seconds int, request func(session int) *http.Request) tally {
	s.t.Helper()
	total := tally{bySession: make([]int, s.sessions)}
	transport := &http.Transport{MaxIdleConnsPerHost: s.conns}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var mu sync.Mutex
	send := func(session int) {
		res, err := client.Do(request(session))
		if err != nil {
			s.t.Error(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case res.StatusCode == http.StatusOK:
			total.served++
			total.bySession[session]++
			return
		case res.StatusCode != http.StatusTooManyRequests:
			s.t.Errorf("status %d: %s", res.StatusCode, body)
			return
		case strings.Contains(string(body), `"reason"`):
			total.here++
		default:
			total.refused++
		}
		if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || after < 1 {
			s.t.Errorf("a 429 with Retry-After %q", res.Header.Get("Retry-After"))
		}
	}
	for range seconds {
		var wg sync.WaitGroup
		for conn := range s.conns {
			wg.Go(func() { send(s.session(conn)) })
		}
		wg.Wait()
		s.clock.Advance(time.Second)
	}
	return total
}

// busiest returns the most requests that Spotify saw in any of its windows.
func busiest(requests []spotifytest.Request) int {
	most, first := 0, 0
	for i, r := range requests {
		for r.At.Sub(requests[first].At) >= 30*time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Twenty sessions ask for twice what Spotify allows in its window of 30 seconds,
// over 64 connections, one session for a quarter of it. Without the gate Spotify
// sees it all.
func TestStorm(t *testing.T) {
	const limit = 1000
	s := &storm{t: t, clock: fakeclock.New(time.Now()), sessions: 20, conns: 64}
	s.clock.Install(t)
	users := make([]spotifytest.User, s.sessions)
	for i := range users {
		id := fmt.Sprintf("user%02d", i)
		users[i] = spotifytest.User{ID: id, AccountID: "account" + id, DisplayName: id, Product: "premium", Country: "DE"}
	}
	site := proxytest.Start(t, proxytest.Options{
		Sim:   spotifytest.Options{Users: users, Now: s.clock.Now, RecordLimit: 1 << 20},
		Auth:  "store memory",
		Level: "WARN",
	})
	cookies, tokens := make([]string, s.sessions), make([]string, s.sessions)
	for i := range users {
		b := site.NewBrowser()
		site.Sim.ForgetRequests()
		b.Login(users[i].ID)
		cookies[i] = "spotify_session=" + b.SessionCookie()
		// The session's token is the one with which the login asked whose it is.
		asked := site.Sim.RequestsTo("/v1/me")
		if len(asked) != 1 {
			t.Fatalf("a login asked %d times whose it is", len(asked))
		}
		bearer, _ := strings.CutPrefix(asked[0].Header.Get("Authorization"), "Bearer ")
		if !slices.Contains(site.Sim.TokensIssued(), bearer) {
			t.Fatal("the login had a token that Spotify has not issued")
		}
		tokens[i] = bearer
	}
	get := func(url, name, value string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Error(err)
			return nil
		}
		req.Header.Set(name, value)
		return req
	}
	proxied := func(session int) *http.Request { return get(site.Origin+"/spotify/v1/me", "Cookie", cookies[session]) }
	direct := func(session int) *http.Request {
		return get(site.Sim.APIURL+"/v1/me", "Authorization", "Bearer "+tokens[session])
	}
	run := func(what string, seconds int, request func(int) *http.Request) (got tally, most int) {
		site.Sim.SetRateLimit(limit)
		site.Sim.ForgetRequests()
		got = s.rage(seconds, request)
		seen := site.Sim.RequestsTo("/v1/me")
		most = busiest(seen)
		slices.Sort(got.bySession[1:])
		t.Logf("%s, %d s: %d requests served (the greedy session %d, the others %d to %d), %d refused by Spotify, %d answered here; Spotify saw %d, in its busiest window %d of %d allowed",
			what, seconds, got.served, got.bySession[0], got.bySession[1], got.bySession[s.sessions-1], got.refused, got.here, len(seen), most, limit)
		return got, most
	}

	if without, most := run("without the gate", 31, direct); without.refused == 0 || most < limit*3/2 {
		t.Error("it is no storm")
	}
	with, most := run("with the gate", 65, proxied)
	// Those under way when the first 429 comes are as many as there are
	// connections, at the very most.
	if most > limit+s.conns {
		t.Errorf("Spotify saw %d requests in a window, of %d allowed", most, limit)
	}
	// The time is that of two windows.
	if least, fair := with.bySession[1], 2*limit/s.sessions; least < fair*6/10 {
		t.Errorf("somebody starved, with %d requests served; a fair share is %d", least, fair)
	}
	if with.served < 2*limit*8/10 {
		t.Errorf("%d requests served, of %d allowed", with.served, 2*limit)
	}

	// After a window of calm everything flows.
	s.clock.Advance(31 * time.Second)
	if after, _ := run("after the storm", 5, proxied); after.refused > 0 || after.here > 0 {
		t.Errorf("%d requests refused by Spotify, %d answered here", after.refused, after.here)
	}
}
