package upstream

import (
	"net/http"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// What a rewrite after spotify_auth makes of a path is judged too: it is what
// Spotify gets.
func TestAllowJudgesWhatIsSent(t *testing.T) {
	r := newRig(t, recording(ok))
	r.ex.Site.Allow = []webapi.Rule{{Methods: []string{"GET"}, Paths: []string{"/v1/me"}}}
	r.wantRefused(r.request("GET", "/v1/me/playlists", nil), http.StatusForbidden, "not_allowed")
	r.wantRefused(r.request("PUT", "/v1/me", nil), http.StatusForbidden, "not_allowed")
	if res, body := r.do(r.request("GET", "/v1/me", nil)); res.StatusCode != http.StatusOK {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if n := r.refreshes.Load(); n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// forbidding is a policy that lets nothing pass.
type forbidding struct{ visitor }

func (forbidding) Permits(*session.Session, *http.Request) *problem.Problem {
	return problem.NotAllowed()
}

// So does the policy of whoever asks: a rewrite must not widen what a key may do.
func TestPolicyJudgesWhatIsSent(t *testing.T) {
	r := newRig(t, recording(ok))
	r.ex.Policy = forbidding{}
	r.wantRefused(r.request("GET", "/v1/me", nil), http.StatusForbidden, "not_allowed")
}
