package operation_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// O52, P44: an operator of a thousand sessions lists them, refreshes one, ends
// one and ends all of an account, and sees no secret.
func TestAdminAPI(t *testing.T) {
	server := redistest.Start(t)
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	options, events := proxytest.RecordEvents(t, t.Name())
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr + "\n" + options, Auth: "store redis " + server.Addr})
	keys := proxytest.StoreSessions(t, server.Addr, 996)
	var browsers []*proxytest.Browser
	for _, user := range []string{"mira", "mira", "mira", "jonas"} {
		b := s.NewBrowser()
		b.Login(user)
		proxytest.NextEvent(t, events, "spotify.login", "scopes")
		browsers = append(browsers, b)
	}

	// All of them, a page at a time.
	var all []string
	hers := map[string][]string{}
	for cursor, pages := "", 1; ; pages++ {
		var list proxytest.SessionList
		a.Call("GET", "/spotify/sessions?limit=300&cursor="+cursor, http.StatusOK, &list)
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
	mira, jonas := browsers[0].Session().Account.ID, browsers[3].Session().Account.ID
	if len(hers[mira]) != 3 || len(hers[jonas]) != 1 || len(hers["bulk/7"]) < 99 {
		t.Fatalf("of mira %d, of jonas %d, of bulk/7 %d", len(hers[mira]), len(hers[jonas]), len(hers["bulk/7"]))
	}
	var list proxytest.SessionList
	a.Call("GET", "/spotify/sessions?account="+url.QueryEscape(mira), http.StatusOK, &list)
	if list.Total != 3 || len(list.Sessions) != 3 {
		t.Errorf("mira's sessions: %+v", list)
	}

	// The smallest pages miss none either.
	var paged []string
	for cursor := ""; ; {
		list = proxytest.SessionList{}
		a.Call("GET", "/spotify/sessions?limit=3&account=bulk%2F8&cursor="+cursor, http.StatusOK, &list)
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
	before := s.Sim.Refreshes()
	var refreshed struct{ Session, Account string }
	a.Call("POST", "/spotify/sessions/"+hers[jonas][0]+"/refresh", http.StatusOK, &refreshed)
	if refreshed.Session != hers[jonas][0] || refreshed.Account != jonas || s.Sim.Refreshes() != before+1 {
		t.Errorf("refreshed %+v, %d refreshes", refreshed, s.Sim.Refreshes()-before)
	}
	proxytest.NextEvent(t, events, "spotify.token_refreshed", "expires_at", "duration_seconds", "background", "rotated")
	a.Call("POST", "/spotify/sessions/"+hers["bulk/0"][0]+"/refresh", http.StatusConflict, nil)
	a.Call("POST", "/spotify/sessions/000000000000/refresh", http.StatusNotFound, nil)
	s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.ServerError, Times: 1})
	a.Call("POST", "/spotify/sessions/"+hers[jonas][0]+"/refresh", http.StatusServiceUnavailable, nil)

	// The end of one, and of all that are hers.
	var ended struct{ Ended []string }
	a.Call("DELETE", "/spotify/sessions/"+hers[jonas][0], http.StatusOK, &ended)
	if !slices.Equal(ended.Ended, hers[jonas]) {
		t.Errorf("ended %q, want %q", ended.Ended, hers[jonas])
	}
	if data := proxytest.NextEvent(t, events, "spotify.session_ended", "reason"); data["reason"] != "administrator" || data["account"] != jonas {
		t.Errorf("told of %v", data)
	}
	browsers[3].WantStatus(browsers[3].Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	browsers[0].WantStatus(browsers[0].Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	a.Call("DELETE", "/spotify/sessions/"+hers[jonas][0], http.StatusNotFound, nil)
	for _, account := range []string{mira, "bulk/7"} {
		a.Call("DELETE", "/spotify/accounts/"+url.PathEscape(account)+"/sessions", http.StatusOK, &ended)
		if !slices.Equal(ended.Ended, hers[account]) {
			t.Errorf("%d of %s ended, want %d", len(ended.Ended), account, len(hers[account]))
		}
		for range hers[account] {
			if data := proxytest.NextEvent(t, events, "spotify.session_ended", "reason"); data["account"] != account {
				t.Errorf("told of %v", data)
			}
		}
	}
	for _, b := range browsers {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	}
	a.Call("DELETE", "/spotify/accounts/nobody/sessions", http.StatusOK, &ended)
	if len(ended.Ended) != 0 {
		t.Errorf("nobody's sessions: %q", ended.Ended)
	}

	secrets := append(s.Sim.TokensIssued(), keys...)
	for _, b := range browsers {
		secrets = append(secrets, b.SessionCookie())
	}
	for _, secret := range secrets {
		if strings.Contains(a.Said.String(), secret) {
			t.Errorf("the admin API said the secret %s", secret)
		}
	}
}

func TestAdminAPIRefusals(t *testing.T) {
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr})
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"POST", "/spotify/sessions", "GET", 405},
		{"GET", "/spotify/sessions/0123456789ab", "DELETE", 405},
		{"GET", "/spotify/sessions/0123456789ab/refresh", "POST", 405},
		{"POST", "/spotify/accounts/x/sessions", "DELETE", 405},
		{"DELETE", "/spotify/limits", "GET", 405},
		{"GET", "/spotify/limits/all", "DELETE", 405},
		{"DELETE", "/spotify/limits/", "", 400},
		{"DELETE", "/spotify/limits/all?client=x", "", 400},
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
		{"GET", "/spotify/sessions?due=soon", "", 400},
		{"GET", "/spotify/sessions?due=-1h", "", 400},
		{"DELETE", "/spotify/sessions/0123456789ab", "", 404},
	} {
		var said struct{ Error string }
		res := a.Call(c.method, c.path, c.status, &said)
		if said.Error == "" || res.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q, error %q", c.method, c.path, res.Header.Get("Allow"), said.Error)
		}
	}
}

func TestAdminLimitsAndHealth(t *testing.T) {
	server := redistest.Start(t)
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	s := proxytest.Start(t, proxytest.Options{
		Global: "admin " + a.Addr,
		Auth:   "store redis " + server.Addr + " {\ntimeout 500ms\ndial_timeout 500ms\n}",
		Site:   withMetrics,
	})
	b := s.NewBrowser()
	b.Login("")
	var list adminapi.Limits
	a.Call("GET", "/spotify/limits", http.StatusOK, &list)
	if list.Limits == nil || len(list.Limits) != 0 {
		t.Errorf("limits: %+v", list)
	}
	users := []string{`scope="operation"`, `family="users"`}
	if app, op := metric(s, "gate_closed"), metric(s, "limits_closed", users...); app != 0 || op != 0 {
		t.Errorf("gate_closed is %v, limits_closed %v", app, op)
	}
	s.Sim.Inject(spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: time.Minute, Times: 1})
	for range 3 {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	}
	a.Call("GET", "/spotify/limits", http.StatusOK, &list)
	if len(list.Limits) != 1 {
		t.Fatalf("limits: %+v", list)
	}
	if l := list.Limits[0]; l.ClientID != proxytest.ClientID || l.Scope != "operation" || l.Name != "GET /me" || l.Family != "users" ||
		l.Reason != "rate_limited" || time.Until(l.Until) < 30*time.Second || !l.NextProbe.Equal(l.Until) || time.Since(l.Since) > time.Minute {
		t.Errorf("limit: %+v", l)
	}
	if app, op := metric(s, "gate_closed"), metric(s, "limits_closed", users...); app != 0 || op != 1 {
		t.Errorf("gate_closed is %v, limits_closed %v", app, op)
	}
	if seen, answered := metric(s, "rate_limited_total", `by="spotify"`), metric(s, "rate_limited_total", `by="proxy"`); seen != 1 || answered != 2 {
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
	a.Call("GET", "/spotify/health", http.StatusOK, &health)
	if !health.Ready || len(health.Stores) != 1 || health.Stores[0].Store != "redis" || len(health.Sites) != 1 || health.Sites[0].SessionsCached != 1 {
		t.Errorf("health: %+v", health)
	}
	server.Stop()
	// It answered less than a second ago.
	proxytest.Eventually(t, "the store is not ready", func() bool {
		res, err := http.Get("http://" + a.Addr + "/spotify/health")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return !health.Ready
	})
	a.Call("GET", "/spotify/health", http.StatusServiceUnavailable, &health)
	if health.Stores[0].Ready || health.Stores[0].Error == "" {
		t.Errorf("health: %+v", health)
	}
	a.Call("GET", "/spotify/sessions", http.StatusServiceUnavailable, nil)
	a.Call("DELETE", "/spotify/accounts/x/sessions", http.StatusServiceUnavailable, nil)
}

// O52: what one instance's operator ends has ended on the other.
func TestAdminEndsSessionsOnEveryInstance(t *testing.T) {
	server := redistest.Start(t)
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr, Auth: "store redis " + server.Addr})
	other := "http://" + freeport.Address(t)
	config := strings.NewReplacer(
		s.Origin+" {", other+" {",
		"output spotifytest_buffer "+s.Log.Name, "output stderr",
		"admin "+a.Addr, "",
		s.Bind, "",
	).Replace(s.Caddyfile(""))
	proxytest.StartCaddy(t, config)

	var browsers []*proxytest.Browser
	for range 3 {
		b := s.NewBrowser()
		b.Login("mira")
		for _, instance := range []string{s.Origin, other} {
			b.WantStatus(b.Fetch("GET", instance+"/spotify/v1/me", ""), http.StatusOK)
		}
		browsers = append(browsers, b)
	}
	var ended struct{ Ended []string }
	a.Call("DELETE", "/spotify/accounts/"+browsers[0].Session().Account.ID+"/sessions", http.StatusOK, &ended)
	if len(ended.Ended) != 3 {
		t.Errorf("ended %q", ended.Ended)
	}
	for _, b := range browsers {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
		// The news is under way when the store has said that all is done.
		proxytest.Eventually(t, "the session ends on the other instance", func() bool {
			return b.Fetch("GET", other+"/spotify/v1/me", "").StatusCode != http.StatusOK
		})
		b.WantStatus(b.Fetch("GET", other+"/spotify/v1/me", ""), http.StatusUnauthorized)
	}
}
