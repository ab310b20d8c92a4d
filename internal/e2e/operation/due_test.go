package operation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// E02: an operator lists what has to be authorized again soon.
func TestSessionsDue(t *testing.T) {
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr, Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("mira")
	b.CreateKey(proxytest.KeyForm("week", "life", "7d"))
	b.CreateKey(proxytest.KeyForm("long"))
	for due, want := range map[string]int{"": 3, "1d": 0, "8d": 1, "170d": 1, "190d": 3} {
		query := ""
		if due != "" {
			query = "?due=" + due
		}
		var list proxytest.SessionList
		a.Call("GET", "/spotify/sessions"+query, http.StatusOK, &list)
		if list.Total != want || len(list.Sessions) != want {
			t.Errorf("due=%s: %d of %d, want %d", due, len(list.Sessions), list.Total, want)
		}
	}
	stdout, stderr, code := proxytest.RunCaddy(t, "spotify", "sessions", "--address", a.Addr, "--due", "8d")
	if code != 0 || strings.Count(stdout, " key ") != 1 || !strings.Contains(stdout, "REAUTHORIZE BY") ||
		!strings.Contains(stdout, time.Now().UTC().AddDate(0, 0, 7).Format(time.DateOnly)) {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := proxytest.RunCaddy(t, "spotify", "sessions", "--address", a.Addr, "--due", "soon"); code == 0 || !strings.Contains(stderr, "write it like 30d") {
		t.Errorf("%d: %s", code, stderr)
	}
}
