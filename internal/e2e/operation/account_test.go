package operation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O52: an account goes by its account_id and, as in Spotify's own pages and in
// share owner, by the user's id.
func TestAccountByUserID(t *testing.T) {
	for name, store := range map[string]string{"files": "store caddy", "memory": "store memory"} {
		t.Run(name, func(t *testing.T) {
			a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
			s := proxytest.Start(t, proxytest.Options{Global: "admin " + a.Addr, Auth: store + "\naccess_keys"})
			mira, jonas := s.NewBrowser(), s.NewBrowser()
			mira.Login("mira")
			program := s.Program(mira.CreateKey(proxytest.KeyForm("music")))
			jonas.Login("jonas")
			if id := mira.Session().Account.ID; id == "mira" || strings.Contains(mira.Fetch("GET", "/spotify/session", "").Text, "user_id") {
				t.Fatalf("the session's account is %s", id)
			}
			program.WantStatus(program.Me(), http.StatusOK)
			if name == "files" {
				s.Restart() // what is kept is enough
				mira.WantStatus(mira.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
			}

			var list proxytest.SessionList
			a.Call("GET", "/spotify/sessions?account=mira", http.StatusOK, &list)
			if list.Total != 2 || len(list.Sessions) != 2 {
				t.Errorf("listed: %+v", list)
			}
			var ended struct{ Ended []string }
			a.Call("DELETE", "/spotify/accounts/mira/sessions", http.StatusOK, &ended)
			if len(ended.Ended) != 2 {
				t.Errorf("ended: %q", ended.Ended)
			}
			mira.WantStatus(mira.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
			program.WantStatus(program.Me(), http.StatusUnauthorized)
			jonas.WantStatus(jonas.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
			a.Call("DELETE", "/spotify/accounts/"+jonas.Session().Account.ID+"/sessions", http.StatusOK, &ended)
			jonas.WantStatus(jonas.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
		})
	}
}
