package session_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// together runs n fetches at once and returns how many ended with each status.
func together(b *proxytest.Browser, n int, method, target, body string) map[int]int {
	b.T.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := make(map[int]int)
	gate := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-gate
			req, err := http.NewRequest(method, b.Origin+target, strings.NewReader(body))
			if err != nil {
				b.T.Error(err)
				return
			}
			req.Header.Set("Sec-Fetch-Site", "same-origin")
			resp, err := b.Client.Do(req)
			if err != nil {
				b.T.Error(err)
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			count[resp.StatusCode]++
		})
	}
	close(gate)
	wg.Wait()
	return count
}

// R27: a hundred requests at expiry, against the strictest server there is.
func TestHundredRequestsOneRefresh(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.NewBrowser()
	b.Login("")
	for round := 1; round <= 3; round++ {
		fake.Advance(2 * time.Hour)
		s.Sim.Advance(2 * time.Hour)
		if got := together(b, 100, "GET", "/spotify/v1/me", ""); got[200] != 100 {
			t.Errorf("round %d: statuses %v", round, got)
		}
		if got := s.Sim.Refreshes(); got != round {
			t.Errorf("round %d: %d refreshes", round, got)
		}
	}
	if n := s.Sim.RefreshesRefused(); n != 0 {
		t.Errorf("%d refreshes were refused", n)
	}
}

// R39: the same when the API is the first to say that the token is no good.
func TestHundredRejectionsOneRefresh(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ExpireAccessTokens()
	if got := together(b, 100, "GET", "/spotify/v1/me", ""); got[200] != 100 {
		t.Errorf("statuses %v", got)
	}
	if got := s.Sim.Refreshes(); got != 1 {
		t.Errorf("%d refreshes", got)
	}
}

// R39, P50
func TestReplayKeepsTheBody(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.ExpireAccessTokens()
	s.Sim.ForgetRequests()
	const body = `{"name":"Late night","public":false}`
	a := b.WantStatus(b.Fetch("POST", "/spotify/v1/me/playlists", body, proxytest.Header("Content-Type", "application/json")), http.StatusCreated)
	if !strings.Contains(a.Text, "Late night") {
		t.Errorf("playlist: %s", a.Text)
	}
	calls := s.Sim.RequestsTo("/v1/me/playlists")
	if len(calls) != 2 || calls[0].Status != 401 || calls[1].BodyLength != int64(len(body)) {
		t.Errorf("calls: %+v", calls)
	}
}

// R34
func TestOmittedRefreshTokenIsKept(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Rotation: spotifytest.RotateOmit}})
	b := s.NewBrowser()
	b.Login("")
	for range 3 {
		s.Sim.ExpireAccessTokens()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	}
	s.Restart()
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// R33
func TestRotatedTokenIsStored(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	b := s.NewBrowser()
	b.Login("")
	for range 3 {
		s.Sim.ExpireAccessTokens()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		s.Restart()
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if n := s.Sim.RefreshesRefused(); n != 0 {
		t.Errorf("%d refreshes were refused", n)
	}
}

// R35, R36, R37
func TestTokenEndpointFails(t *testing.T) {
	for name, fault := range map[string]spotifytest.Fault{
		"500":              {Status: 500, Body: "oops"},
		"503":              {Status: 503, RetryAfter: 30 * time.Second},
		"429":              {Status: 429, RetryAfter: 30 * time.Second},
		"garbage":          {Status: 200, Body: "<html>"},
		"cut":              {Cut: true},
		"invalid in a 500": {Status: 500, Body: `{"error":"invalid_grant"}`},
		"words only":       {Status: 400, Body: `invalid_grant`},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeclock.New(time.Now())
			fake.Install(t)
			s := proxytest.Start(t, proxytest.Options{})
			b := s.NewBrowser()
			b.Login("")
			fault.Path = "/api/token"
			s.Sim.Inject(fault)

			// Near its end, but still good: nobody notices.
			fake.Advance(time.Hour - 30*time.Second)
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

			// Past its end there is nothing to serve with, and the session stays.
			fake.Advance(30*time.Second + 2*time.Minute)
			a := b.Fetch("GET", "/spotify/v1/me", "")
			if e := b.WantStatus(a, http.StatusServiceUnavailable).APIError(t); e.Reason != "upstream_unavailable" {
				t.Errorf("error: %+v", e)
			}
			if a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
				t.Errorf("headers: %v", a.Header)
			}
			attempts := s.Sim.TokenRequests("refresh_token")
			together(b, 20, "GET", "/spotify/v1/me", "")
			if got := s.Sim.TokenRequests("refresh_token"); got != attempts {
				t.Errorf("%d more attempts while backing off", got-attempts)
			}

			s.Sim.ClearFaults()
			fake.Advance(10 * time.Minute)
			b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		})
	}
}

// R35
func TestRevokedGrantEndsTheSession(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	s.Sim.RevokeUser(s.Sim.Grants()[0].User)
	s.Sim.ExpireAccessTokens()
	a := b.Fetch("GET", "/spotify/v1/me", "")
	if e := b.WantStatus(a, http.StatusUnauthorized).APIError(t); e.Reason != "reauthorization_required" {
		t.Errorf("error: %+v", e)
	}
	if files := s.StoredSessions(); len(files) != 0 {
		t.Errorf("%d records left", len(files))
	}
	if b.Session().Authenticated {
		t.Error("still logged in")
	}
	// A moment after a login this could be a loop; later it is a new login.
	b.WantStatus(b.Navigate("/spotify/v1/me"), http.StatusUnauthorized)
	b.WantStatus(b.Navigate("/spotify/v1/me"), http.StatusFound)
}

// R36: a refresh ahead of expiry keeps nobody waiting.
func TestRefreshAhead(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	fake.Advance(56 * time.Minute)
	// The token endpoint hangs, and the answer comes all the same.
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	<-held.Entered()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	held.Release()
}
