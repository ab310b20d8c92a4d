package caddyspotify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// administrator calls the admin API and keeps what it says.
type administrator struct {
	t    testing.TB
	addr string
	said bytes.Buffer
}

func (a *administrator) call(method, path string, status int, into any) *http.Response {
	a.t.Helper()
	req, err := http.NewRequest(method, "http://"+a.addr+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	fmt.Fprintf(&a.said, "%s %s: %d %v %s\n", method, path, res.StatusCode, res.Header, body)
	if res.StatusCode != status {
		a.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, body, status)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			a.t.Fatalf("%s %s: %v: %s", method, path, err, body)
		}
	}
	return res
}

type adminList struct {
	Sessions []struct {
		Session, Account, Store, Site string
		CreatedAt                     time.Time `json:"created_at"`
		AuthorizedAt                  time.Time `json:"authorized_at"`
		ExpiresAt                     time.Time `json:"expires_at"`
	}
	Total      int
	NextCursor string `json:"next_cursor"`
}

// bulk puts sessions into a Redis store that no cookie leads to.
func bulk(t testing.TB, addr string, n int) (keys []string) {
	t.Helper()
	provider := &redis.Provider{Addresses: []string{addr}}
	if err := provider.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	store, err := provider.Store()
	if err != nil {
		t.Fatal(err)
	}
	defer store.(io.Closer).Close()
	now := time.Now()
	for i := range n {
		key := tokenstore.NewSessionID().Key("bulk")
		rec := &tokenstore.Record{Sealed: []byte("sealed"), Meta: tokenstore.Meta{
			AccountID: fmt.Sprintf("bulk/%d", i%10), CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Hour),
		}}
		if err := store.Create(t.Context(), key, rec); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// O52, P44: an operator of a thousand sessions lists them, refreshes one, ends
// one and ends all of an account, and sees no secret.
func TestAdminAPI(t *testing.T) {
	server := redistest.Start(t)
	a := &administrator{t: t, addr: freeport.Address(t)}
	options, events := record(t, t.Name())
	s := start(t, startOptions{global: "admin " + a.addr + "\n" + options, auth: "store redis " + server.Addr})
	keys := bulk(t, server.Addr, 996)
	var browsers []*browser
	for _, user := range []string{"mira", "mira", "mira", "jonas"} {
		b := s.newBrowser()
		b.login(user)
		next(t, events, "spotify.login", "scopes")
		browsers = append(browsers, b)
	}

	// All of them, a page at a time.
	var all []string
	hers := map[string][]string{}
	for cursor, pages := "", 1; ; pages++ {
		var list adminList
		a.call("GET", "/spotify/sessions?limit=300&cursor="+cursor, http.StatusOK, &list)
		if list.Total != 1000 {
			t.Fatalf("page %d says there are %d sessions", pages, list.Total)
		}
		for _, l := range list.Sessions {
			all = append(all, l.Session)
			hers[l.Account] = append(hers[l.Account], l.Session)
			if inMemory := !strings.HasPrefix(l.Account, "bulk/"); inMemory != (l.Site != "") || l.Store != "redis" || l.ExpiresAt.IsZero() || l.CreatedAt.IsZero() || l.AuthorizedAt.IsZero() {
				t.Fatalf("listed: %+v", l)
			}
		}
		if cursor = list.NextCursor; cursor == "" {
			if pages != 4 {
				t.Errorf("there are %d pages", pages)
			}
			break
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != 1000 {
		t.Fatalf("%d sessions listed", len(all))
	}
	mira, jonas := browsers[0].session().Account.ID, browsers[3].session().Account.ID
	if len(hers[mira]) != 3 || len(hers[jonas]) != 1 || len(hers["bulk/7"]) < 99 {
		t.Fatalf("of mira %d, of jonas %d, of bulk/7 %d", len(hers[mira]), len(hers[jonas]), len(hers["bulk/7"]))
	}
	var list adminList
	a.call("GET", "/spotify/sessions?account="+url.QueryEscape(mira), http.StatusOK, &list)
	if list.Total != 3 || len(list.Sessions) != 3 {
		t.Errorf("mira's sessions: %+v", list)
	}

	// The smallest pages miss none either.
	var paged []string
	for cursor := ""; ; {
		list = adminList{}
		a.call("GET", "/spotify/sessions?limit=3&account=bulk%2F8&cursor="+cursor, http.StatusOK, &list)
		for _, l := range list.Sessions {
			paged = append(paged, l.Session)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(paged, hers["bulk/8"]) {
		t.Errorf("%d sessions in pages of three, %d in pages of 300", len(paged), len(hers["bulk/8"]))
	}

	// A refresh on demand.
	before := s.sim.Refreshes()
	var refreshed struct{ Session, Account string }
	a.call("POST", "/spotify/sessions/"+hers[jonas][0]+"/refresh", http.StatusOK, &refreshed)
	if refreshed.Session != hers[jonas][0] || refreshed.Account != jonas || s.sim.Refreshes() != before+1 {
		t.Errorf("refreshed %+v, %d refreshes", refreshed, s.sim.Refreshes()-before)
	}
	next(t, events, "spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")
	a.call("POST", "/spotify/sessions/"+hers["bulk/0"][0]+"/refresh", http.StatusConflict, nil)
	a.call("POST", "/spotify/sessions/000000000000/refresh", http.StatusNotFound, nil)
	s.sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.ServerError, Times: 1})
	a.call("POST", "/spotify/sessions/"+hers[jonas][0]+"/refresh", http.StatusServiceUnavailable, nil)

	// The end of one, and of all that are hers.
	var ended struct{ Ended []string }
	a.call("DELETE", "/spotify/sessions/"+hers[jonas][0], http.StatusOK, &ended)
	if !slices.Equal(ended.Ended, hers[jonas]) {
		t.Errorf("ended %q, want %q", ended.Ended, hers[jonas])
	}
	if data := next(t, events, "spotify.session_ended", "reason"); data["reason"] != "administrator" || data["account"] != jonas {
		t.Errorf("told of %v", data)
	}
	browsers[3].wantStatus(browsers[3].fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	browsers[0].wantStatus(browsers[0].fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	a.call("DELETE", "/spotify/sessions/"+hers[jonas][0], http.StatusNotFound, nil)
	for _, account := range []string{mira, "bulk/7"} {
		a.call("DELETE", "/spotify/accounts/"+url.PathEscape(account)+"/sessions", http.StatusOK, &ended)
		if !slices.Equal(ended.Ended, hers[account]) {
			t.Errorf("%d of %s ended, want %d", len(ended.Ended), account, len(hers[account]))
		}
		for range hers[account] {
			if data := next(t, events, "spotify.session_ended", "reason"); data["account"] != account {
				t.Errorf("told of %v", data)
			}
		}
	}
	for _, b := range browsers {
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	}
	a.call("DELETE", "/spotify/accounts/nobody/sessions", http.StatusOK, &ended)
	if len(ended.Ended) != 0 {
		t.Errorf("nobody's sessions: %q", ended.Ended)
	}

	secrets := append(s.sim.TokensIssued(), keys...)
	for _, b := range browsers {
		secrets = append(secrets, b.sessionCookie())
	}
	for _, secret := range secrets {
		if strings.Contains(a.said.String(), secret) {
			t.Errorf("the admin API said the secret %s", secret)
		}
	}
}

func TestAdminAPIRefusals(t *testing.T) {
	a := &administrator{t: t, addr: freeport.Address(t)}
	start(t, startOptions{global: "admin " + a.addr})
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"POST", "/spotify/sessions", "GET", 405},
		{"GET", "/spotify/sessions/0123456789ab", "DELETE", 405},
		{"GET", "/spotify/sessions/0123456789ab/refresh", "POST", 405},
		{"POST", "/spotify/accounts/x/sessions", "DELETE", 405},
		{"DELETE", "/spotify/gate", "GET", 405},
		{"POST", "/spotify/health", "GET", 405},
		{"GET", "/spotify/", "", 404},
		{"GET", "/spotify/nothing", "", 404},
		{"GET", "/spotify/sessions/0123456789ab/else", "", 404},
		{"DELETE", "/spotify/sessions/", "", 400},
		{"DELETE", "/spotify/sessions/0123456789AB", "", 400},
		{"DELETE", "/spotify/sessions/" + strings.Repeat("0", 64), "", 400},
		{"POST", "/spotify/sessions/x/refresh", "", 400},
		{"GET", "/spotify/sessions?limit=0", "", 400},
		{"GET", "/spotify/sessions?limit=1001", "", 400},
		{"GET", "/spotify/sessions?cursor=../..", "", 400},
		{"GET", "/spotify/sessions?acount=x", "", 400},
		{"DELETE", "/spotify/sessions/0123456789ab", "", 404},
	} {
		var said struct{ Error string }
		res := a.call(c.method, c.path, c.status, &said)
		if said.Error == "" || res.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q, error %q", c.method, c.path, res.Header.Get("Allow"), said.Error)
		}
	}
}

func TestAdminGateAndHealth(t *testing.T) {
	server := redistest.Start(t)
	a := &administrator{t: t, addr: freeport.Address(t)}
	s := start(t, startOptions{
		global: "admin " + a.addr,
		auth:   "store redis " + server.Addr + " {\ntimeout 500ms\ndial_timeout 500ms\n}",
		site:   withMetrics,
	})
	b := s.newBrowser()
	b.login("")
	type gates struct {
		Gates []struct {
			ClientID string `json:"client_id"`
			Closed   bool
			Until    time.Time
			Reason   string
		}
	}
	var gate gates
	a.call("GET", "/spotify/gate", http.StatusOK, &gate)
	if len(gate.Gates) != 1 || gate.Gates[0].ClientID != testClientID || gate.Gates[0].Closed {
		t.Errorf("gate: %+v", gate)
	}
	if got := s.metric("gate_closed"); got != 0 {
		t.Errorf("gate_closed is %v", got)
	}
	s.sim.Inject(spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: time.Minute, Times: 1})
	for range 3 {
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	}
	gate = gates{}
	a.call("GET", "/spotify/gate", http.StatusOK, &gate)
	if g := gate.Gates[0]; !g.Closed || g.Reason != "rate_limited" || time.Until(g.Until) < 30*time.Second {
		t.Errorf("gate: %+v", gate)
	}
	if closed, opens := s.metric("gate_closed"), s.metric("gate_opens_timestamp_seconds"); closed != 1 || opens < float64(time.Now().Unix()) {
		t.Errorf("gate_closed is %v, opens at %v", closed, opens)
	}
	if seen, answered := s.metric("rate_limited_total", `by="spotify"`), s.metric("rate_limited_total", `by="proxy"`); seen != 1 || answered != 2 {
		t.Errorf("429 by Spotify %v, by the proxy %v", seen, answered)
	}

	var health struct {
		Ready  bool
		Stores []struct {
			Store, Error string
			Ready        bool
		}
		Sites []struct {
			Site           string
			SessionsCached int `json:"sessions_cached"`
		}
	}
	a.call("GET", "/spotify/health", http.StatusOK, &health)
	if !health.Ready || len(health.Stores) != 1 || health.Stores[0].Store != "redis" || len(health.Sites) != 1 || health.Sites[0].SessionsCached != 1 {
		t.Errorf("health: %+v", health)
	}
	server.Stop()
	for health.Ready { // it answered less than a second ago
		res, err := http.Get("http://" + a.addr + "/spotify/health")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	a.call("GET", "/spotify/health", http.StatusServiceUnavailable, &health)
	if health.Stores[0].Ready || health.Stores[0].Error == "" {
		t.Errorf("health: %+v", health)
	}
	a.call("GET", "/spotify/sessions", http.StatusServiceUnavailable, nil)
	a.call("DELETE", "/spotify/accounts/x/sessions", http.StatusServiceUnavailable, nil)
}

// O52: what one instance's operator ends has ended on the other.
func TestAdminEndsSessionsOnEveryInstance(t *testing.T) {
	server := redistest.Start(t)
	a := &administrator{t: t, addr: freeport.Address(t)}
	s := start(t, startOptions{global: "admin " + a.addr, auth: "store redis " + server.Addr})
	other := "http://" + freeport.Address(t)
	config := strings.NewReplacer(
		s.origin+" {", other+" {",
		"output spotifytest_buffer "+s.logs.name, "output stderr",
		"admin "+a.addr, "",
		s.bind, "",
	).Replace(s.caddyfile(""))
	startCaddy(t, config)

	var browsers []*browser
	for range 3 {
		b := s.newBrowser()
		b.login("mira")
		for _, instance := range []string{s.origin, other} {
			b.wantStatus(b.fetch("GET", instance+"/spotify/v1/me", ""), http.StatusOK)
		}
		browsers = append(browsers, b)
	}
	var ended struct{ Ended []string }
	a.call("DELETE", "/spotify/accounts/"+browsers[0].session().Account.ID+"/sessions", http.StatusOK, &ended)
	if len(ended.Ended) != 3 {
		t.Errorf("ended %q", ended.Ended)
	}
	for _, b := range browsers {
		b.wantStatus(b.fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
		// The news is under way when the store has said that all is done.
		for b.fetch("GET", other+"/spotify/v1/me", "").StatusCode == http.StatusOK {
		}
		b.wantStatus(b.fetch("GET", other+"/spotify/v1/me", ""), http.StatusUnauthorized)
	}
}
