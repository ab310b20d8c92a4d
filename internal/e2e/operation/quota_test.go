package operation_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Q03: over two rolling days, with tokens that expire, logins, access keys, reloads and
// restarts, what the admin API says agrees with what Spotify was sent, to the request.
func TestQuotaIsCounted(t *testing.T) {
	fake := fakeclock.New(time.Now().Truncate(time.Minute))
	fake.Install(t)
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	s := proxytest.Start(t, proxytest.Options{
		Sim: spotifytest.Options{RecordLimit: 10_000}, Global: "admin " + a.Addr, Auth: "access_keys",
	})
	b := s.NewBrowser()
	b.Login("mira")
	program := s.Program(b.CreateKey(proxytest.KeyForm("a", "life", "90d")))
	// The simulator's clock is not this one, so the hours are noted here.
	type sent struct {
		at  time.Time
		ops []string
	}
	var hours []sent
	note := func() {
		h := sent{at: fake.Now()}
		for _, r := range s.Sim.RequestsTo("/v1/") {
			op, _ := webapi.Bucket(r.Method, r.Path)
			h.ops = append(h.ops, op)
		}
		s.Sim.ForgetRequests()
		hours = append(hours, h)
	}
	check := func() {
		t.Helper()
		var all adminapi.Quotas
		a.Call("GET", "/spotify/quota", http.StatusOK, &all)
		if len(all.Apps) != 1 || all.Apps[0].Error != "" || all.Apps[0].ClientID != proxytest.ClientID {
			t.Fatalf("apps: %+v", all.Apps)
		}
		want, total := map[string]int{}, 0
		for _, h := range hours {
			if fake.Now().Sub(h.at) <= 24*time.Hour {
				for _, op := range h.ops {
					want[op]++
					total++
				}
			}
		}
		if all.Apps[0].Used != total || len(all.Apps[0].Operations) != len(want) {
			t.Fatalf("%s: %+v, Spotify was sent %d: %v", fake.Now(), all.Apps[0].Report, total, want)
		}
		callers := 0
		for _, op := range all.Apps[0].Operations {
			if op.Used != want[op.Name] {
				t.Errorf("%s: %d, Spotify was sent %d", op.Name, op.Used, want[op.Name])
			}
		}
		for _, c := range all.Apps[0].Callers {
			callers += c.Used
		}
		if callers != total {
			t.Errorf("callers have %d of %d", callers, total)
		}
	}
	note()
	for hour := range 50 {
		fake.Advance(time.Hour)
		s.Sim.Advance(time.Hour)
		b.Fetch("GET", "/spotify/v1/me/player", "")
		if hour%3 == 0 {
			program.WantStatus(program.Me(), http.StatusOK)
			b.Fetch("GET", "/spotify/v1/no/such/thing", "")
		}
		switch hour % 12 {
		case 5:
			s.Load("# reloaded " + strconv.Itoa(hour))
		case 7:
			b.Login("mira")
		case 9:
			s.Restart()
		}
		note()
		check()
	}
	stdout, stderr, code := proxytest.RunCaddy(t, "spotify", "quota", "--address", a.Addr)
	if code != 0 || stderr != "" {
		t.Fatalf("caddy spotify quota: exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{"App " + proxytest.ClientID + ": ", "requests in the last 24 hours", "OPERATION", "GET /me/player ", "CALLER", "account ", "key "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("caddy spotify quota does not say %q:\n%s", want, stdout)
		}
	}
}

// Q04: a budget refuses before Spotify does, with a reason and a time, and tells before
// that how it stands. What is refused here is not sent.
func TestQuotaBudget(t *testing.T) {
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr, Auth: "quota 20"})
	b := s.NewBrowser()
	b.Login("mira")
	first := b.WantStatus(b.Me(), http.StatusOK).Header.Get("Spotify-Proxy-Quota")
	if !strings.HasPrefix(first, "limit=20, remaining=") {
		t.Errorf("the header says %q", first)
	}
	served := 1
	for ; served < 30; served++ {
		if b.Me().StatusCode != http.StatusOK {
			break
		}
	}
	refused := b.WantStatus(b.Me(), http.StatusTooManyRequests)
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if refused.Header.Get("Spotify-Proxy-Reason") != "budget_exceeded" || err != nil || wait < 23*3600 || wait > 24*3600+60 ||
		!strings.HasPrefix(refused.Header.Get("Spotify-Proxy-Quota"), "limit=20, remaining=0, reset=") {
		t.Errorf("refused with %v", refused.Header)
	}
	if n := len(s.Sim.RequestsTo("/v1/")); n != served+1 || served < 10 || n > 18 {
		t.Errorf("%d requests were sent, %d of them the visitor's", n, served)
	}
	// Another visitor still gets in: a part is kept for those who have had little.
	other := s.NewBrowser()
	other.Login("jonas")
	// A reload forgets nothing.
	s.Load("# reloaded")
	b.WantStatus(b.Me(), http.StatusTooManyRequests)
	var all adminapi.Quotas
	a.Call("GET", "/spotify/quota", http.StatusOK, &all)
	if app := all.Apps[0]; app.Budget != 20 || app.Used != len(s.Sim.RequestsTo("/v1/")) || app.Held < 3 {
		t.Errorf("%+v", app.Report)
	}
}
